drop function library.link_name(text);
alter table library.libraries drop column link_base;
drop table library.pictures;
drop table library.document_references;
