set local lock_timeout = '10s';

-- Vectors of endpoints are made again by the model that remains.
update chat.file_passages set model = null, vector = null where vector_dims(vector) <> 384;
update chat.worklist set model = null, vector = null where vector_dims(vector) <> 384;
-- squawk-ignore changing-column-type
alter table chat.file_passages alter column vector type halfvec(384);
-- squawk-ignore changing-column-type
alter table chat.worklist alter column vector type halfvec(384);
-- squawk-ignore ban-drop-table
drop table library.endpoint_vectors;
-- squawk-ignore ban-drop-table
drop table library.embedding_state;
-- squawk-ignore ban-drop-table
drop table library.search_endpoints;
