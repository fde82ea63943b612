drop schema chat cascade;
update identity.mcp_api_keys set scopes = array_remove(scopes, 'chats');
alter table identity.mcp_api_keys drop constraint mcp_api_keys_scopes_check;
alter table identity.mcp_api_keys add constraint mcp_api_keys_scopes_check
  check (scopes <@ array['read', 'write', 'notes'] and 'read' = any (scopes));
