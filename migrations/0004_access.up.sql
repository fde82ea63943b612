-- Who may read and change which library.
alter table library.libraries
  -- private: those it was granted to; team: everyone who signs in; public: everyone who reaches the server
  add column visibility text not null default 'team' check (visibility in ('private', 'team', 'public'));

create table library.grants (
  library_id uuid not null references library.libraries on delete cascade,
  user_id uuid not null references identity.users on delete cascade,
  -- each includes those before
  level text not null check (level in ('read', 'write', 'own')),
  created_at timestamptz not null default now(),
  primary key (library_id, user_id)
);
create index grants_user_id on library.grants (user_id);
