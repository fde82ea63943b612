update library.document_versions set status = 'failed' where status = 'skipped';
alter table library.document_versions
  drop constraint document_versions_skipped_check,
  drop constraint document_versions_status_check,
  add constraint document_versions_status_check
    check (status in ('uploading', 'processing', 'completed', 'failed')) not valid;
