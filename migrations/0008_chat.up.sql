-- Questions, answers and their history. Every chat belongs to one person; nobody else can reach it.
create schema chat;

-- A key reaches its user's history only if it was made for that.
alter table identity.mcp_api_keys drop constraint mcp_api_keys_scopes_check;
alter table identity.mcp_api_keys add constraint mcp_api_keys_scopes_check
  check (scopes <@ array['read', 'write', 'notes', 'chats'] and 'read' = any (scopes));

-- Language models: OpenAI-compatible endpoints.
create table chat.models (
  id uuid primary key,
  name text not null constraint models_name_key unique check (name ~ '^[a-z0-9][a-z0-9._-]*$' and length(name) <= 60),
  -- up to and without /chat/completions
  endpoint text not null check (endpoint ~ '^https?://' and length(endpoint) <= 2000),
  -- what the endpoint calls the model
  model text not null check (length(model) between 1 and 200),
  -- sealed, and bound to this row; null where the endpoint wants none
  api_key bytea check (length(api_key) <= 10000),
  -- what fits into one request, question and answer together
  context_tokens int4 not null default 8192 check (context_tokens between 1024 and 10000000),
  -- the longest answer
  answer_tokens int4 not null default 1024 check (answer_tokens between 16 and context_tokens / 2),
  -- how long the first piece of an answer may take, and then each further one
  first_seconds int4 not null default 120 check (first_seconds between 1 and 3600),
  idle_seconds int4 not null default 60 check (idle_seconds between 1 and 3600),
  -- answers at once, on each node
  concurrency int4 not null default 4 check (concurrency between 1 and 1000),
  enabled bool not null default true,
  -- answers where none is named
  is_default bool not null default false,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create unique index models_is_default on chat.models (is_default) where is_default;

create table chat.chats (
  id uuid primary key,
  -- null: the library's owner, at the command line
  user_id uuid references identity.users on delete cascade,
  -- the same without null, so that an index can lead with it
  owner_id uuid not null generated always as (coalesce(user_id, '00000000-0000-0000-0000-000000000000'::uuid)) stored,
  -- the first question, until it is renamed
  title text not null check (length(title) between 1 and 300),
  focus_mode varchar(50) not null default 'librarySearch',
  -- what is asked where a question names nothing else
  library text check (length(library) <= 100),
  version text check (length(version) <= 100),
  model text check (length(model) <= 60),
  -- the last message of the branch that is shown
  current_id int8,
  pinned bool not null default false,
  archived bool not null default false,
  -- undone within thirty days, or gone for good
  deleted_at timestamptz,
  -- its id where it was imported from
  external_id text check (length(external_id) <= 200),
  created_at timestamptz not null default now(),
  -- of the newest message
  updated_at timestamptz not null default now()
);
create index chats_list on chat.chats (owner_id, archived, pinned desc, updated_at desc, id desc) where deleted_at is null;
create index chats_deleted_at on chat.chats (deleted_at) where deleted_at is not null;
create index chats_user_id on chat.chats (user_id) where user_id is not null;
create index chats_external_id on chat.chats (owner_id, external_id) where external_id is not null;

-- A chat's messages are a forest: a parent is of the same chat and older, so no message can be above itself. A question that
-- is put again in other words, and an answer that is given again, are siblings of the earlier one.
create table chat.messages (
  id int8 generated always as identity primary key,
  message_id uuid not null constraint messages_message_id_key unique,
  chat_id uuid not null references chat.chats on delete cascade,
  parent_id int8,
  role varchar(20) not null check (role in ('user', 'assistant')),
  content text not null,
  -- for an answer: how it came about
  metadata jsonb not null default '{}' check (jsonb_typeof(metadata) = 'object'),
  status text not null default 'complete' check (status in ('answering', 'complete', 'stopped', 'interrupted', 'failed')),
  -- whoever writes the answer keeps moving this; when it is past they are gone
  answering_until timestamptz check ((answering_until is not null) = (status = 'answering')),
  -- somebody asked for the answer to be stopped
  stop_asked bool not null default false,
  -- the terms of its text, and one that names its owner
  words tsvector not null default '',
  created_at timestamptz not null default now(),
  unique (chat_id, id),
  constraint messages_parent_fkey foreign key (chat_id, parent_id) references chat.messages (chat_id, id) on delete cascade,
  constraint messages_parent_is_older check (parent_id < id)
);
create index messages_parent on chat.messages (chat_id, parent_id);
create index messages_words on chat.messages using gin (words);
create index messages_answering on chat.messages (answering_until) where status = 'answering';

alter table chat.chats add constraint chats_current_fkey
  foreign key (id, current_id) references chat.messages (chat_id, id) on delete set null (current_id) deferrable initially deferred;

-- What a model was given, word for word, under its SHA-256: a citation opens it whatever has become of the document since.
create table chat.quotes (
  sha256 bytea primary key check (length(sha256) = 32),
  content text not null,
  -- moves when it is cited again; what nothing cites any more is swept a day after
  used_at timestamptz not null default now()
);

create table chat.message_sources (
  message_id int8 not null references chat.messages on delete cascade,
  -- what stands between the brackets
  number int4 not null check (number >= 1),
  -- its place among what was found, from 1
  rank int4 not null check (rank >= 1),
  kind text not null check (kind in ('passage', 'file', 'web', 'server')),
  -- whether the answer cites it
  cited bool not null default false,
  -- the passage, while it is there
  passage_id uuid references library.search_indices on delete set null,
  sha256 bytea not null references chat.quotes,
  -- half-open range of characters of the quote that the model was given
  character_from int4 not null default 0,
  character_to int4 not null check (character_to >= character_from),
  library text,
  version text,
  -- whether the version was the library's active one because none was named: then a change of that one makes it stale
  follows_active bool not null default false,
  document_id uuid,
  path text,
  title text not null,
  section text[] not null default '{}',
  page_from int4,
  page_to int4,
  url text,
  -- why it reads like an instruction to an agent, if it does
  instruction text,
  -- what has become of the passage in the version that answers now
  stale text check (stale in ('changed', 'gone')),
  stale_at timestamptz check ((stale_at is not null) = (stale is not null)),
  primary key (message_id, number)
);
create index message_sources_passage_id on chat.message_sources (passage_id);
create index message_sources_sha256 on chat.message_sources (sha256);
create index message_sources_document_id on chat.message_sources (document_id) where document_id is not null;

-- What its owner says of an answer.
create table chat.verdicts (
  message_id int8 primary key references chat.messages on delete cascade,
  verdict text not null check (verdict in ('good', 'wrong')),
  reason text not null default '' check (length(reason) <= 4000),
  -- what would have been right
  correction text not null default '' check (length(correction) <= 4000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- Files attached to a chat. Their bytes lie in the object store.
create table chat.files (
  id int8 generated always as identity primary key,
  file_id uuid not null constraint files_file_id_key unique,
  chat_id uuid not null references chat.chats on delete cascade,
  file_name text not null check (length(file_name) between 1 and 1000),
  file_hash bytea not null references library.objects (sha256),
  file_size int8 not null,
  status text not null default 'processing' check (status in ('processing', 'completed', 'failed')),
  -- why it failed
  reason text check (status <> 'failed' or reason is not null),
  uploaded_at timestamptz not null default now()
);
create index files_chat_id on chat.files (chat_id);
create index files_file_hash on chat.files (file_hash);

create table chat.file_passages (
  id uuid primary key,
  file_id int8 not null references chat.files on delete cascade,
  passage_number int4 not null check (passage_number >= 0),
  content text not null,
  section text[] not null default '{}',
  page_from int4,
  page_to int4,
  instruction text,
  sha256 bytea not null check (length(sha256) = 32),
  -- made by this model, where there is one
  model text,
  vector halfvec(384),
  constraint file_passages_passage_key unique (file_id, passage_number)
);

-- Read-only links: what the chat was when the link was made.
create table chat.shares (
  id uuid primary key,
  chat_id uuid not null references chat.chats on delete cascade,
  token_hash bytea not null unique check (length(token_hash) = 32),
  -- the chat as it is exported
  frozen jsonb not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index shares_chat_id on chat.shares (chat_id);

-- Messages as they are shown: with their sources, their alternatives, and what their owner says of them.
create view chat.shown_messages as
select message.id, message.message_id, message.chat_id, message.parent_id, parent.message_id as parent, message.role,
  message.content, message.metadata, message.created_at,
  -- whoever was writing it is gone
  case when message.answering_until < now() then 'interrupted' else message.status end as status,
  -- in the order they were written; by cases, so that each is a search of the index
  case when message.parent_id is null
    then (select array_agg(sibling.message_id order by sibling.id) from chat.messages as sibling
          where sibling.chat_id = message.chat_id and sibling.parent_id is null)
    else (select array_agg(sibling.message_id order by sibling.id) from chat.messages as sibling
          where sibling.chat_id = message.chat_id and sibling.parent_id = message.parent_id)
  end as siblings,
  -- questions have none: they are not looked for
  case when message.role = 'assistant' then (select jsonb_agg(jsonb_build_object(
      'number', source.number, 'rank', source.rank, 'kind', source.kind, 'cited', source.cited,
      'passage_id', source.passage_id, 'sha256', encode(source.sha256, 'hex'),
      'character_from', source.character_from, 'character_to', source.character_to,
      'library', source.library, 'version', source.version, 'follows_active', source.follows_active,
      'document_id', source.document_id, 'path', source.path, 'title', source.title, 'section', source.section,
      'page_from', source.page_from, 'page_to', source.page_to, 'url', source.url,
      'instruction', source.instruction, 'stale', source.stale, 'content', quote.content) order by source.number)
   from chat.message_sources as source join chat.quotes as quote on quote.sha256 = source.sha256
   where source.message_id = message.id) end as sources,
  case when message.role = 'assistant' then
    (select jsonb_build_object('verdict', verdict, 'reason', reason, 'correction', correction)
     from chat.verdicts where verdicts.message_id = message.id) end as verdict
from chat.messages as message
left join chat.messages as parent on parent.id = message.parent_id;
