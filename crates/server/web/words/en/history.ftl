# What one has asked before.
history = History
history-search = Search your questions and answers
history-empty = What you ask is kept here. Nobody else sees it.
history-nothing = None of your questions and answers holds all of these words. Try fewer of them.
history-all = All chats
history-more = Earlier ones
history-age-pinned = Pinned
history-age-day = Last 24 hours
history-age-week = Last week
history-age-month = Last month
history-age-older = Older
history-which-open = Open
history-which-archived = Archived
history-which-deleted = Deleted
history-title = Title
history-rename = Rename
history-pin = Pin
history-unpin = Unpin
history-archive = Archive
history-unarchive = Take back from the archive
history-delete = Delete
history-restore = Bring it back
history-undo = Undo
history-deleted-one = “{ $title }” is deleted. It can be brought back for thirty days.
history-is-deleted = This chat is deleted. It can be brought back for thirty days after.
history-files = Out and in
history-export = Export everything
history-export-about = One file (NDJSON) with all your chats, their sources and files. It can be imported here and elsewhere again.
history-export-as = Export as { $form }
history-import = Import a history
history-import-about = What was exported here, or by ChatGPT, LibreChat, Open WebUI or Perplexica. Nothing is taken twice.
history-import-send = Import
history-imported = What was imported
history-imported-chats = Chats that are new
history-imported-messages = Messages that are new
history-imported-sources = Sources
history-imported-files = Files
history-imported-there = Were there already
history-imported-dropped = Not taken, or not as it was
history-imported-why = What was not taken, and why
history-imported-more =
    { $count ->
        [one] and one more
       *[other] and { $count } more
    }

# Links to what a chat is now.
share = Share this chat
share-about = A link shows the chat as it is now: the questions and answers of the branch that is shown, with the sources quoted word for word, also of libraries that the one who opens it may not read. It does not show files, your verdicts, other branches, or what is asked after.
share-team = Whoever has the link and an account here can open it.
share-anyone = Anyone who has the link can open it, without an account.
share-off = Links to chats are turned off on this server.
share-for = It is good for
share-day = a day
share-week = a week
share-month = 30 days
share-year = a year
share-make = Make a link
share-made = This is the link. It is shown this once.
share-links = Links that are open
share-none = There is none.
share-from = Made
share-until = Good until
share-end = End it
