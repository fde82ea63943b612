drop table ops.drills;
