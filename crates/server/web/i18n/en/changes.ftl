# Changes between two versions of a library.
changes-of = What changed in { $library }
changes-title = { $library }: { $from } to { $to }
changes-feed = Changes as an Atom feed
changes-alone = There is no earlier version to compare with. Choose two versions.
changes-kinds = Kinds of changes
changes-kind-added = Added
changes-kind-removed = Removed
changes-kind-moved = Moved
changes-kind-changed = Changed
changes-moved-from = moved from
changes-lines = lines added and removed
changes-unchanged =
    { $count ->
        [one] { $count } document unchanged
       *[other] { $count } documents unchanged
    }
