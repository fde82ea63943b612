//! Order of the documents of a version as a tree: a folder's documents together, each folder where its first document would be.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::ContentsEntry;

/// Names of index pages, without their extension.
const INDEX_NAMES: [&str; 5] = ["index", "readme", "overview", "_index", "contents"];

/// Folder with its documents and folders, by name.
#[derive(Default)]
struct Folder {
    documents: Vec<ContentsEntry>,
    folders: BTreeMap<String, Self>,
}

/// Key that decides the place among neighbours, by its fields in this order.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SortKey {
    /// Rank in the list; of a folder that of its first document.
    rank: usize,
    is_no_index: bool,
    position: i64,
    /// Documents before folders.
    is_folder: bool,
}

/// Returns the entries in the order of the tree. `ranks` are places in a list.
pub(super) fn sorted(entries: Vec<ContentsEntry>, ranks: &HashMap<&str, usize>) -> Vec<ContentsEntry> {
    let mut root = Folder::default();
    let count = entries.len();
    for entry in entries {
        let mut folder = &mut root;
        let path = entry.path.clone();
        let mut parts: Vec<&str> = path.split('/').collect();
        parts.pop();
        for part in parts {
            folder = folder.folders.entry(part.to_owned()).or_default();
        }
        folder.documents.push(entry);
    }
    let mut sorted = Vec::with_capacity(count);
    root.write(ranks, &mut sorted);
    sorted
}

impl Folder {
    /// Returns what decides the folder's place among its neighbours.
    fn key(&self, ranks: &HashMap<&str, usize>) -> SortKey {
        let own = self.documents.iter().map(|document| rank(document, ranks));
        let inner = self.folders.values().map(|folder| folder.key(ranks).rank);
        let rank = own.chain(inner).min().unwrap_or(usize::MAX);
        // The place of a folder is that of its index page.
        let index = self.documents.iter().find(|document| is_index(&document.path));
        let position = index.and_then(|index| index.position).unwrap_or(i64::MAX);
        SortKey { rank, is_no_index: true, position, is_folder: true }
    }

    fn write(self, ranks: &HashMap<&str, usize>, sorted: &mut Vec<ContentsEntry>) {
        enum Item {
            Document(ContentsEntry),
            Folder(Folder),
        }
        let documents = self.documents.into_iter().map(|document| {
            let key = SortKey {
                rank: rank(&document, ranks),
                is_no_index: !is_index(&document.path),
                position: document.position.unwrap_or(i64::MAX),
                is_folder: false,
            };
            let name = document.path.rsplit('/').next().unwrap_or_default().to_owned();
            (key, name, Item::Document(document))
        });
        let folders =
            self.folders.into_iter().map(|(name, folder)| (folder.key(ranks), name, Item::Folder(folder)));
        let mut items: Vec<(SortKey, String, Item)> = documents.chain(folders).collect();
        items.sort_by(|(one, one_name, _), (other, other_name, _)| {
            one.cmp(other).then_with(|| by_name(one_name, other_name))
        });
        for (_, _, item) in items {
            match item {
                Item::Document(document) => sorted.push(document),
                Item::Folder(folder) => folder.write(ranks, sorted),
            }
        }
    }
}

fn rank(document: &ContentsEntry, ranks: &HashMap<&str, usize>) -> usize {
    ranks.get(document.path.as_str()).copied().unwrap_or(usize::MAX)
}

fn is_index(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    INDEX_NAMES.iter().any(|index| stem.eq_ignore_ascii_case(index))
}

/// Compares two names, ignoring case, numbers by their value: `2-a` before `10-a`.
fn by_name(one: &str, other: &str) -> Ordering {
    let (mut left, mut right) = (one, other);
    loop {
        let (Some(first), Some(second)) = (left.chars().next(), right.chars().next()) else {
            return left.len().cmp(&right.len()).then_with(|| one.cmp(other));
        };
        if first.is_ascii_digit() && second.is_ascii_digit() {
            let (number, rest) = split_number(left);
            let (second_number, second_rest) = split_number(right);
            // Without leading zeros, the longer number is the greater.
            match number.len().cmp(&second_number.len()).then_with(|| number.cmp(second_number)) {
                Ordering::Equal => (left, right) = (rest, second_rest),
                unequal => return unequal,
            }
            continue;
        }
        match first.to_lowercase().cmp(second.to_lowercase()) {
            Ordering::Equal => {
                left = left.get(first.len_utf8()..).unwrap_or_default();
                right = right.get(second.len_utf8()..).unwrap_or_default();
            }
            unequal => return unequal,
        }
    }
}

/// Splits the digits at the start of a text off, without leading zeros.
fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    (digits.trim_start_matches('0'), rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count_by_value() {
        let mut names = ["10-b", "2-a", "B", "a", "02-b", "a1", "附录", "1"];
        names.sort_by(|one, other| by_name(one, other));
        assert_eq!(names, ["1", "2-a", "02-b", "10-b", "a", "a1", "B", "附录"]);
    }

    #[test]
    fn very_deep_folders_are_sorted() {
        let path = format!("{}x.md", "a/".repeat(400));
        let entry = ContentsEntry { path, title: String::new(), language: None, position: None };
        assert_eq!(sorted(vec![entry.clone()], &HashMap::new()), [entry]);
    }
}
