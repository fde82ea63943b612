-- Links, pictures and anchors of documents. The text of a document has the words alone; these tell where its links led.

set local lock_timeout = '10s';

create table library.document_references (
  document_version_id uuid primary key references library.document_versions on delete cascade,
  -- arrays [from, to, target]: a half-open range of characters in document_versions.content, and the target as it was written
  links jsonb not null check (jsonb_typeof(links) = 'array'),
  pictures jsonb not null check (jsonb_typeof(pictures) = 'array'),
  -- from the name of each place to its character
  anchors jsonb not null check (jsonb_typeof(anchors) = 'object')
);
-- finds the document that has a label of reStructuredText
create index document_references_anchors on library.document_references using gin (anchors);

-- Pictures, decoded and encoded anew when they were read: they are safe to show. The upload itself is in objects too.
create table library.pictures (
  document_version_id uuid not null references library.document_versions on delete cascade,
  -- 0 is the file itself, if it is a picture; others are within a document
  picture_number int4 not null check (picture_number >= 0),
  -- target by which the document refers to it; empty for the file itself
  target text not null,
  sha256 bytea not null references library.objects (sha256),
  media_type text not null check (media_type in ('image/png', 'image/jpeg')),
  width int4 not null check (width > 0),
  height int4 not null check (height > 0),
  primary key (document_version_id, picture_number)
);
create index pictures_sha256 on library.pictures (sha256);

-- What the addresses of a site begin with (/docs, https://example.org/docs), where its links lead to documents of this library.
alter table library.libraries
  add column link_base text not null default '' check (length(link_base) <= 500);

-- Name of a document as links write it: its file without ending and number (02-setup.mdx is setup), or the folder of an index page.
-- Links and documents are compared in full by the program; this selects the documents to compare.
create function library.link_name(path text) returns text
language sql immutable strict parallel safe
return lower(regexp_replace(regexp_replace(regexp_replace(
  rtrim(regexp_replace(path, '(^|/)(_?index|readme)(\.[a-z]{1,8})*/?$', '', 'i'), '/'),
  '^.*/', ''),
  '(\.(md|mdx|markdown|mkd|mdown|html?|xhtml|rst|rest|txt|text|adoc|pdf|docx|json|ya?ml))+$', '', 'i'),
  '^[0-9]{1,4}[-_](?=.)', ''));
