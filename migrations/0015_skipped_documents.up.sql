-- Files in which there is nothing to read, such as pictures and pages without text, are skipped and have not failed.

set local lock_timeout = '10s';

alter table library.document_versions
  -- The new constraint allows more.
  -- squawk-ignore ban-drop-constraint
  drop constraint document_versions_status_check,
  add constraint document_versions_status_check
    check (status in ('uploading', 'processing', 'completed', 'failed', 'skipped')) not valid,
  add constraint document_versions_skipped_check check (status <> 'skipped' or reason is not null) not valid;
