-- Drills: rehearsals of a disaster, and what they measured; the newest 100. A restored library has those of before.
create table ops.drills (
  id uuid primary key,
  -- by the clock of the machine, since a drill begins without a database
  started_at timestamptz not null,
  -- as every API shows it
  report jsonb not null check (jsonb_typeof(report) = 'object')
);
