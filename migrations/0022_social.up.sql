-- Posts about the documents, their comments, likes and tags, and who follows, mutes and blocks whom.
--
-- Transactions that write several of these tables do it in this order: writing_allowances, posts, comments, likes, follows, mutes,
-- blocks, conversations, messages, notifications, and the counters last, since most writers meet there.
--
-- Ids are of version 7 and sort by age, so lists are ordered by them. Authors who are deleted leave their texts without a name.
set local lock_timeout = '10s';

create schema social;

-- How much a person may still write, as the generic cell rate algorithm has it: one row by person and kind.
create table social.writing_allowances (
  user_id uuid not null references identity.users on delete cascade,
  kind text not null check (kind in ('post', 'comment', 'like', 'follow', 'message', 'report')),
  -- when the allowance is full again
  full_at timestamptz not null,
  primary key (user_id, kind)
);

create table social.posts (
  id uuid primary key,
  author_id uuid references identity.users on delete set null,
  -- the API key that wrote it, if one did: agents are told apart from people
  via text check (length(via) between 1 and 100),
  about text not null check (about in ('nothing', 'library', 'version', 'document', 'passage', 'answer')),
  -- Who may read the library may read the post. With the library its posts go: without it nobody could say who may read them.
  library_id uuid references library.libraries on delete cascade,
  -- libraries that the posted answer cites beside `library_id`: its reader must be able to read all of them
  other_libraries uuid[] not null default '{}',
  -- what is gone from a library leaves its discussion there
  version_id uuid references library.versions on delete set null,
  document_id uuid references library.documents on delete set null,
  passage_id uuid references library.search_indices on delete set null,
  -- of the passage when the post was written: finds it in the next revision, or tells that it has changed
  passage_sha256 bytea check (length(passage_sha256) = 32),
  section text[] not null default '{}',
  answer_id uuid references chat.messages (message_id) on delete set null,
  -- the answer as it was posted, with its question and sources, whatever becomes of the chat
  answer jsonb check ((about = 'answer') = (answer is not null)),
  text text not null check (length(text) <= 20000 and (text <> '' or about = 'answer')),
  -- whether it asks for an answer
  question bool not null default false,
  accepted_comment_id uuid,
  created_at timestamptz not null default now(),
  edited_at timestamptz,
  deleted_at timestamptz,
  -- by a moderator
  hidden_at timestamptz,
  check (about in ('nothing', 'answer') or library_id is not null),
  check (about = 'passage' or passage_sha256 is null)
);
create index posts_author_id on social.posts (author_id, id desc);
create index posts_library_id on social.posts (library_id, id desc);
create index posts_document_id on social.posts (document_id, id desc) where document_id is not null;
create index posts_version_id on social.posts (version_id) where version_id is not null;
create index posts_passage_id on social.posts (passage_id) where passage_id is not null;
create index posts_answer_id on social.posts (answer_id) where answer_id is not null;
create index posts_accepted_comment_id on social.posts (accepted_comment_id) where accepted_comment_id is not null;
-- questions that wait for an answer
create index posts_unanswered on social.posts (id desc)
  where question and accepted_comment_id is null and deleted_at is null and hidden_at is null;

-- What a post said before each edit.
create table social.post_revisions (
  post_id uuid not null references social.posts on delete cascade,
  number int4 not null check (number >= 1),
  text text not null,
  -- when this text was replaced
  replaced_at timestamptz not null default now(),
  primary key (post_id, number)
);

-- Tags of a post: those that its text names (#backup), and those of its document when it was written.
create table social.post_tags (
  tag text not null check (length(tag) between 1 and 60),
  post_id uuid not null references social.posts on delete cascade,
  primary key (tag, post_id)
);
create index post_tags_post_id on social.post_tags (post_id);

create table social.comments (
  id uuid primary key,
  post_id uuid not null references social.posts on delete cascade,
  -- null: on the post itself
  parent_id uuid,
  author_id uuid references identity.users on delete set null,
  via text check (length(via) between 1 and 100),
  -- number of comments above it
  depth int4 not null check (depth >= 0 and (depth = 0) = (parent_id is null)),
  text text not null check (length(text) between 1 and 10000),
  created_at timestamptz not null default now(),
  edited_at timestamptz,
  deleted_at timestamptz,
  hidden_at timestamptz,
  unique (post_id, id),
  -- a reply stays on the post of its comment
  constraint comments_parent_fkey foreign key (post_id, parent_id) references social.comments (post_id, id) on delete cascade,
  constraint comments_parent_is_older check (parent_id < id)
);
create index comments_roots on social.comments (post_id, id) where parent_id is null;
create index comments_replies on social.comments (post_id, parent_id, id) where parent_id is not null;
create index comments_author_id on social.comments (author_id, id desc);

alter table social.posts add constraint posts_accepted_comment_fkey
  foreign key (accepted_comment_id) references social.comments (id) on delete set null;

create table social.comment_revisions (
  comment_id uuid not null references social.comments on delete cascade,
  number int4 not null check (number >= 1),
  text text not null,
  replaced_at timestamptz not null default now(),
  primary key (comment_id, number)
);

-- The truth of every count of likes. A like that is taken back is deleted: there is nothing in it to restore.
create table social.likes (
  post_id uuid references social.posts on delete cascade,
  comment_id uuid references social.comments on delete cascade,
  user_id uuid not null references identity.users on delete cascade,
  created_at timestamptz not null default now(),
  check (num_nonnulls(post_id, comment_id) = 1)
);
create unique index likes_post_once on social.likes (post_id, user_id) where post_id is not null;
create unique index likes_comment_once on social.likes (comment_id, user_id) where comment_id is not null;
create index likes_of_post on social.likes (post_id, created_at desc, user_id desc) where post_id is not null;
create index likes_of_comment on social.likes (comment_id, created_at desc, user_id desc) where comment_id is not null;
create index likes_user_id on social.likes (user_id, created_at desc);

-- Counts, changed in the transaction that changes what they count, by the rows it changed. `wenyuan recount` compares and repairs.
create table social.post_counters (
  post_id uuid primary key references social.posts on delete cascade,
  likes int8 not null default 0,
  -- that are neither deleted nor hidden
  comments int8 not null default 0
) with (fillfactor = 70);
create table social.comment_counters (
  comment_id uuid primary key references social.comments on delete cascade,
  likes int8 not null default 0,
  -- direct ones, deleted ones among them: they stand in the thread
  replies int8 not null default 0
) with (fillfactor = 70);

-- What a person follows: a person, a library, a document or a tag.
create table social.follows (
  follower_id uuid not null references identity.users on delete cascade,
  user_id uuid references identity.users on delete cascade,
  library_id uuid references library.libraries on delete cascade,
  document_id uuid references library.documents on delete cascade,
  tag text check (length(tag) between 1 and 60),
  created_at timestamptz not null default now(),
  check (num_nonnulls(user_id, library_id, document_id, tag) = 1),
  constraint follows_not_oneself check (follower_id <> user_id)
);
create unique index follows_user_once on social.follows (follower_id, user_id) where user_id is not null;
create unique index follows_library_once on social.follows (follower_id, library_id) where library_id is not null;
create unique index follows_document_once on social.follows (follower_id, document_id) where document_id is not null;
create unique index follows_tag_once on social.follows (follower_id, tag) where tag is not null;
create index follows_tag on social.follows (tag) where tag is not null;
create index follows_list on social.follows (follower_id, created_at desc);
create index follows_followers on social.follows (user_id, created_at desc, follower_id desc) where user_id is not null;
create index follows_following on social.follows (follower_id, created_at desc, user_id desc) where user_id is not null;
create index follows_library_id on social.follows (library_id) where library_id is not null;
create index follows_document_id on social.follows (document_id) where document_id is not null;

-- Whose texts a person does not want to see. The other is not told.
create table social.mutes (
  user_id uuid not null references identity.users on delete cascade,
  muted_id uuid not null references identity.users on delete cascade,
  created_at timestamptz not null default now(),
  primary key (user_id, muted_id),
  constraint mutes_not_oneself check (user_id <> muted_id)
);
create index mutes_muted_id on social.mutes (muted_id);
create index mutes_list on social.mutes (user_id, created_at desc, muted_id desc);

-- Who cannot comment on, mention or write to a person, nor see what they post.
create table social.blocks (
  user_id uuid not null references identity.users on delete cascade,
  blocked_id uuid not null references identity.users on delete cascade,
  created_at timestamptz not null default now(),
  primary key (user_id, blocked_id),
  constraint blocks_not_oneself check (user_id <> blocked_id)
);
create index blocks_blocked_id on social.blocks (blocked_id);
create index blocks_list on social.blocks (user_id, created_at desc, blocked_id desc);

-- Posts as they are shown. Who may read them, the program decides.
create view social.shown_posts as
select post.id, post.author_id, author.username as author, author.first_name as author_first_name,
  author.last_name as author_last_name, author.avatar as author_avatar, post.via, post.about,
  post.library_id, post.other_libraries, library.name as library, version.label as version,
  post.version_id, post.document_id, document.path, document.name as title, post.passage_id, post.section,
  -- the passage that says the same in the revision that answers now; null once it has changed
  case when post.about = 'passage' then
    (select passage.passage_number
     from library.document_versions as revision
     join library.search_indices as passage on passage.document_version_id = revision.id
     where revision.document_id = post.document_id and revision.version_id = post.version_id and revision.active
       and passage.sha256 = post.passage_sha256
     order by passage.id = post.passage_id desc nulls last, passage.passage_number limit 1) end as passage_number,
  post.answer_id, post.answer,
  case when post.answer_id is not null then
    exists (select from chat.messages as message
      join chat.message_sources as source on source.message_id = message.id
      where message.message_id = post.answer_id and source.cited and source.stale is not null)
    else false end as answer_stale,
  post.text, post.question, post.accepted_comment_id, post.created_at, post.edited_at, post.deleted_at, post.hidden_at,
  coalesce(counters.likes, 0) as likes, coalesce(counters.comments, 0) as comments,
  coalesce((select array_agg(tag order by tag) from social.post_tags where post_tags.post_id = post.id), '{}') as tags
from social.posts as post
left join identity.users as author on author.id = post.author_id
left join library.libraries as library on library.id = post.library_id
left join library.versions as version on version.id = post.version_id
left join library.documents as document on document.id = post.document_id
left join social.post_counters as counters on counters.post_id = post.id;

-- Comments as they are shown.
create view social.shown_comments as
select comment.id, comment.post_id, comment.parent_id, comment.depth, comment.author_id, author.username as author,
  author.first_name as author_first_name, author.last_name as author_last_name, author.avatar as author_avatar, comment.via,
  comment.text, comment.created_at, comment.edited_at, comment.deleted_at, comment.hidden_at,
  coalesce(counters.likes, 0) as likes, coalesce(counters.replies, 0) as replies
from social.comments as comment
left join identity.users as author on author.id = comment.author_id
left join social.comment_counters as counters on counters.comment_id = comment.id;
