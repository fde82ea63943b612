# Connecting an agent.
connect-title = Connect an agent
connect-what = Agents read the library through MCP, with a key that may what you allow. Make one here; the lines below then hold it.
connect-make = A key for it
connect-name = What it is for
connect-library = Which libraries it reaches
connect-all = all that you may read
connect-may = What it may do
connect-may-read = search, read and ask
connect-may-notes = report that a passage is outdated or wrong
connect-may-chats = read and add to your own questions and answers (not with a single library)
connect-days = Good for
connect-for-days =
    { $count ->
        [one] { $count } day
       *[other] { $count } days
    }
connect-for-good = until it is deleted
connect-make-it = Make the key
connect-made = The key is made. It stands in the lines below and is shown this once: copy what you need now.
connect-key = The key
connect-place-terminal = In a terminal:
connect-place-cursor = In ~/.cursor/mcp.json, or .cursor/mcp.json of a project:
connect-place-vscode = In .vscode/mcp.json of a project:
connect-others = Other programs
connect-others-what = Anything that speaks MCP over HTTP takes the address /mcp and the key in the header Authorization. Context7’s client works unchanged with this server as its address, and chat programs take /v1 as an OpenAI-compatible endpoint. The guide has the lines.
