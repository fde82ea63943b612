-- Mail about notifications: how often a person wants it, and the digests that are being sent.
set local lock_timeout = '10s';

-- What a person has chosen. A kind without a row has the default of the program.
create table social.mail_preferences (
  user_id uuid not null references identity.users on delete cascade,
  kind text not null check (kind in ('mention', 'reply', 'like', 'follow', 'message', 'version', 'accepted')),
  frequency text not null check (frequency in ('immediately', 'daily', 'weekly', 'never')),
  primary key (user_id, kind)
);

-- Digests that are not done. A person has one at a time, so that no two processes mail them the same.
create table social.mail_digests (
  -- becomes the Message-ID, the same however often it is tried
  id uuid primary key,
  user_id uuid not null constraint mail_digests_user_id_key unique references identity.users on delete cascade,
  -- what it is about does not change between attempts: a copy that a mail system drops says nothing new. No foreign keys, since
  -- notifications that are gone are left out
  notification_ids uuid[] not null check (cardinality(notification_ids) > 0),
  created_at timestamptz not null default now(),
  -- until then nobody else sends it
  leased_until timestamptz not null
);

-- Time of the first event that was not mailed; null once all were. Notifications from before stay null, so that nobody is mailed what
-- happened before mail was offered.
alter table social.notifications add column unmailed_since timestamptz;
alter table social.notifications alter column unmailed_since set default now();
