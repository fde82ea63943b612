drop table social.notification_actors;
drop table social.notifications;
drop table social.message_deletions;
drop table social.messages;
drop table social.conversation_members;
drop table social.conversations;
