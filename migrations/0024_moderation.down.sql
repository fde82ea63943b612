drop table social.moderation_log;
drop table social.reports;
