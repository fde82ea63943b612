set local lock_timeout = '10s';

create or replace view chat.shown_messages as
select message.id, message.message_id, message.chat_id, message.parent_id, parent.message_id as parent, message.role,
  message.content, message.metadata, message.created_at,
  -- whoever was writing it is gone
  case when message.answering_until < now() then 'interrupted' else message.status end as status,
  -- in the order they were written; by cases, so that each is a search of the index
  case when message.parent_id is null
    then (select array_agg(sibling.message_id order by sibling.id) from chat.messages as sibling
          where sibling.chat_id = message.chat_id and sibling.parent_id is null)
    else (select array_agg(sibling.message_id order by sibling.id) from chat.messages as sibling
          where sibling.chat_id = message.chat_id and sibling.parent_id = message.parent_id)
  end as siblings,
  -- questions have none: they are not looked for
  case when message.role = 'assistant' then (select jsonb_agg(jsonb_build_object(
      'number', source.number, 'rank', source.rank, 'kind', source.kind, 'cited', source.cited,
      'passage_id', source.passage_id, 'sha256', encode(source.sha256, 'hex'),
      'character_from', source.character_from, 'character_to', source.character_to,
      'library', source.library, 'version', source.version, 'follows_active', source.follows_active,
      'document_id', source.document_id, 'path', source.path, 'title', source.title, 'section', source.section,
      'page_from', source.page_from, 'page_to', source.page_to, 'url', source.url,
      'instruction', source.instruction, 'stale', source.stale, 'content', quote.content) order by source.number)
   from chat.message_sources as source join chat.quotes as quote on quote.sha256 = source.sha256
   where source.message_id = message.id) end as sources,
  case when message.role = 'assistant' then
    (select jsonb_build_object('verdict', verdict, 'reason', reason, 'correction', correction)
     from chat.verdicts where verdicts.message_id = message.id) end as verdict
from chat.messages as message
left join chat.messages as parent on parent.id = message.parent_id;

-- squawk-ignore ban-drop-column
alter table chat.message_sources drop column also_in;
