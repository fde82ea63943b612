-- Who someone is: users, their sessions, the keys of their agents.
--
-- No token or key is kept, only its SHA-256: they are random and long, so that a slow hash would add nothing. Passwords,
-- which people choose, are kept as Argon2id.
create schema identity;

create table identity.users (
  id uuid primary key,
  -- lower case: Ada and ada are one
  username text not null constraint users_username_key unique
    check (username ~ '^[a-z0-9][a-z0-9._-]*$' and length(username) <= 60),
  email text constraint users_email_key unique check (email = lower(email) and length(email) <= 254),
  -- null until the person has set one by the link they were given
  password_hash text,
  role text not null default 'user' check (role in ('user', 'editor', 'admin')),
  -- one who is not may not sign in, and their keys are dead
  is_active bool not null default true,
  first_name text not null default '' check (length(first_name) <= 100),
  last_name text not null default '' check (length(last_name) <= 100),
  avatar text check (length(avatar) <= 500),
  last_login timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- A session lives as long as its row: signing out deletes it.
create table identity.user_sessions (
  id uuid primary key,
  user_id uuid not null references identity.users on delete cascade,
  -- the `jti` of its access tokens
  token_id uuid not null constraint user_sessions_token_id_key unique,
  -- of the secret that renews access tokens, which pages keep as a cookie
  token_hash bytea not null constraint user_sessions_token_hash_key unique check (length(token_hash) = 32),
  ip_address text,
  user_agent text,
  created_at timestamptz not null default now(),
  last_used timestamptz not null default now(),
  expires_at timestamptz not null
);
create index user_sessions_user_id on identity.user_sessions (user_id);
create index user_sessions_expires_at on identity.user_sessions (expires_at);

-- Links by which a person sets a password: after forgetting it, or for the first time. A used one is deleted.
create table identity.password_reset_tokens (
  id uuid primary key,
  user_id uuid not null references identity.users on delete cascade,
  token_hash bytea not null constraint password_reset_tokens_token_hash_key unique check (length(token_hash) = 32),
  expires_at timestamptz not null,
  created_at timestamptz not null default now()
);
create index password_reset_tokens_user_id on identity.password_reset_tokens (user_id);

-- The link that makes the first administrator. Void once there is one.
create table identity.setup_token (
  only_row bool primary key default true check (only_row),
  token_hash bytea not null check (length(token_hash) = 32),
  created_at timestamptz not null default now()
);

-- Attempts to sign in, by account and by address. Counted before the password is looked at, so that many at once are many.
create table identity.sign_in_attempts (
  subject text primary key,
  attempts int4 not null,
  blocked_until timestamptz not null,
  updated_at timestamptz not null default now()
);
create index sign_in_attempts_updated_at on identity.sign_in_attempts (updated_at);

create table identity.mcp_api_keys (
  id uuid primary key,
  -- whose authority it has; null: made on the command line, for the library's owner
  user_id uuid references identity.users on delete cascade,
  name text not null check (name <> '' and length(name) <= 100),
  -- its first characters, by which people tell keys apart
  prefix text not null,
  key_hash bytea not null constraint mcp_api_keys_key_hash_key unique check (length(key_hash) = 32),
  scopes text[] not null check (scopes <@ array['read', 'write', 'notes'] and 'read' = any (scopes)),
  -- the names of the only libraries it reaches; null: all that its user does. Names and no references: with its last
  -- library deleted, a key must not become one for all.
  libraries text[] check (cardinality(libraries) between 1 and 100),
  enabled bool not null default true,
  -- requests a minute; null: what the server is set to
  rate_limit int4 check (rate_limit between 1 and 1000000),
  expires_at timestamptz,
  -- written about once a minute
  last_used timestamptz,
  created_at timestamptz not null default now(),
  constraint mcp_api_keys_user_id_name_key unique nulls not distinct (user_id, name)
);
