set local lock_timeout = '10s';

alter table store.idempotency drop column executed_at, drop column renewed_at;
