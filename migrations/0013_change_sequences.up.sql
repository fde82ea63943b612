-- The change sequence of the library, for every crate with a read model: named sequences, and the changes that they number.

set local lock_timeout = '10s';

-- Tells a read model of this database from one of another.
create table store.database_identity (
  only_row bool primary key default true check (only_row),
  database_id uuid not null
);
insert into store.database_identity (database_id) select database_id from library.change_sequence;

-- A sequence advances in the transaction of the change that it counts, and its row lock is held until that commits, so the numbers
-- are seen in order and without gaps. Read models follow them, and caches are valid while they stand still.
create table store.change_sequences (
  -- crate.name; the sequences of one crate are locked together
  name text primary key check (name ~ '^[a-z]+\.[a-z_]{1,64}$'),
  -- number of the last change
  value int8 not null
);
insert into store.change_sequences (name, value)
  select 'library.passages', passages from library.change_sequence
  union all select 'library.catalogue', catalogue from library.change_sequence
  union all select 'library.rebuild', rebuild from library.change_sequence;

-- The newest change of each subject. A follower asks for what came after the number it has seen, and reads the subjects as they are
-- now: seeing a change twice changes nothing, and a deleted subject is one that is not found.
create table store.changes (
  sequence text not null,
  -- ids that name what has changed
  subject uuid[] not null,
  number int8 not null,
  primary key (sequence, subject)
);
insert into store.changes (sequence, subject, number)
  select 'library.passages', array[document_id, version_id], sequence from library.changes;
create index changes_number on store.changes (sequence, number);

-- At once and not with the next release: a server of the earlier release that went on counting here would change passages that no
-- follower hears of. Without the tables it fails instead, so it has to be stopped before this migration.
-- squawk-ignore ban-drop-table
drop table library.changes;
-- squawk-ignore ban-drop-table
drop table library.change_sequence;
