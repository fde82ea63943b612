alter table registry.mcp_configs drop column ask_argument, drop column ask_tool;
