# Work list.
worklist-title = Work list
worklist-about = Searches and questions your libraries could not answer, and wrong or outdated answers. Anonymous.
worklist-kinds = Type
worklist-kind-nothing_found = no results
worklist-kind-version_refused = version not found
worklist-kind-answer_wrong = wrong answer
worklist-kind-answer_stale = outdated answer
worklist-settled = resolved
worklist-none = Nothing to do.
worklist-none-settled = Nothing resolved yet.
worklist-none-about = Searches without results, missing versions, and wrong or outdated answers appear here.
worklist-no-library = all libraries
worklist-version = version { $version }
worklist-times =
    { $count ->
        [one] once
       *[other] { $count } times
    }
worklist-last = last { $ago }
worklist-search = Search for it
worklist-settle = Resolve
worklist-settled-at = resolved { $ago }
