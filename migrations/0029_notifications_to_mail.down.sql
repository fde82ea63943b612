-- no-transaction
drop index concurrently if exists social.notifications_to_mail;
