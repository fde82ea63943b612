-- Pictures of users, and requests with an idempotency key.
set local lock_timeout = '10s';

-- A picture is shown to everybody who looks at the user: over TLS, or from this server.
update identity.users set avatar = null where avatar !~ '^(https://[^[:space:]]+|/([^/\\[:space:]][^[:space:]]*)?)$';

alter table store.idempotency
  -- moved while the request is executed; when it is past, its process is gone
  add column renewed_at timestamptz not null default now(),
  -- set in the transaction of the request's effect: what has it is never executed again
  add column executed_at timestamptz;
