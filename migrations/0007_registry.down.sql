drop table registry.mcp_configs;
drop schema registry;
