drop table store.idempotency;
