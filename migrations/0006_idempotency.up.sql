-- Requests that say by a key of their own (Idempotency-Key) that they are one and the same however often they are sent.
create table store.idempotency (
  -- whose key it is: two may choose the same
  actor text not null check (length(actor) <= 64),
  -- SHA-256: a key may be long, and may be a secret of who sends it
  key_hash bytea not null check (length(key_hash) = 32),
  -- of the request: another one may not come under the same key
  fingerprint bytea not null check (length(fingerprint) = 32),
  -- of who does it at the moment; only that one may write the answer down
  claim uuid not null,
  -- null while it is being done
  status int2 check (status between 200 and 299),
  -- sealed, since an answer may hold a key that is shown once; null while it is being done, or where it is too long to keep
  answer bytea check (length(answer) <= 20000),
  created_at timestamptz not null default now(),
  primary key (actor, key_hash),
  check (status is not null or answer is null)
);
create index idempotency_created_at on store.idempotency (created_at);
