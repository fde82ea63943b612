# Page to try GraphQL on.
explorer-title = GraphQL explorer
explorer-what = Try queries as yourself: what you run is executed, changes too.
explorer-no-script = This page needs JavaScript. The schema is in the guide.
explorer-query = Query
explorer-variables = Variables (JSON)
explorer-run = Run
explorer-running = Running…
explorer-invalid = The variables are not valid JSON:
explorer-answer = Response
explorer-schema = Types
explorer-filter = Filter types and fields
