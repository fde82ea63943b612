-- Labels as Debian and PEP 440 write versions: an epoch (1:2.4, 1!2.4), and what precedes a release (2.4~rc1).

set local lock_timeout = '10s';

-- LABEL~NUMBER names a revision, so that two letters follow a tilde within a label. Rows that are there hold already.
alter table library.versions
  -- The new constraint allows more.
  -- squawk-ignore ban-drop-constraint
  drop constraint versions_label_check,
  add constraint versions_label_check
    check (label ~ '^[A-Za-z0-9]([A-Za-z0-9._+:!-]|~[A-Za-z]{2})*$' and length(label) <= 64) not valid;
