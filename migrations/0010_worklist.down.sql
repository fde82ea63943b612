drop table chat.worklist;
drop table chat.stale_pending;
drop table chat.followed_libraries;
drop table chat.followed;
