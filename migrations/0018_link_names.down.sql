-- no-transaction
drop index concurrently if exists library.documents_link_name;
