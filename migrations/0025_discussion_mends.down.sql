set local lock_timeout = '10s';

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

alter table social.notification_actors drop column created_at;
-- Replies that were written meanwhile may break it.
alter table social.comments add constraint comments_parent_is_older check (parent_id < id) not valid;
-- Of the open reports whose reporters were deleted, one by text.
delete from social.reports as report using social.reports as later
where report.post_id = later.post_id and report.comment_id is not distinct from later.comment_id and report.id < later.id
  and report.reporter_id is null and later.reporter_id is null and report.resolved_at is null and later.resolved_at is null;
-- squawk-ignore require-concurrent-index-creation
create unique index reports_once on social.reports (post_id, comment_id, reporter_id) nulls not distinct where resolved_at is null;
-- squawk-ignore require-concurrent-index-deletion
drop index social.reports_once_by_reporter;
