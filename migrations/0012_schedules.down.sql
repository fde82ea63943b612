drop table store.schedules;
drop table store.done_jobs;
drop index store.jobs_waiting_unique_key;
alter table store.jobs drop column schedule, drop column started_at, drop column unique_key;
