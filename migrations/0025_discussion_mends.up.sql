-- Mends of the discussions: reports and likes whose people are deleted, order of replies, marks of posted answers.
set local lock_timeout = '10s';

-- Who reports the same twice reports it once. Reports whose reporters were deleted do not stand for the same person.
-- Reports are few: building the index takes no time that a writer would notice.
-- squawk-ignore require-concurrent-index-creation
create unique index reports_once_by_reporter on social.reports (post_id, comment_id, reporter_id) nulls not distinct
  where resolved_at is null and reporter_id is not null;
-- squawk-ignore require-concurrent-index-deletion
drop index social.reports_once;

-- Ids come from the clocks of several nodes, so a reply can have the smaller one. That a comment is inserted after its parent, which
-- never changes, keeps the comments a tree.
-- squawk-ignore ban-drop-constraint
alter table social.comments drop constraint comments_parent_is_older;

-- Tells which of several people did it last.
alter table social.notification_actors add column created_at timestamptz not null default now();

-- What is not shown does not answer a question.
update social.posts set accepted_comment_id = null
where exists (select from social.comments as comment
  where comment.id = posts.accepted_comment_id and (comment.deleted_at is not null or comment.hidden_at is not null));

-- A posted answer names the passages that it cites, so that they can be compared once the chat is gone.
update social.posts as post set answer = jsonb_set(post.answer, '{sources}', named.sources)
from (
  select answered.id, jsonb_agg(case when source.kind = 'passage'
      then cited.value || jsonb_build_object('sha256', encode(source.sha256, 'hex'), 'document_id', source.document_id,
        'follows_active', source.follows_active)
      else cited.value end order by cited.position) as sources
  from social.posts as answered
  join chat.messages as message on message.message_id = answered.answer_id
  cross join lateral jsonb_array_elements(answered.answer->'sources') with ordinality as cited (value, position)
  left join chat.message_sources as source on source.message_id = message.id
    and source.number = (cited.value->>'number')::int4
  group by answered.id
) as named
where named.id = post.id;

-- Posts as they are shown. Who may read them, the program decides.
create or replace view social.shown_posts as
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
  -- with the chat its marks go: then the passages that the post names are compared
  case when post.answer_id is not null then
    exists (select from chat.messages as message
      join chat.message_sources as source on source.message_id = message.id
      where message.message_id = post.answer_id and source.cited and source.stale is not null)
  when post.answer is not null then
    exists (select from jsonb_to_recordset(post.answer->'sources') as source
        (document_id uuid, sha256 text, version text, follows_active bool)
      where source.sha256 is not null and not exists (select from library.documents as cited
        join library.libraries as home on home.id = cited.library_id
        join library.versions as label on label.library_id = home.id
          and case when source.follows_active then label.id = home.active_version_id else label.label = source.version end
        join library.document_versions as revision on revision.document_id = cited.id and revision.version_id = label.id
          and revision.active
        join library.search_indices as passage on passage.document_version_id = revision.id
        where cited.id = source.document_id and passage.sha256 = decode(source.sha256, 'hex')))
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
