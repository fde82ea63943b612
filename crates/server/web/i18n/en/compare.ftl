# Comparison of two versions of a document.
compare-title = Changes: { $title }
compare-from = from
compare-to = to
compare-run = Compare
compare-absent = This document does not exist in { $version }. Choose among the versions that have it.
compare-too-long = Both texts together are too long to compare here. Open each one, or compare their Markdown with another tool.
compare-alone = This document has only one version, so there is nothing to compare.
compare-same = No differences between { $from } and { $to }.
compare-summary = Sections: { $changed } changed, { $added } added, { $removed } removed, { $same } unchanged.
compare-sections = Changed sections
compare-added = added
compare-removed = removed
compare-changed = changed
compare-lines = Lines: { $added } added, { $removed } removed
compare-open = Open in { $version }
compare-folded =
    { $count ->
        [one] { $count } unchanged line
       *[other] { $count } unchanged lines
    }
compare-section-long = This section has too many changes to show here. Open it in either version.
compare-unlisted =
    { $count ->
        [one] { $count } more section changed.
       *[other] { $count } more sections changed.
    }
