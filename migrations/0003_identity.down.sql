drop table identity.mcp_api_keys;
drop table identity.sign_in_attempts;
drop table identity.setup_token;
drop table identity.password_reset_tokens;
drop table identity.user_sessions;
drop table identity.users;
drop schema identity;
