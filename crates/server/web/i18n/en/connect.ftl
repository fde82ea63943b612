# Connecting an agent.
connect-title = Connect an agent
connect-what = Agents connect over MCP with a key. Create one and it is filled in below.
connect-make = Create a key
connect-name = Name
connect-library = Libraries
connect-all = all you can read
connect-may = Permissions
connect-may-read = search, read and ask
connect-may-notes = report outdated or wrong passages
connect-may-chats = read and add to your own questions and answers (not with a single library)
connect-days = Expires after
connect-for-days =
    { $count ->
        [one] { $count } day
       *[other] { $count } days
    }
connect-for-good = Never
connect-make-it = Create key
connect-made = Key created and filled in below. It is not shown again: copy what you need now.
connect-key = API key
connect-place-terminal = In a terminal:
connect-place-cursor = In ~/.cursor/mcp.json, or .cursor/mcp.json of a project:
connect-place-vscode = In .vscode/mcp.json of a project:
connect-others = Other clients
connect-others-what = Any client that speaks MCP over HTTP takes the address /mcp and the key in the header Authorization. Context7’s client works unchanged with this server’s address, and chat programs take /v1 as an OpenAI-compatible endpoint. See the guide for the configuration.
