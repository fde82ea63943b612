# History.
history = History
history-search = Search your questions and answers
history-empty = Your questions are kept here. Nobody else sees them.
history-nothing = No chat contains all of these words. Try fewer.
history-all = All chats
history-more = Earlier
history-age-pinned = Pinned
history-age-day = Last 24 hours
history-age-week = Last week
history-age-month = Last month
history-age-older = Older
history-which-open = Active
history-which-archived = Archived
history-which-deleted = Deleted
history-title = Title
history-rename = Rename
history-pin = Pin
history-unpin = Unpin
history-archive = Archive
history-unarchive = Restore from the archive
history-delete = Delete
history-restore = Restore
history-undo = Undo
history-deleted-one = “{ $title }” was deleted. It can be restored for 30 days.
history-is-deleted = This chat was deleted. It can be restored for 30 days.
history-files = Export and import
history-export = Export all
history-export-about = One file (NDJSON) with all your chats, their sources and files. It can be imported here or on another server.
history-export-as = Export as { $form }
history-import = Import a history
history-import-about = Exports of this server, ChatGPT, LibreChat, Open WebUI or Perplexica. Duplicates are skipped.
history-import-send = Import
history-imported = Import result
history-imported-chats = New chats
history-imported-messages = New messages
history-imported-sources = Sources
history-imported-files = Files
history-imported-there = Duplicates skipped
history-imported-dropped = Skipped or changed
history-imported-why = Skipped items and reasons
history-imported-more =
    { $count ->
        [one] and one more
       *[other] and { $count } more
    }

# Share links.
share = Share this chat
share-about = A link shows the chat as it is now: questions, answers and quoted sources. Files, ratings, other branches and later messages are not included.
share-team = Anyone with the link and an account on this server can open it. They read your questions and the whole answers; passages from libraries they cannot read are left out.
share-anyone = Anyone with the link can open it, without an account, and sees the quoted passages, also those from private libraries.
share-off = Share links are turned off on this server.
share-for = Expires after
share-day = 1 day
share-week = 1 week
share-month = 30 days
share-year = 1 year
share-make = Create link
share-made = Copy this link now; it is not shown again.
share-links = Active links
share-none = None yet.
share-from = Created
share-until = Expires
share-end = Revoke
