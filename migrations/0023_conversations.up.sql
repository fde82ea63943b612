-- Direct conversations, which only their members read, and notifications.
set local lock_timeout = '10s';

create table social.conversations (
  id uuid primary key,
  -- of two people: both ids, so that they have one conversation; null for a group
  pair uuid[] constraint conversations_pair_key unique check (cardinality(pair) = 2),
  title text not null default '' check (length(title) <= 200),
  -- number of the newest message. The row is locked by whoever writes, so that numbers are seen in order and without gaps
  last_number int8 not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table social.conversation_members (
  conversation_id uuid not null references social.conversations on delete cascade,
  user_id uuid not null references identity.users on delete cascade,
  -- number of the newest message that they have read
  read_number int8 not null default 0,
  -- of the newest message, as in the conversation: orders the list of a person's conversations
  last_at timestamptz not null default now(),
  joined_at timestamptz not null default now(),
  left_at timestamptz,
  primary key (conversation_id, user_id)
);
create index conversation_members_list on social.conversation_members (user_id, last_at desc, conversation_id desc)
  where left_at is null;
create index conversation_members_user_id on social.conversation_members (user_id);

create table social.messages (
  id uuid primary key,
  conversation_id uuid not null references social.conversations on delete cascade,
  number int8 not null check (number >= 1),
  sender_id uuid references identity.users on delete set null,
  -- empty once it was deleted for all: nothing of it is left
  text text not null check (length(text) <= 10000),
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  constraint messages_number_key unique (conversation_id, number)
);
create index messages_sender_id on social.messages (sender_id, created_at desc) where deleted_at is null;
create index messages_of_sender on social.messages (sender_id);

-- Messages that a member does not want to see any more. The others still do.
create table social.message_deletions (
  message_id uuid not null references social.messages on delete cascade,
  user_id uuid not null references identity.users on delete cascade,
  primary key (message_id, user_id)
);
create index message_deletions_user_id on social.message_deletions (user_id);

create table social.notifications (
  id uuid primary key,
  user_id uuid not null references identity.users on delete cascade,
  kind text not null check (kind in ('mention', 'reply', 'like', 'follow', 'message', 'version', 'accepted')),
  -- names the event: the same one never notifies twice
  event_key text not null check (length(event_key) <= 200),
  -- who did it last
  actor_id uuid references identity.users on delete set null,
  -- how many people did it
  people int4 not null default 1 check (people >= 0),
  -- with what it is about it goes
  post_id uuid references social.posts on delete cascade,
  comment_id uuid references social.comments on delete cascade,
  conversation_id uuid references social.conversations on delete cascade,
  library_id uuid references library.libraries on delete cascade,
  version_id uuid references library.versions on delete cascade,
  created_at timestamptz not null default now(),
  -- moves when one more person does the same
  updated_at timestamptz not null default now(),
  read_at timestamptz,
  constraint notifications_once unique (user_id, event_key)
);
create index notifications_list on social.notifications (user_id, updated_at desc, id desc);
create index notifications_unread on social.notifications (user_id) where read_at is null;
create index notifications_actor_id on social.notifications (actor_id) where actor_id is not null;
create index notifications_post_id on social.notifications (post_id) where post_id is not null;
create index notifications_comment_id on social.notifications (comment_id) where comment_id is not null;
create index notifications_conversation_id on social.notifications (conversation_id) where conversation_id is not null;
create index notifications_library_id on social.notifications (library_id) where library_id is not null;
create index notifications_version_id on social.notifications (version_id) where version_id is not null;

-- The people of a notification about several: whoever likes, takes it back and likes again is counted and told once.
create table social.notification_actors (
  notification_id uuid not null references social.notifications on delete cascade,
  actor_id uuid not null references identity.users on delete cascade,
  primary key (notification_id, actor_id)
);
create index notification_actors_actor_id on social.notification_actors (actor_id);
