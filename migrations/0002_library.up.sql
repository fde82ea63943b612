-- Libraries, their versions, documents and the passages that search finds.
--
-- A *version* is a label of a whole library (15, 5.2.1, 2026-01); versions stand side by side and one is active.
-- A *revision* is what a document was under a label before it was changed there; the active one answers.
create extension if not exists vector;
create schema library;

-- One row. Each counter moves in the transaction of the change it counts, and its row lock is held until that commits, so
-- the numbers are seen in order and without gaps. Read models follow them, and caches are valid while they stand still.
create table library.change_sequence (
  only_row bool primary key default true check (only_row),
  -- tells an index made from this database from one made from another
  database_id uuid not null default gen_random_uuid(),
  -- which passages are found
  passages int8 not null default 0,
  -- libraries and versions
  catalogue int8 not null default 0,
  -- asks every node to build its full-text index anew
  rebuild int8 not null default 0
);
insert into library.change_sequence default values;

create table library.libraries (
  id uuid primary key,
  name text not null constraint libraries_name_key unique
    check (name ~ '^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)?$' and length(name) <= 100),
  title text not null,
  description text not null default '',
  active_version_id uuid,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table library.versions (
  id uuid primary key,
  library_id uuid not null references library.libraries on delete cascade,
  label text not null check (label ~ '^[A-Za-z0-9][A-Za-z0-9._+-]*$' and length(label) <= 64),
  -- sorts labels as versions: 9.0 before 10.0, 2.0-rc1 before 2.0
  sort_key text collate "C" not null,
  created_at timestamptz not null default now(),
  constraint versions_library_id_label_key unique (library_id, label),
  -- lets a library point only at a version of its own
  unique (library_id, id)
);

-- A library's active version cannot be deleted on its own: the pointer has to be moved first. The check waits
-- for the end of the statement, so that a library may take all its versions with it.
alter table library.libraries
  add constraint libraries_active_version_fkey foreign key (id, active_version_id)
    references library.versions (library_id, id) deferrable initially deferred;

-- Bytes in the object store that documents refer to. `touched_at` moves before bytes are written, so that the sweep,
-- which only takes what was not touched lately, never takes bytes on their way to a document.
create table library.objects (
  sha256 bytea primary key check (length(sha256) = 32),
  size int8 not null check (size >= 0),
  touched_at timestamptz not null default now()
);

create table library.documents (
  id uuid primary key,
  library_id uuid not null references library.libraries on delete cascade,
  -- names the document in its library, in every version
  path text not null check (path <> '' and length(path) <= 1000),
  -- its title
  name text not null,
  category text not null default 'document' check (category in ('code', 'document')),
  tags text[] not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint documents_library_id_path_key unique (library_id, path)
);
create index documents_tags on library.documents using gin (tags);

create table library.document_metadata (
  document_id uuid primary key references library.documents on delete cascade,
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  updated_at timestamptz not null default now()
);
create index document_metadata_metadata on library.document_metadata using gin (metadata jsonb_path_ops);

create table library.document_versions (
  id uuid primary key,
  document_id uuid not null references library.documents on delete cascade,
  version_id uuid not null references library.versions on delete cascade,
  revision int4 not null check (revision >= 1),
  -- the one revision under this label that answers; moving it is how a document is rolled back
  active bool not null default false,
  status text not null default 'processing' check (status in ('uploading', 'processing', 'completed', 'failed')),
  -- why it failed, or what a reader should know
  reason text,
  -- as declared by whoever added it; read by content where null
  declared_type text,
  type text check (type in ('markdown', 'pdf', 'docx', 'swagger', 'openapi', 'java_doc', 'html', 'rst', 'text')),
  -- the original's own name, and its bytes
  file_path text not null,
  file_hash bytea not null references library.objects (sha256),
  file_size int8 not null,
  title text,
  description text,
  language text,
  -- the extracted text, as Markdown; passages are ranges of it
  content text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  completed_at timestamptz,
  constraint document_versions_document_id_version_id_revision_key unique (document_id, version_id, revision),
  check (not active or status = 'completed'),
  check (status <> 'failed' or reason is not null)
);
create unique index document_versions_active on library.document_versions (document_id, version_id) where active;
create index document_versions_version_id on library.document_versions (version_id);
create index document_versions_file_hash on library.document_versions (file_hash);

-- Passages: the unit of search and of citation. They stay as long as their revision, active or not, so that a citation
-- opens what it cited.
create table library.search_indices (
  id uuid primary key,
  document_version_id uuid not null references library.document_versions on delete cascade,
  passage_number int4 not null check (passage_number >= 0),
  content text not null,
  content_type text not null check (content_type in ('text', 'code', 'table', 'api')),
  -- the headings above it, outermost first
  section text[] not null default '{}',
  anchor text,
  page_from int4,
  page_to int4,
  line_from int4 not null,
  line_to int4 not null,
  -- half-open range of characters in document_versions.content
  character_from int4 not null,
  character_to int4 not null,
  language text,
  keywords text[] not null default '{}',
  -- why it reads like an instruction to an agent, if it does
  instruction text,
  sha256 bytea not null check (length(sha256) = 32),
  created_at timestamptz not null default now(),
  constraint search_indices_passage_key unique (document_version_id, passage_number)
);

-- Vectors of the passages of active revisions: a read model, rebuilt by `wenyuan reindex --vectors`.
create table library.vectors (
  passage_id uuid primary key references library.search_indices on delete cascade,
  version_id uuid not null references library.versions on delete cascade,
  -- what was embedded, so that an unchanged passage of another version takes the same vector
  text_sha256 bytea not null,
  model text not null,
  vector halfvec(384) not null
);
create index vectors_version_id on library.vectors (version_id);
create index vectors_text_sha256 on library.vectors (text_sha256);
create index vectors_hnsw on library.vectors using hnsw (vector halfvec_cosine_ops) with (m = 16, ef_construction = 64);

-- The newest change of each document under each label. Who follows asks for what came after the number it has seen, and
-- reads the passages as they are now: seeing a change twice changes nothing, and a deleted document is one without passages.
create table library.changes (
  document_id uuid not null,
  version_id uuid not null,
  sequence int8 not null,
  primary key (document_id, version_id)
);
create index changes_sequence on library.changes (sequence);
