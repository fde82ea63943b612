//! View of a document: what its template reads.

use std::collections::HashMap;
use std::sync::Arc;

use askama::Template;
use library::access::Level;
use library::catalogue::Library;
use library::documents::contents::{Contents, ContentsEntry};
use library::documents::reading::VisibleDocument;
use library::documents::{Revision, Status};
use library::notes::Note;
use social::follows::FollowStatus;
use social::posts::Post;
use uuid::Uuid;

use super::layout::{Entry, Layout, bounded};
use super::text::Part;
use super::tree::{Tree, language_name};
use super::with_revision;
use crate::app::address;
use crate::pages::community::{Card, cards};
use crate::pages::frame::Frame;
use crate::pages::libraries::version::crumbs;

/// Limit on revisions that are offered, the newest first.
const MAX_REVISIONS: usize = 30;

/// Section of another version that this one lacks.
pub(super) struct MissingSection {
    pub(super) heading: String,
    /// All its headings, joined by ` › `.
    pub(super) under: String,
    /// Heading of the nearest section above it.
    pub(super) nearest: Option<String>,
    pub(super) link: String,
}

/// Version or revision that can be chosen.
pub(super) struct Choice {
    pub(super) name: String,
    /// `None` if the document cannot be opened there.
    pub(super) link: Option<String>,
    pub(super) is_shown: bool,
    /// Whether it is the active one.
    pub(super) is_active: bool,
    pub(super) compare: Option<String>,
}

/// Chunk of the text, with its notes.
pub(super) struct PieceView<'page> {
    pub(super) id: String,
    pub(super) html: &'page str,
    /// Headings above it, to find it in another version.
    pub(super) under: String,
    /// Page of the original that begins here.
    pub(super) page: Option<i32>,
    /// Reason why it looks like an instruction to an agent.
    pub(super) flagged: Option<&'page str>,
    pub(super) notes: Vec<&'page Note>,
    pub(super) posts: Vec<Card<'page>>,
    /// Whether the form for a note is shown.
    pub(super) is_noted: bool,
}

/// Page of a document.
#[derive(Template)]
#[template(path = "document.html", blocks = ["part"])]
pub(super) struct View<'page> {
    frame: &'page Frame,
    library: &'page Library,
    document: &'page VisibleDocument,
    revision: Option<&'page Revision>,
    layout: &'page Layout,
    text: &'page Part,
    /// From 0.
    part: usize,
    revisions: &'page [Revision],
    here: String,
    /// Whether the revision is the active one.
    is_current: bool,
    notes: Vec<Note>,
    noted: Option<Uuid>,
    missing: Option<MissingSection>,
    from: Option<String>,
    shows_original: bool,
    /// Address of the version.
    version_link: String,
    contents: Option<&'page Contents>,
    /// Whether the document is among the reader's favourites; `None` if they cannot have any.
    is_favourite: Option<bool>,
    /// Posts on passages, the oldest first.
    posts: Vec<Post>,
    /// Whether the reader follows the document; `None` if they are not signed in.
    follow: Option<FollowStatus>,
    /// Newest posts about the document.
    discussions: Vec<Post>,
}

/// Document in another language.
pub(super) struct Twin {
    /// Tag of the language; empty if it is not known.
    pub(super) tag: String,
    pub(super) name: String,
    pub(super) link: String,
}

/// Title and address of a document.
type TitledLink<'page> = (&'page str, String);

impl<'page> View<'page> {
    pub(super) fn new(
        frame: &'page Frame,
        library: &'page Library,
        document: &'page VisibleDocument,
        layout: &'page Arc<Layout>,
        text: &'page Arc<Part>,
        part: usize,
        revisions: &'page [Revision],
    ) -> Self {
        let revision = revisions.iter().find(|revision| revision.id == document.revision_id);
        Self {
            frame,
            library,
            document,
            revision,
            layout,
            text,
            part,
            revisions,
            here: address::of_path(&document.library, &document.version, &document.path),
            is_current: revision.is_some_and(|revision| revision.active),
            notes: Vec::new(),
            noted: None,
            missing: None,
            from: None,
            shows_original: false,
            version_link: address::of_version(&document.library, &document.version),
            contents: None,
            is_favourite: None,
            posts: Vec::new(),
            follow: None,
            discussions: Vec::new(),
        }
    }

    #[must_use]
    pub(super) fn with_contents(mut self, contents: &'page Contents) -> Self {
        self.contents = Some(contents);
        self
    }

    #[must_use]
    pub(super) fn with_favourite(mut self, is_favourite: Option<bool>) -> Self {
        self.is_favourite = is_favourite;
        self
    }

    #[must_use]
    pub(super) fn with_notes(mut self, notes: Vec<Note>, noted: Option<Uuid>) -> Self {
        (self.notes, self.noted) = (notes, noted);
        self
    }

    #[must_use]
    pub(super) fn with_posts(mut self, posts: Vec<Post>) -> Self {
        self.posts = posts;
        self
    }

    #[must_use]
    pub(super) fn with_discussions(mut self, follow: Option<FollowStatus>, discussions: Vec<Post>) -> Self {
        (self.follow, self.discussions) = (follow, discussions);
        self
    }

    #[must_use]
    pub(super) fn with_origin(mut self, missing: Option<MissingSection>, from: Option<&str>) -> Self {
        self.missing = missing;
        self.from = from.map(|from| from.chars().take(64).collect());
        self
    }

    #[must_use]
    pub(super) fn with_original(mut self, shows_original: bool) -> Self {
        self.shows_original = shows_original && self.document.document_type == "pdf";
        self
    }

    /// Returns the language tag of the text.
    fn lang(&self) -> Option<&str> {
        let language = self.revision?.language.as_deref()?;
        Some(if language == "zh" { "zh-CN" } else { language })
    }

    /// Returns the name and address of each folder above the document.
    fn folders(&self) -> Vec<(String, String)> {
        let folder = self.document.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        crumbs(&self.version_link, folder)
    }

    fn file_name(&self) -> &str {
        self.document.path.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the tree of the version's documents as markup; empty if there is no other.
    fn tree(&self) -> String {
        match self.contents {
            Some(contents) if contents.entries().len() > 1 => {
                Tree::around(self.frame, contents, &self.version_link, &self.document.path).folder("")
            }
            _ => String::new(),
        }
    }

    /// Returns title and address of the documents before and after this one in reading order.
    fn neighbours(&self) -> (Option<TitledLink<'page>>, Option<TitledLink<'page>>) {
        let Some(contents) = self.contents else { return (None, None) };
        let (before, after) = contents.neighbours(&self.document.path);
        let link = |entry: &'page ContentsEntry| (entry.title.as_str(), self.link_to(entry));
        (before.map(link), after.map(link))
    }

    fn link_to(&self, entry: &ContentsEntry) -> String {
        format!("{}/{}", self.version_link, address::escaped(&entry.path))
    }

    /// Returns the documents that say the same in other languages.
    fn twins(&self) -> Vec<Twin> {
        let twins = self.contents.map(|contents| contents.twins(&self.document.path)).unwrap_or_default();
        let twins = twins.into_iter().map(|(tag, entry)| Twin {
            tag: tag.to_owned(),
            name: language_name(tag).map_or_else(|| entry.title.clone(), str::to_owned),
            link: self.link_to(entry),
        });
        twins.collect()
    }

    fn size(&self) -> String {
        let bytes = self.revision.map_or(0, |revision| revision.file_size);
        size(bytes)
    }

    /// Returns the address of a link in the revision that is shown.
    fn link(&self, link: &str) -> String {
        with_revision(&self.here, link, (!self.is_current).then_some(self.document.revision))
    }

    /// Returns the address of a part, from 0.
    fn part_link(&self, part: usize) -> String {
        self.link(&self.layout.query(part))
    }

    fn this_part(&self) -> String {
        self.part_link(self.part)
    }

    /// Returns the permanent link of a passage. Later parts are appended to the page of the first, whose address does not name them.
    fn permalink(&self, piece: &PieceView<'_>) -> String {
        let part = if self.part == 0 { String::new() } else { self.this_part() };
        format!("{part}#p-{}", piece.id)
    }

    fn part_before(&self) -> String {
        self.part_link(self.part.saturating_sub(1))
    }

    fn part_after(&self) -> String {
        self.part_link(self.part + 1)
    }

    /// Returns the address of this document in the version that the reader came from.
    fn back(&self, version: &str) -> String {
        let label = version.parse().unwrap_or_else(|_invalid| self.document.version.clone());
        let there = address::of_path(&self.library.name, &label, &self.document.path);
        match &self.missing {
            Some(missing) => {
                format!("{there}?under={}", percent_encoding::utf8_percent_encode(&missing.under, FRAGMENT))
            }
            None => there,
        }
    }

    fn can_delete(&self) -> bool {
        self.frame.user().is_some() && self.library.access_level(&self.frame.actor) >= Some(Level::Write)
    }

    /// Returns the labels of the versions that contain the document.
    fn version_labels(&self) -> String {
        let mut labels: Vec<&str> = self.revisions.iter().map(|revision| revision.version.as_str()).collect();
        labels.dedup();
        labels.join(", ")
    }

    /// Returns the address of this part with another parameter.
    fn part_with(&self, parameter: &str) -> String {
        let link = self.part_link(self.part);
        let separator = if link.contains('?') { '&' } else { '?' };
        format!("{link}{separator}{parameter}")
    }

    fn contents(&self) -> Vec<Entry> {
        if self.layout.parts.len() > 1 {
            let mut entries = self.layout.contents(self.part);
            for entry in &mut entries {
                // Headings of this part are on the page already.
                if let Some((query, fragment)) = entry.link.split_once('#') {
                    entry.link = if query == self.layout.query(self.part) {
                        format!("#{fragment}")
                    } else {
                        self.link(&entry.link)
                    };
                }
            }
            return entries;
        }
        let headings =
            self.text.headings.iter().filter(|heading| heading.level > 1 && !heading.text.is_empty());
        let entries = headings.map(|heading| Entry {
            level: heading.level - 1,
            text: self.layout.signature(heading.passage, &heading.text),
            link: format!("#{}", percent_encoding::utf8_percent_encode(&heading.id, FRAGMENT)),
            part: 0,
        });
        bounded(entries.collect(), 0)
    }

    fn versions(&self) -> Vec<Choice> {
        let versions = self.library.versions.iter().map(|version| {
            let label = version.label.as_str();
            let is_shown = version.label == self.document.version;
            let exists = self.revisions.iter().any(|revision| revision.active && revision.version == label);
            let there = address::of_path(&self.library.name, &version.label, &self.document.path);
            let from = percent_encoding::utf8_percent_encode(self.document.version.as_str(), FRAGMENT);
            Choice {
                name: label.to_owned(),
                link: exists.then(|| format!("{there}?from={from}")),
                is_shown,
                is_active: self.library.active == Some(version.id),
                compare: (exists && !is_shown).then(|| self.compare(label)),
            }
        });
        versions.collect()
    }

    /// Whether other versions contain the document.
    fn is_elsewhere(&self) -> bool {
        self.revisions
            .iter()
            .any(|revision| revision.active && revision.version_id != self.document.version_id)
    }

    /// Returns the address of the comparison with another version, from the lower to the higher.
    fn compare(&self, other: &str) -> String {
        let mine = self.document.version.as_str();
        let place = |label: &str| {
            self.library
                .versions
                .iter()
                .position(|version| version.label.as_str() == label)
                .unwrap_or_default()
        };
        // Versions are listed from the highest.
        let (from, to) = if place(other) > place(mine) { (other, mine) } else { (mine, other) };
        let encode = |text: &str| percent_encoding::utf8_percent_encode(text, FRAGMENT).to_string();
        format!(
            "/compare/{}/{}?from={}&to={}",
            address::segment_of(&self.library.name),
            address::escaped(&self.document.path),
            encode(from),
            encode(to)
        )
    }

    /// Returns the revisions of this version, the newest first.
    fn other_revisions(&self) -> Vec<(Choice, &Revision)> {
        let label = self.document.version.as_str();
        let under = self.revisions.iter().filter(|revision| revision.version == label).take(MAX_REVISIONS);
        let choices = under.map(|revision| {
            let link = if revision.active {
                self.here.clone()
            } else {
                format!("{}?revision={}", self.here, revision.revision)
            };
            let choice = Choice {
                name: revision.revision.to_string(),
                link: (revision.status == Status::Completed).then_some(link),
                is_shown: revision.id == self.document.revision_id,
                is_active: revision.active,
                compare: None,
            };
            (choice, revision)
        });
        choices.collect()
    }

    /// Returns the number of the active revision, if another one is shown.
    fn current(&self) -> Option<i32> {
        let label = self.document.version.as_str();
        let current = self.revisions.iter().find(|revision| revision.active && revision.version == label)?;
        (current.id != self.document.revision_id).then_some(current.revision)
    }

    /// Whether a passage looks like an instruction to an agent.
    fn is_flagged(&self) -> bool {
        self.layout.places.iter().any(|place| place.instruction.is_some())
    }

    /// Returns the text in chunks.
    fn pieces(&self) -> Vec<PieceView<'_>> {
        let mut notes: HashMap<usize, Vec<&Note>> = HashMap::new();
        for note in &self.notes {
            if let Some(place) = self.place_of(note) {
                notes.entry(place).or_default().push(note);
            }
        }
        let mut posts: HashMap<usize, Vec<Card<'_>>> = HashMap::new();
        for post in &self.posts {
            if let Some(place) = self.place_of_post(post) {
                posts.entry(place).or_default().push(Card::new(self.frame, post, false));
            }
        }
        let mut page_before = None;
        let chunks = self.text.chunks.iter().map(|chunk| {
            let places = self.layout.places.get(chunk.places.clone()).unwrap_or_default();
            let first = places.first();
            let page = first.and_then(|first| first.page).filter(|page| page_before != Some(*page));
            page_before = places.last().and_then(|last| last.page).or(page_before);
            PieceView {
                id: first.map_or_else(String::new, |first| first.id.to_string()),
                html: &chunk.html,
                under: first.map_or_else(String::new, |first| first.section.join(" › ")),
                page,
                flagged: places.iter().find_map(|place| place.instruction.as_deref()),
                notes: chunk.places.clone().filter_map(|place| notes.remove(&place)).flatten().collect(),
                posts: chunk.places.clone().filter_map(|place| posts.remove(&place)).flatten().collect(),
                is_noted: self.noted.is_some_and(|noted| places.iter().any(|place| place.id == noted)),
            }
        });
        chunks.collect()
    }

    /// Returns the passage of this revision that a note belongs to.
    fn place_of(&self, note: &Note) -> Option<usize> {
        if self.is_current {
            return note.passage_number.and_then(|number| usize::try_from(number).ok());
        }
        self.layout.places.iter().position(|place| Some(place.id) == note.passage_id)
    }

    /// Returns the passage of this revision that a post is about.
    fn place_of_post(&self, post: &Post) -> Option<usize> {
        if self.is_current {
            return post.about.passage_number.and_then(|number| usize::try_from(number).ok());
        }
        self.layout.places.iter().position(|place| Some(place.id) == post.about.passage_id)
    }

    fn has_discussions(&self) -> bool {
        !self.discussions.is_empty()
    }

    /// Returns the newest posts about the document.
    fn discussion_cards(&self) -> Vec<Card<'_>> {
        cards(self.frame, &self.discussions)
    }

    /// Returns the address of a note.
    fn place_link(&self, note: &Note) -> String {
        self.place_of(note).map_or_else(|| self.this_part(), |place| self.link(&self.layout.link(place)))
    }

    /// Returns the notes on passages that have changed since.
    fn old_notes(&self) -> Vec<&Note> {
        if self.part + 1 < self.layout.parts.len() {
            return Vec::new();
        }
        self.notes.iter().filter(|note| self.is_current && self.place_of(note).is_none()).collect()
    }

    fn can_note(&self) -> bool {
        self.frame.user().is_some()
    }

    fn can_resolve_notes(&self) -> bool {
        self.can_note() && self.library.require(&self.frame.actor, Level::Write).is_ok()
    }

    /// Returns the address of the original of a PDF.
    fn original(&self) -> String {
        let path = self.here.trim_start_matches("/l/");
        let revision =
            if self.is_current { String::new() } else { format!("?revision={}", self.document.revision) };
        format!("/original/{path}{revision}")
    }

    /// Returns the address of the original for download.
    fn download(&self) -> String {
        format!(
            "/api/v1/documents/{}/versions/{}~{}/content?format=original",
            self.document.document_id,
            address::escaped(self.document.version.as_str()),
            self.document.revision
        )
    }

    /// Returns the address of the Markdown of this revision.
    fn markdown(&self) -> String {
        if self.is_current {
            return format!("{}{}", self.here, address::MARKDOWN_SUFFIX);
        }
        format!(
            "/api/v1/documents/{}/versions/{}~{}/content",
            self.document.document_id,
            address::escaped(self.document.version.as_str()),
            self.document.revision
        )
    }
}

/// Characters that are escaped in fragments.
pub(super) const FRAGMENT: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Formats a size in bytes.
fn size(bytes: i64) -> String {
    let units = [(1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")];
    match units.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => {
            let tenths = bytes * 10 / unit;
            if tenths >= 100 {
                format!("{} {name}", tenths / 10)
            } else {
                format!("{}.{} {name}", tenths / 10, tenths % 10)
            }
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_in_the_largest_unit() {
        for (bytes, text) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 kB"), (20 << 10, "20 kB"), (5 << 20, "5.0 MB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
