-- What people and agents write on passages.
create table library.notes (
  id uuid primary key,
  -- a note stands on a document under a label, and outlives the passage it was written on
  document_id uuid not null references library.documents on delete cascade,
  version_id uuid not null references library.versions on delete cascade,
  passage_id uuid references library.search_indices on delete set null,
  -- of the passage when the note was written: tells whether it has changed since
  passage_sha256 bytea not null check (length(passage_sha256) = 32),
  section text[] not null default '{}',
  category text not null check (category in ('outdated', 'wrong', 'gap', 'other')),
  text text not null check (length(text) between 1 and 4000),
  -- why it reads like an instruction to an agent, if it does
  instruction text,
  -- who wrote it, while they are there, and what they were called
  author_user_id uuid references identity.users on delete set null,
  author_key_id uuid references identity.mcp_api_keys on delete set null,
  author text not null,
  created_at timestamptz not null default now(),
  resolved_at timestamptz
);
create index notes_document_id on library.notes (document_id, version_id) where resolved_at is null;
create index notes_passage_id on library.notes (passage_id);
create index notes_author_user_id on library.notes (author_user_id);
create index notes_author_key_id on library.notes (author_key_id);
-- Who says the same twice says it once.
create unique index notes_once on library.notes
  (passage_id, author_user_id, author_key_id, md5(text)) nulls not distinct where resolved_at is null;

-- What changed lately is asked by time.
create index document_versions_completed_at on library.document_versions (completed_at desc, id desc)
  where status = 'completed';
