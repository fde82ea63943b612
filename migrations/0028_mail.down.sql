alter table social.notifications drop column unmailed_since;
drop table social.mail_digests;
drop table social.mail_preferences;
