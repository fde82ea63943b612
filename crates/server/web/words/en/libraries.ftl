# Libraries and their versions.
libraries-title = Libraries
libraries-where = Where you are
libraries-none = There is no library yet, or none that you may read.
libraries-find = Find a library
libraries-filter = Filter
libraries-not-found = No library is called so.
libraries-next = Next page
libraries-shown =
    { $count ->
        [one] { $count } library
       *[other] { $count } libraries
    }
libraries-versions =
    { $count ->
        [one] { $count } version
       *[other] { $count } versions
    }
libraries-passages =
    { $count ->
        [one] { $count } passage
       *[other] { $count } passages
    }
libraries-empty = empty
libraries-visibility-private = only by grant
libraries-visibility-team = team
libraries-visibility-public = public
libraries-visible-private = Only those it is granted to
libraries-visible-team = Everybody who signs in
libraries-visible-public = Everybody who reaches the server, without signing in
libraries-owners = Looked after by { $names }
libraries-notes =
    { $count ->
        [one] { $count } open note
       *[other] { $count } open notes
    }
libraries-search = Search
libraries-search-here = Search in this library
libraries-search-version = Search in this version
libraries-ask = Ask
libraries-add = Add documents
libraries-connect = Connect an agent
libraries-versions-title = Versions
libraries-no-versions = It holds no documents yet.
libraries-active = active
libraries-activate = Make active
libraries-activate-hint = The active version answers when no version is asked for.
libraries-active-stays = The active version cannot be deleted while there are others: make another one active first.
libraries-read = last read { $ago }
libraries-made = made { $ago }
libraries-processing =
    { $count ->
        [one] { $count } document is being read
       *[other] { $count } documents are being read
    }
libraries-failed =
    { $count ->
        [one] { $count } document could not be read
       *[other] { $count } documents could not be read
    }
libraries-vectors = search by meaning: { $count } %
libraries-vectors-of = { $vectors } of { $passages } ready for search by meaning
libraries-healthy = all ready
libraries-no-model = search by meaning is off
libraries-older =
    { $count ->
        [one] One older version
       *[other] { $count } older versions
    }
libraries-other-versions = Other versions
libraries-changes = Recent changes
libraries-change-new = new
libraries-change-revision = revision { $count }
libraries-settings = Settings
libraries-describe = Title, description, who may read it
libraries-name = Title
libraries-description = Description
libraries-who = Who may read it
libraries-save = Save
libraries-delete = Delete the library
libraries-delete-lost = This deletes { $versions ->
        [one] { $versions } version
       *[other] { $versions } versions
    } with { $documents ->
        [one] { $documents } document
       *[other] { $documents } documents
    } and { $notes ->
        [one] { $notes } open note
       *[other] { $notes } open notes
    }, for everybody and for good. What answers quoted from it stays in their chats.
libraries-delete-confirm = Write its name, { $name }, to confirm
libraries-delete-name = The name does not match. Nothing was deleted.
libraries-delete-now = Delete it for good
libraries-delete-version = Delete this version
libraries-delete-version-lost = This deletes { $documents ->
        [one] { $documents } document
       *[other] { $documents } documents
    } of this version ({ $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    }) with their notes, for good. Other versions stay as they are.
libraries-delete-version-now = Delete the version for good
libraries-documents = Documents
libraries-filter-paths = Filter by path or title
libraries-narrow = Filters
libraries-no-match = No document matches.
libraries-no-documents = There are no documents in this version.
libraries-status-failed = not readable
libraries-status-processing = being read
libraries-show-failed = Show them
libraries-show-all = Show all documents
libraries-retry = Try again
libraries-delete-document = Delete
libraries-done-document-deleted = The document is deleted.
libraries-retry-all = Try all again
libraries-done-changed = Saved.
libraries-done-activated = This version answers by default now.
libraries-done-version-deleted = The version is deleted.
libraries-done-retried = What could not be read is read again now.
