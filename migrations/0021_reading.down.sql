set local lock_timeout = '10s';

drop table library.favourites;
alter table library.versions drop column reading_order;
