-- Operations: the questions that a restored copy must answer.
set local lock_timeout = '10s';

create schema ops;

-- Searches that administrators choose. A backup saves the passages they find, and a verified one finds them again.
create table ops.golden_questions (
  id uuid primary key,
  text text not null check (length(text) between 1 and 500),
  -- names and not references: a question about a library that is gone stays, and says so with each backup. null: all libraries
  library text check (length(library) between 1 and 100),
  version text check (length(version) between 1 and 100),
  created_at timestamptz not null default now(),
  constraint golden_questions_once unique nulls not distinct (text, library, version),
  check (version is null or library is not null)
);
