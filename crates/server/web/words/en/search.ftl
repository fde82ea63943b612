# Search, the first page.
search-title = Search
search-heading = Search the library
search-field = What are you looking for?
search-placeholder = Words, a question, "an exact phrase"
search-go = Search
search-chosen = Chosen filters
search-remove = (remove)
search-recent = Recent searches
search-recent-clear = Forget them
search-recent-remove = Forget this search
search-no-administrator = There is no administrator yet. The server shows a link that makes one, on its terminal or in its log.
search-welcome = A technical library for a team and its agents
search-about = Documentation of the versions you really use: searched by words and by meaning, with the place each passage is from. People and agents read the same.
search-add-first = Add documents
search-in-here = Search here
search-all-libraries = All libraries
search-guides = Guides
search-operator = Operator’s guide
search-api = HTTP API
search-narrow = Filters
search-libraries = Libraries
search-versions = Versions
search-active = { $version } (active)
search-types = Document types
search-contents = Passages with
search-tags = Tags
search-categories = Kind
search-more-choices = More…
search-version = Version { $version }
search-content-text = Prose
search-content-code = Code
search-content-table = Tables
search-content-api = API members
search-category-document = Documents
search-category-code = Source code
search-count =
    { $passages ->
        [one] { $passages } passage
       *[other] { $passages } passages
    } in { $documents ->
        [one] { $documents } document
       *[other] { $documents } documents
    }
search-first = The first { $passages } passages, in { $documents ->
        [one] { $documents } document
       *[other] { $documents } documents
    }
search-nothing = Nothing was found.
search-nearest = Nothing here clearly has to do with this. The nearest passages:
search-meant = Did you mean
search-page = page { $count }
search-flagged = reads like an instruction
search-more = Show more
search-lost = Not what you were looking for?
search-lost-hint = Try fewer or other words, or one of these:
search-without-filters = Without filters
search-in-version = In version { $version }
search-everywhere = In all libraries
search-ask = Ask the library
search-told = Whoever looks after the library will find this question in their work list, so that what is missing can be added.
search-by-words = Searched by words alone: search by meaning is off.
search-model-loading = Searched by words alone: the model for search by meaning is still being loaded.
search-vectors-coming = Searched by words alone: most of these documents are not ready for search by meaning yet.
search-index-building = The full-text index is being built. Not everything is found yet.
search-index-behind =
    { $count ->
        [one] A change was made a moment ago and is left out until the index has it.
       *[other] { $count } changes were made a moment ago and are left out until the index has them.
    }
search-no-library = There is no library { $library }. Search instead in:
search-no-version = { $library } has no version { $version }. No other version answers in its place. It has:
search-empty-library = { $library } holds no documents yet.
search-refused = This cannot be searched for: { $reason }
