-- Jobs: unique keys, done jobs that are kept for a while, and periodic work as schedules in the database.

set local lock_timeout = '10s';

alter table store.jobs
  -- names the work within its kind; null: each job stands for itself
  add column unique_key text check (length(unique_key) between 1 and 200),
  -- when the current or last attempt began
  add column started_at timestamptz,
  -- the schedule that enqueued the job; null: something else did
  add column schedule text;

-- Only while it waits: work that becomes due again while it runs must be queued once more, since the running attempt may have
-- read the old state already. Not concurrently: that waits for every other transaction, and a program that starts meanwhile waits in
-- one for this migration. No row is in the index yet.
-- squawk-ignore require-concurrent-index-creation
create unique index jobs_waiting_unique_key on store.jobs (kind, unique_key)
  where unique_key is not null and leased_by is null and dead_at is null;

-- A table of its own, so that the queue stays as small as the work that is left. Rows are purged by kind.
create table store.done_jobs (
  id uuid primary key,
  kind text not null,
  payload jsonb not null,
  attempts int4 not null,
  created_at timestamptz not null,
  started_at timestamptz not null,
  finished_at timestamptz not null,
  -- of the last attempt of a scheduled job that failed; null: it succeeded
  last_error text
);
create index done_jobs_kind on store.done_jobs (kind, finished_at);

-- Which node enqueues a run is settled by the lock of its row; times are the database's.
create table store.schedules (
  -- also the kind of its jobs
  name text primary key check (name ~ '^[a-z_.]{1,64}$'),
  -- five fields, in UTC
  cron text not null,
  -- in the past while no node has enqueued the run; runs missed meanwhile are one run
  next_run_at timestamptz not null,
  -- of the last run that finished
  last_started_at timestamptz,
  last_finished_at timestamptz,
  -- null: it succeeded
  last_error text,
  check ((last_started_at is null) = (last_finished_at is null))
);
