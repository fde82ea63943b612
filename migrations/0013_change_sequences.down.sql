create table library.change_sequence (
  only_row bool primary key default true check (only_row),
  database_id uuid not null default gen_random_uuid(),
  passages int8 not null default 0,
  catalogue int8 not null default 0,
  rebuild int8 not null default 0
);
insert into library.change_sequence (database_id, passages, catalogue, rebuild)
  select database_id,
    coalesce((select value from store.change_sequences where name = 'library.passages'), 0),
    coalesce((select value from store.change_sequences where name = 'library.catalogue'), 0),
    coalesce((select value from store.change_sequences where name = 'library.rebuild'), 0)
  from store.database_identity;
create table library.changes (
  document_id uuid not null,
  version_id uuid not null,
  sequence int8 not null,
  primary key (document_id, version_id)
);
insert into library.changes (document_id, version_id, sequence)
  select subject[1], subject[2], number from store.changes where sequence = 'library.passages';
create index changes_sequence on library.changes (sequence);
drop table store.changes;
drop table store.change_sequences;
drop table store.database_identity;
