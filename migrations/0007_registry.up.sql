-- MCP servers of others that this library may use.
create schema registry;

create table registry.mcp_configs (
  id uuid primary key,
  name text not null constraint mcp_configs_name_key unique
    check (name ~ '^[a-z0-9][a-z0-9._-]*$' and length(name) <= 60),
  description text not null default '' check (length(description) <= 500),
  endpoint text not null check (endpoint ~ '^https?://' and length(endpoint) <= 2000),
  -- sealed, and bound to this row; null where the server wants none
  api_key bytea check (length(api_key) <= 10000),
  -- the header that it is sent in; null for `Authorization: Bearer`
  header text check (header ~ '^[a-z0-9-]+$' and length(header) <= 60),
  enabled bool not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
