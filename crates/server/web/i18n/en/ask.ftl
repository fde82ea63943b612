# Asking and answers.
ask-title = What would you like to know?
ask-about = Answers come from your libraries. Each statement cites its source by number; open a number to see the passage.
ask-question = Ask a question, in any language
ask-more = Ask a follow-up
ask-send = Ask
ask-keys = Enter to send, Shift+Enter for a new line
ask-new = New
ask-chat = This chat
ask-change = Change
ask-scope = Library and version
ask-all-libraries = All libraries
ask-focus = Source
ask-model = Model
ask-usual-model = Default ({ $name })
ask-servers = Also ask external servers
ask-no-model = No language model is connected. You will get the best-matching passages instead of a written answer.
ask-add-model = Connect a model
ask-no-library = There is no library you can read yet.
ask-examples = For example
ask-example-one = How do I change the timeout?
ask-example-two = What is different in the newest version?
ask-example-three = Show me a small example
ask-you = Your question
ask-answer = Answer
ask-edit = Edit
ask-edit-send = Ask again
ask-again = Answer again
ask-copy = Copy as Markdown
ask-copied = Copied
ask-good = Correct
ask-wrong = Wrong
ask-is-good = marked as correct
ask-is-wrong = marked as wrong
ask-wrong-about = The library’s owners see your question and your comment, but not your name.
ask-reason = What is wrong
ask-correction = Correct answer
ask-judge = Mark as wrong
ask-unjudge = Remove the mark
ask-working = Searching and writing…
ask-begun = Answering.
ask-finished = Answer complete.
ask-broken = Connection lost. Reconnecting…
ask-stop = Stop
ask-look-again = Refresh
ask-status-stopped = You stopped this answer.
ask-status-interrupted = This answer was interrupted: the server stopped while it was being written.
ask-status-failed = No answer.
ask-passages = No language model is connected: these are the best-matching passages.
ask-passages-because = The language model did not answer; these are the best-matching passages. Its error:
ask-uncited = The model was given sources and cites none of them: treat this answer as its own opinion.
ask-unsupported =
    { $count ->
        [one] 1 sentence has no word in common with its source
       *[other] { $count } sentences have no word in common with their sources
    }
ask-stale = The sources of this answer have changed since.
ask-stale-changed = changed since
ask-stale-gone = deleted since
ask-dropped =
    { $count ->
        [one] 1 citation without a source was removed
       *[other] { $count } citations without a source were removed
    }
ask-sources = Sources
ask-given =
    { $count ->
        [one] 1 more passage given to the model
       *[other] { $count } more passages given to the model
    }
ask-text = Full text
ask-instruction = reads like an instruction to an agent
ask-kind-file = your file
ask-kind-web = web
ask-kind-server = external server
ask-searched = searched for
ask-earlier = Earlier messages
ask-newest = Newest messages
ask-branch-before = Previous version
ask-branch-after = Next version
focus-librarySearch = library
focus-writingAssistant = model only
focus-webSearch = web
focus-academicSearch = papers on the web
focus-youtubeSearch = videos on the web
focus-redditSearch = discussions on the web
ask-compare = What changed
ask-changes = Changes since this answer
ask-now-in = Now, in { $version }
ask-was = As cited
ask-unchanged = No source of this answer has changed.
ask-files = Files of this chat
ask-attach = Attach files
ask-attach-send = Attach
ask-attach-about = Any document type that libraries take. Only this chat uses them, and only you see them.
ask-file-reading = processing
ask-file-failed = could not be read
ask-file-remove = Remove { $name }
ask-by-words = Keyword results only: semantic search was off or not ready.
ask-pages = p. { $pages }
ask-also-in = also in { $places }
