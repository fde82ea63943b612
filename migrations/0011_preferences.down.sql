alter table identity.users drop column theme, drop column language;
