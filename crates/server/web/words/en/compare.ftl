# What changed between two versions of a document.
compare-title = What changed: { $title }
compare-from = from
compare-to = to
compare-run = Compare
compare-absent = This document is not in { $version }. Choose among the versions that have it.
compare-too-long = Both together are too long to be compared here. Open each of them, or compare their Markdown with a tool of your own.
compare-alone = There is one version of this document, and nothing to compare it with.
compare-same = { $from } and { $to } say the same.
compare-summary = Sections: { $changed } changed, { $added } added, { $removed } removed, { $same } the same.
compare-sections = Sections that changed
compare-added = added
compare-removed = removed
compare-changed = changed
compare-lines = Lines: { $added } added, { $removed } removed
compare-open = Open in { $version }
compare-folded =
    { $count ->
        [one] { $count } line is the same
       *[other] { $count } lines are the same
    }
compare-section-long = Too much changed to show all of it here. Open the section in either version.
compare-unlisted =
    { $count ->
        [one] { $count } more section changed.
       *[other] { $count } more sections changed.
    }
