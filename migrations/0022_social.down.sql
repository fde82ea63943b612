drop schema social cascade;
