# Libraries and their versions.
libraries-title = Libraries
libraries-where = Breadcrumbs
libraries-none = There is no library yet, or none that you can read.
libraries-find = Find a library
libraries-filter = Filter
libraries-not-found = No library has this name.
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
libraries-visibility-private = private
libraries-visibility-team = team
libraries-visibility-public = public
libraries-visible-private = Only people given access
libraries-visible-team = Everyone who signs in
libraries-visible-public = Everyone who can reach the server, without signing in
libraries-owners = Owner: { $names }
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
libraries-no-versions = No documents yet.
libraries-active = active
libraries-activate = Make active
libraries-activate-hint = Used when no version is given.
libraries-active-stays = The active version cannot be deleted while there are others: activate another one first.
libraries-read = updated { $ago }
libraries-made = created { $ago }
libraries-processing =
    { $count ->
        [one] { $count } document is being processed
       *[other] { $count } documents are being processed
    }
libraries-skipped =
    { $count ->
        [one] { $count } file skipped: there is nothing to read in it.
       *[other] { $count } files skipped: there is nothing to read in them.
    }
libraries-failed =
    { $count ->
        [one] { $count } document could not be read
       *[other] { $count } documents could not be read
    }
libraries-vectors = semantic search: { $count } % ready
libraries-vectors-of = { $vectors } of { $passages } ready for semantic search
libraries-healthy = up to date
libraries-no-model = semantic search is off
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
libraries-describe = Title, description and visibility
libraries-name = Title
libraries-description = Description
libraries-who = Visibility
libraries-save = Save
libraries-delete = Delete library
libraries-delete-lost = Permanently deletes { $versions ->
        [one] { $versions } version
       *[other] { $versions } versions
    } with { $documents ->
        [one] { $documents } document
       *[other] { $documents } documents
    } and { $notes ->
        [one] { $notes } open note
       *[other] { $notes } open notes
    }. Quotations in answers are kept.
libraries-delete-confirm = Type its name, { $name }, to confirm
libraries-delete-name = The name does not match. Nothing was deleted.
libraries-delete-now = Delete permanently
libraries-delete-version = Delete version
libraries-delete-version-lost = Permanently deletes { $documents ->
        [one] { $documents } document
       *[other] { $documents } documents
    } of this version ({ $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    }) with their notes. Other versions are kept.
libraries-delete-version-now = Delete permanently
libraries-documents = Documents
libraries-filter-paths = Filter by path or title
libraries-narrow = Filters
libraries-no-match = No document matches.
libraries-no-documents = No documents in this version.
libraries-status-failed = could not be read
libraries-status-skipped = skipped
libraries-status-processing = processing
libraries-show-failed = Show
libraries-show-skipped = Show
libraries-show-all = Show all documents
libraries-retry = Try again
libraries-delete-document = Delete
libraries-done-document-deleted = Document deleted.
libraries-retry-all = Try all again
libraries-done-changed = Saved.
libraries-done-activated = This is the default version now.
libraries-done-version-deleted = Version deleted.
libraries-done-retried = Failed documents are being processed again.
libraries-folders = Folders
libraries-what-changed = What changed
libraries-broken = Broken links
libraries-broken-hint = These links of the documents lead to nothing in this version. Readers see their text without a link.
libraries-broken-document = No such document
libraries-broken-place = The document has no such heading
libraries-broken-all = Check all links
libraries-broken-none = No broken links.
libraries-link-base = Address of the documentation site (optional)
libraries-link-base-hint = A path such as /docs or an address such as https://example.org/docs. Links that begin with it lead to the documents here.
