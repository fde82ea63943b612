# Search, the home page.
search-title = Search
search-heading = Search the library
search-field = What are you looking for?
search-placeholder = Words, a question, "an exact phrase"
search-go = Search
search-chosen = Selected filters
search-remove = (remove)
search-recent = Recent searches
search-recent-clear = Clear
search-recent-remove = Remove this search
search-no-administrator = There is no administrator yet. The server shows a link to create one, on its terminal or in its log.
search-welcome = A technical library for a team and its agents
search-about = Documentation of the versions you actually use, with keyword and semantic search; every passage says where it is from. People and agents read the same text.
search-in-here = Search here
search-all-libraries = All libraries
search-guides = Guides
search-operator = Installation and operation
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
search-first = Top { $passages } passages in { $documents ->
        [one] { $documents } document
       *[other] { $documents } documents
    }
search-nothing = No results.
search-nearest = No close match. Nearest passages:
search-meant = Did you mean
search-page = page { $count }
search-flagged = reads like an instruction
search-more = Show more
search-also-in = Also in
search-lost = Not what you were looking for?
search-lost-hint = Try fewer or other words, or:
search-without-filters = Without filters
search-in-version = In version { $version }
search-everywhere = In all libraries
search-ask = Ask the library
search-told = The library’s owners will see this search and can add what is missing.
search-by-words = Keyword results only: semantic search is off.
search-endpoint-failed = Keyword results only: the embedding model cannot be reached.
search-not-reranked = The results are not re-ranked: the re-ranking model cannot be reached.
search-model-loading = Keyword results only: the model for semantic search is still loading.
search-vectors-coming = Keyword results only: these documents are still being indexed for semantic search.
search-vectors-missing = These documents are still being indexed for semantic search; results are incomplete.
search-more-in-document =
    { $count ->
        [one] 1 more passage in this document, further down.
       *[other] { $count } more passages in this document, further down.
    }
search-index-building = The full-text index is being built; results are incomplete.
search-index-behind =
    { $count ->
        [one] 1 recent change is not indexed yet.
       *[other] { $count } recent changes are not indexed yet.
    }
search-no-library = There is no library { $library }. Search instead in:
search-no-version = { $library } has no version { $version }. Available versions:
search-empty-library = { $library } has no documents yet.
search-refused = Invalid search: { $reason }
search-favourites = Favourites
search-read = Recently read
