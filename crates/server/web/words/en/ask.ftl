# Asking, and answers.
ask-title = What would you like to know?
ask-about = The answer comes from your libraries. Each statement has the number of its source, which opens at that very passage.
ask-question = Ask a question, in any language
ask-more = Ask further
ask-send = Ask
ask-keys = Enter sends, Shift+Enter begins a line
ask-new = New
ask-chat = This chat
ask-change = Change
ask-scope = Library and version
ask-all-libraries = All libraries
ask-focus = Asked of
ask-model = Model
ask-usual-model = The usual one ({ $name })
ask-servers = Ask other servers as well
ask-no-model = No language model is set up here. You will be given the passages that fit best, without an answer in words.
ask-add-model = Set one up
ask-no-library = There is no library that you may read yet.
ask-examples = For example
ask-example-one = How do I change the timeout?
ask-example-two = What is different in the newest version?
ask-example-three = Show me a small example
ask-you = Your question
ask-answer = Answer
ask-edit = Edit
ask-edit-send = Ask it so
ask-again = Answer again
ask-copy = Copy as Markdown
ask-copied = Copied
ask-good = This is right
ask-wrong = This is wrong
ask-is-good = marked as right
ask-is-wrong = marked as wrong
ask-wrong-about = The owners of the library see your question and what you write here, but not who you are.
ask-reason = What is wrong
ask-correction = What would be right
ask-judge = Mark as wrong
ask-unjudge = Take the mark back
ask-working = Searching and writing…
ask-begun = The answer begins.
ask-finished = The answer is finished.
ask-broken = The connection is lost. It is being taken up again…
ask-stop = Stop
ask-look-again = Look again
ask-status-stopped = You stopped this answer.
ask-status-interrupted = This answer broke off: the server was stopped while it was written.
ask-status-failed = There is no answer.
ask-passages = No language model is set up here: these are the passages that fit best.
ask-passages-because = The language model did not answer; these are the passages that fit best. It said:
ask-uncited = The model was given sources and cites none of them. Take this answer for what the model thinks.
ask-unsupported =
    { $count ->
        [one] One sentence shares no word with what it cites
       *[other] { $count } sentences share no word with what they cite
    }
ask-stale = What this answer cites has changed since.
ask-stale-changed = changed since
ask-stale-gone = gone since
ask-dropped =
    { $count ->
        [one] one number without a source was left out
       *[other] { $count } numbers without a source were left out
    }
ask-sources = Sources
ask-given =
    { $count ->
        [one] One more passage the model was given
       *[other] { $count } more passages the model was given
    }
ask-text = The very text
ask-instruction = reads like an instruction to an agent
ask-kind-file = your file
ask-kind-web = web
ask-kind-server = other server
ask-searched = searched for
ask-earlier = Earlier messages
ask-newest = To the newest messages
ask-branch-before = The version before
ask-branch-after = The version after
focus-librarySearch = the library
focus-writingAssistant = the model alone
focus-webSearch = the web
focus-academicSearch = papers on the web
focus-youtubeSearch = videos on the web
focus-redditSearch = discussions on the web
ask-compare = What changed
ask-changes = What has changed since this answer
ask-now-in = As it is now in { $version }
ask-was = What was cited
ask-unchanged = Everything that this answer cites is as it was.
ask-files = Files of this chat
ask-attach = Attach files
ask-attach-send = Attach
ask-attach-about = Documents of any type that libraries hold. Only this chat is asked about them, and only you see them.
ask-file-reading = being read
ask-file-failed = cannot be read
ask-file-remove = Remove { $name }
ask-by-words = Searched by words alone: search by meaning was not ready or is off.
ask-pages = p. { $pages }
