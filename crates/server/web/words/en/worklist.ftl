# What the owners of libraries should look at.
worklist-title = Work list
worklist-about = What your libraries could not answer, and answers that are wrong or out of date. Nobody is named.
worklist-kinds = Kind
worklist-kind-nothing_found = nothing found
worklist-kind-version_refused = version absent
worklist-kind-answer_wrong = wrong answer
worklist-kind-answer_stale = answer out of date
worklist-settled = settled
worklist-none = Nothing to look at.
worklist-none-settled = Nothing was settled yet.
worklist-none-about = Searches that find nothing, versions that are absent, and answers that are called wrong or have gone stale come here.
worklist-no-library = of no library
worklist-version = version { $version }
worklist-times =
    { $count ->
        [one] once
       *[other] { $count } times
    }
worklist-last = last { $ago }
worklist-search = Search for it
worklist-settle = Settle
worklist-settled-at = settled { $ago }
