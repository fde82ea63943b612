-- Registered MCP servers that questions may be put to, beside the library.
alter table registry.mcp_configs
  -- the tool that is called with a question; null where the server is not asked
  add column ask_tool text check (length(ask_tool) between 1 and 128),
  -- the tool's argument that the question goes into
  add column ask_argument text not null default 'query' check (length(ask_argument) between 1 and 128);
