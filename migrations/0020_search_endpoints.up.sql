-- Embedding and re-ranking by endpoints of one's own. Vectors of the built-in model stay in library.vectors.
set local lock_timeout = '10s';

create table library.search_endpoints (
  id uuid primary key,
  purpose text not null check (purpose in ('embedding', 'reranking')),
  -- an endpoint that was replaced embeds queries until the passages have the vectors of the current one
  is_current bool not null default true,
  -- up to and without /embeddings or /rerank
  endpoint text not null check (endpoint ~ '^https?://' and length(endpoint) <= 2000),
  -- what the endpoint calls the model
  model text not null check (length(model) between 1 and 200),
  -- sealed, and bound to this row; null where the endpoint wants none
  api_key bytea check (length(api_key) <= 10000),
  -- values of a vector: as many as pgvector can index in half precision
  dimensions int4 check (dimensions between 1 and 4000),
  -- put before each text, as some models want it
  query_prefix text not null default '' check (length(query_prefix) <= 1000),
  passage_prefix text not null default '' check (length(passage_prefix) <= 1000),
  -- longer texts are cut, by estimate
  input_tokens int4 not null check (input_tokens between 64 and 1000000),
  -- texts in one request
  batch_size int4 not null check (batch_size between 1 and 256),
  -- how long a search waits for it
  timeout_milliseconds int4 not null check (timeout_milliseconds between 50 and 60000),
  -- names the vectors: model, dimensions and what else they depend on
  vector_model text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  check ((purpose = 'embedding') = (dimensions is not null))
);
create unique index search_endpoints_current on library.search_endpoints (purpose) where is_current;

-- One row: whose vectors answer, on all nodes. It changes once all passages have those of the next model.
create table library.embedding_state (
  only_row bool primary key default true check (only_row),
  answering text not null,
  -- mean similarity of passages that have nothing to do with each other; null for the built-in model, or while there are few
  unrelated_similarity float4
);
insert into library.embedding_state (answering) values ('multilingual-e5-small-q4');

-- Vectors of the passages of active revisions by endpoints: a read model. During a change a passage has those of two models.
create table library.endpoint_vectors (
  passage_id uuid not null references library.search_indices on delete cascade,
  model text not null,
  version_id uuid not null references library.versions on delete cascade,
  -- what was embedded, so that an unchanged passage of another version takes the same vector
  text_sha256 bytea not null,
  -- filled with zeros up to a dimension that has an index below, which changes no cosine
  vector halfvec not null,
  primary key (passage_id, model)
);
create index endpoint_vectors_version_id on library.endpoint_vectors (version_id, model);
create index endpoint_vectors_text_sha256 on library.endpoint_vectors (text_sha256);
create index endpoint_vectors_hnsw_384 on library.endpoint_vectors
  using hnsw ((vector::halfvec(384)) halfvec_cosine_ops) with (m = 16, ef_construction = 64) where vector_dims(vector) = 384;
create index endpoint_vectors_hnsw_512 on library.endpoint_vectors
  using hnsw ((vector::halfvec(512)) halfvec_cosine_ops) with (m = 16, ef_construction = 64) where vector_dims(vector) = 512;
create index endpoint_vectors_hnsw_768 on library.endpoint_vectors
  using hnsw ((vector::halfvec(768)) halfvec_cosine_ops) with (m = 16, ef_construction = 64) where vector_dims(vector) = 768;
create index endpoint_vectors_hnsw_1024 on library.endpoint_vectors
  using hnsw ((vector::halfvec(1024)) halfvec_cosine_ops) with (m = 16, ef_construction = 64) where vector_dims(vector) = 1024;
create index endpoint_vectors_hnsw_1536 on library.endpoint_vectors
  using hnsw ((vector::halfvec(1536)) halfvec_cosine_ops) with (m = 16, ef_construction = 64) where vector_dims(vector) = 1536;
create index endpoint_vectors_hnsw_2048 on library.endpoint_vectors
  using hnsw ((vector::halfvec(2048)) halfvec_cosine_ops) with (m = 16, ef_construction = 64) where vector_dims(vector) = 2048;
create index endpoint_vectors_hnsw_3072 on library.endpoint_vectors
  using hnsw ((vector::halfvec(3072)) halfvec_cosine_ops) with (m = 16, ef_construction = 64) where vector_dims(vector) = 3072;
create index endpoint_vectors_hnsw_4000 on library.endpoint_vectors
  using hnsw ((vector::halfvec(4000)) halfvec_cosine_ops) with (m = 16, ef_construction = 64) where vector_dims(vector) = 4000;

-- Files of chats and groups of the work list are embedded by the same model. They have no index, and no row is rewritten.
-- squawk-ignore changing-column-type
alter table chat.file_passages alter column vector type halfvec;
-- squawk-ignore changing-column-type
alter table chat.worklist alter column vector type halfvec;
