drop table library.grants;
alter table library.libraries drop column visibility;
