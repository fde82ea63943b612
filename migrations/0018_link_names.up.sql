-- no-transaction
-- Finds the documents that a link can mean.
-- Waits for other changes of the schema only, and cannot be cancelled by a time limit without leaving an invalid index.
-- squawk-ignore require-lock-timeout
create index concurrently if not exists documents_link_name on library.documents (library_id, library.link_name(path));
