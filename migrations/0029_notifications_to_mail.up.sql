-- no-transaction
-- Notifications that may still be mailed, by how long they wait: looked for each minute.
-- Waits for other changes of the schema only, and cannot be cancelled by a time limit without leaving an invalid index.
-- squawk-ignore require-lock-timeout
create index concurrently if not exists notifications_to_mail on social.notifications (unmailed_since) include (user_id, kind)
  where unmailed_since is not null and read_at is null;
