-- Answers live on: which of them have gone stale since, and what the library could not answer.

-- How far the changes of the library have been followed.
create table chat.followed (
  only_row bool primary key default true check (only_row),
  passages int8 not null default 0,
  catalogue int8 not null default -1
);
insert into chat.followed default values;

-- The active version of each library, as it was when its citations were last to be compared.
create table chat.followed_libraries (
  library_id uuid primary key references library.libraries on delete cascade,
  active_version_id uuid
);

-- Documents whose citations are to be compared with what they say now.
create table chat.stale_pending (
  document_id uuid primary key,
  due_at timestamptz not null default now(),
  -- and once more after a while, for answers that were being written when the document changed
  again bool not null default true
);
create index stale_pending_due_at on chat.stale_pending (due_at);

-- What the owners of a library should look at. Each row is a group of occurrences with one meaning; nobody's name is in it.
create table chat.worklist (
  id uuid primary key,
  -- null: of no library, for administrators
  library_id uuid references library.libraries on delete cascade,
  kind text not null check (kind in ('nothing_found', 'version_refused', 'answer_wrong', 'answer_stale')),
  -- the version that was asked for, where one was refused
  subject text not null default '' check (length(subject) <= 200),
  -- the first few different questions
  questions text[] not null check (cardinality(questions) between 1 and 5),
  -- what was said of it: why an answer is wrong, which document changed
  details text[] not null default '{}' check (cardinality(details) <= 5),
  -- the words of its questions, each set as one text: the same words are the same group also without a model
  keys text[] not null check (cardinality(keys) between 1 and 50),
  occurrences int8 not null default 1,
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  -- of the first question, made by this model, where there is one
  model text,
  vector halfvec(384),
  resolved_at timestamptz,
  -- who resolved it
  resolved_by text check ((resolved_by is null) = (resolved_at is null))
);
create index worklist_list on chat.worklist (last_at desc, id desc);
create index worklist_open on chat.worklist (library_id, kind) where resolved_at is null;
