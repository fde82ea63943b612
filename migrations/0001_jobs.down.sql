drop table store.jobs;
drop schema store;
