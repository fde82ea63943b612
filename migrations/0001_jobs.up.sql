-- Durable jobs: work that must happen once a change is committed.
create schema store;

create table store.jobs (
  id uuid primary key,
  kind text not null check (kind ~ '^[a-z_.]{1,64}$'),
  -- ids only; what they name is read when the job runs
  payload jsonb not null,
  -- lower is sooner
  priority int2 not null default 0,
  run_at timestamptz not null default now(),
  attempts int4 not null default 0,
  -- a worker's lease: others may take the job when it has run out
  leased_by uuid,
  leased_until timestamptz,
  last_error text,
  -- set when the last try failed: the job waits for a person
  dead_at timestamptz,
  created_at timestamptz not null default now(),
  check ((leased_by is null) = (leased_until is null))
);

create index jobs_due on store.jobs (kind, priority, run_at, id) where dead_at is null;
create index jobs_leased on store.jobs (leased_by) where leased_by is not null;
