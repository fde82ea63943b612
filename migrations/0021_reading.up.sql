-- How documents are read: the order of a version's documents, and the favourites of users.

set local lock_timeout = '10s';

alter table library.versions
  -- paths in the order of the list (llms.txt) that the version was added from; empty without one
  add column reading_order text[] not null default '{}';

create table library.favourites (
  user_id uuid not null references identity.users on delete cascade,
  document_id uuid not null references library.documents on delete cascade,
  created_at timestamptz not null default now(),
  primary key (user_id, document_id)
);
create index favourites_document_id on library.favourites (document_id);
