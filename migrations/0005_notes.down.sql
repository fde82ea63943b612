drop index library.document_versions_completed_at;
drop table library.notes;
