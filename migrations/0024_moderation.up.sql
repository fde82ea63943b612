-- Reports of posts and comments, and what moderators did.
set local lock_timeout = '10s';

create table social.reports (
  id uuid primary key,
  post_id uuid not null references social.posts on delete cascade,
  -- null: the post itself is reported
  comment_id uuid references social.comments on delete cascade,
  -- of the post: its owners see the report; null: administrators alone
  library_id uuid references library.libraries on delete cascade,
  reporter_id uuid references identity.users on delete set null,
  reason text not null check (length(reason) between 1 and 2000),
  created_at timestamptz not null default now(),
  resolved_at timestamptz,
  resolution text check (resolution in ('hidden', 'dismissed')),
  resolved_by text,
  check (num_nonnulls(resolved_at, resolution, resolved_by) in (0, 3))
);
-- Who reports the same twice reports it once.
create unique index reports_once on social.reports (post_id, comment_id, reporter_id) nulls not distinct where resolved_at is null;
create index reports_open on social.reports (id desc) where resolved_at is null;
create index reports_of_library on social.reports (library_id, id desc);
create index reports_post_id on social.reports (post_id);
create index reports_comment_id on social.reports (comment_id) where comment_id is not null;
create index reports_reporter_id on social.reports (reporter_id) where reporter_id is not null;

-- Who did what to whose text. It outlives both.
create table social.moderation_log (
  id uuid primary key,
  moderator text not null,
  action text not null check (action in ('hide', 'show', 'dismiss')),
  post_id uuid not null,
  comment_id uuid,
  author text,
  created_at timestamptz not null default now()
);
create index moderation_log_post_id on social.moderation_log (post_id);
