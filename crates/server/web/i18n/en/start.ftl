# First steps with a new server.
start-title = First steps
start-done = done
start-documents = Add documents
start-about-documents = Drop a folder, an archive or single files. They are found within seconds.
start-agent = Connect an agent
start-about-agent = Create a key and copy the configuration for your coding agent.
start-model = Connect a language model
start-about-model = It answers in sentences and cites the passages. Search works without one.
start-people = Invite people
start-about-people = Create an account and hand over its link. Libraries can stay private.
start-search = Search the guide
