# Adding documents.
add-title = Add documents
add-what = Markdown, HTML, JavaDoc, PDF, Word, OpenAPI and Swagger, reStructuredText and plain text. Keyword search works within seconds, semantic search a little later.
add-library = Library
add-library-hint = Choose an existing library or name a new one: lower-case letters, digits and . _ -
add-library-form = Letters a to z, digits and . _ -, with at most one / between two parts
add-library-new = A new library %1 will be created.
add-version-form = Letters, digits and . _ + -, beginning with a letter or digit
add-version = Version
add-version-hint = The release these documents describe, such as 5.2.1
add-tags = Tags
add-tags-hint = Comma-separated; usable as search filters
add-files = Files
add-files-hint = Up to { $size } MiB each. Archives (zip, tar.gz) are unpacked; their folders become paths.
add-folder = Choose a folder
add-drop = or drop files, folders and archives here
add-send = Add documents
add-sending-title = Upload
add-retry = Try again
add-retry-all = Retry all failed files
add-state-waiting = waiting
add-state-sending = uploading
add-state-taken = added
add-state-unchanged = unchanged
add-state-failed = failed
add-state-offline = waiting for the connection
add-state-unpacked = unpacked: %1 added, %2 changed, %3 unchanged, %4 skipped, %5 failed
add-too-large = larger than the limit
add-hidden = skipped: hidden files
add-whole = %1 of %2 uploaded
add-end = Upload complete: %1 uploaded, %2 failed.
add-empty = Choose files first, or drop them here.
add-more = … and %1 more
add-taken =
    { $count ->
        [one] { $count } document accepted; processing now.
       *[other] { $count } documents accepted; processing now.
    }
add-archive = Archive
add-archive-file = Zip, tar or tar.gz
add-archive-failed =
    { $count ->
        [one] { $count } file of the archive could not be added.
       *[other] { $count } files of the archive could not be added.
    }
add-archive-skipped =
    { $count ->
        [one] { $count } file of the archive was skipped, because it is no document.
       *[other] { $count } files of the archive were skipped, because they are no documents.
    }
add-step-done = done
add-step-now = in progress
add-step-off = off
add-read = { $read } of { $all } documents processed
add-reading = Documents processed
add-words =
    { $count ->
        [one] { $count } passage ready for keyword search
       *[other] { $count } passages ready for keyword search
    }
add-vectors = { $vectors } of { $passages } passages ready for semantic search
add-embedding = Passages ready for semantic search
add-vectors-hint = This continues in the background; keyword search works meanwhile.
add-no-vectors = Semantic search is turned off on this server.
add-not-active = Searches and questions without a version use { $active }. To use { $version } instead, make it the active version on its page.
add-may-not = You can add documents to libraries whose owners give you access, and there are none yet. Ask an owner or an administrator.
add-unread =
    { $count ->
        [one] { $count } document could not be read
       *[other] { $count } documents could not be read
    }
add-skipped =
    { $count ->
        [one] { $count } file skipped: there is nothing to read in it
       *[other] { $count } files skipped: there is nothing to read in them
    }
add-unread-more = See the version page for the others.
add-open = Open the version
add-search = Search in it
add-look = Refresh
