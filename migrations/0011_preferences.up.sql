-- In which language and colours somebody reads pages: it follows them from one browser to the next.
alter table identity.users
  -- null while they have chosen none: then their browser says it
  add column language text constraint users_language_check check (language in ('en', 'zh')),
  add column theme text constraint users_theme_check check (theme in ('system', 'light', 'dark'));
