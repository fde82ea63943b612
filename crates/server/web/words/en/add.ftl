# Adding documents.
add-title = Add documents
add-what = Markdown, HTML, JavaDoc, PDF, Word, OpenAPI and Swagger, reStructuredText and plain text. They are read, then found by words, then by meaning.
add-library = Library
add-library-hint = One that is there, or a new one: lower-case letters, digits and . _ -
add-version = Version
add-version-hint = The release that these documents describe, such as 5.2.1
add-tags = Tags
add-tags-hint = Separated by commas; they can be filtered by
add-files = Files
add-files-hint = Up to { $size } MiB each. An archive (zip, tar.gz) is unpacked, and its folders become paths.
add-folder = Choose a folder
add-drop = or drop files, folders and archives here
add-send = Add them
add-sending-title = What is being added
add-retry = Try again
add-retry-all = Try all failed ones again
add-state-waiting = waiting
add-state-sending = sending
add-state-taken = added
add-state-unchanged = unchanged: these bytes were there already
add-state-failed = failed
add-state-offline = waits until you are online again
add-state-unpacked = unpacked: %1 added, %2 changed, %3 unchanged, %4 failed
add-too-large = larger than the limit
add-hidden = left out: hidden files
add-whole = %1 of %2 sent
add-end = All is sent: %1 taken, %2 failed.
add-empty = Choose files first, or drop them here.
add-more = … and %1 more
add-taken =
    { $count ->
        [one] { $count } document was taken. It is read now.
       *[other] { $count } documents were taken. They are read now.
    }
add-archive = An archive
add-archive-file = Zip, tar or tar.gz
add-archive-failed =
    { $count ->
        [one] { $count } file of the archive could not be taken.
       *[other] { $count } files of the archive could not be taken.
    }
add-step-done = done
add-step-now = under way
add-step-off = off
add-read = { $read } of { $all } documents are read
add-reading = Documents read
add-words =
    { $count ->
        [one] { $count } passage is found by words
       *[other] { $count } passages are found by words
    }
add-vectors = { $vectors } of { $passages } passages are found by meaning
add-embedding = Passages found by meaning
add-vectors-hint = This goes on by itself; search by words works meanwhile.
add-no-vectors = Search by meaning is turned off on this server.
add-not-active = Searches and questions that name no version are answered from { $active }. To let { $version } answer them, make it the active version on its page.
add-may-not = You may read here, and add to libraries whose owners let you: there is none yet. Ask an owner or an administrator.
add-unread =
    { $count ->
        [one] { $count } document could not be read
       *[other] { $count } documents could not be read
    }
add-unread-more = More of them stand on the page of the version.
add-open = Open the version
add-search = Search in it
add-look = Look again
