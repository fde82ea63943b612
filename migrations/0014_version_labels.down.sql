-- Labels that only the wider rule allows stay as they are.
alter table library.versions
  drop constraint versions_label_check,
  add constraint versions_label_check
    check (label ~ '^[A-Za-z0-9][A-Za-z0-9._+-]*$' and length(label) <= 64) not valid;
