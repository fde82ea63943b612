//! View of search results: passages under their documents, with matching words highlighted.

use library::documents::section_below_title;
use library::search::{SearchHit, SearchResponse};
use uuid::Uuid;

use crate::app::address;

/// Document with matching passages.
pub(super) struct Document {
    pub(super) id: Uuid,
    pub(super) title: String,
    pub(super) library: String,
    pub(super) version: String,
    pub(super) path: String,
    pub(super) kind: String,
    pub(super) link: String,
    pub(super) passages: Vec<PassageView>,
}

/// Matching passage.
pub(super) struct PassageView {
    pub(super) link: String,
    /// Headings above it, without the title of the document.
    pub(super) section: String,
    pub(super) page: Option<i32>,
    pub(super) language: Option<String>,
    /// Whether line breaks are kept.
    pub(super) is_code: bool,
    pub(super) is_flagged: bool,
    pub(super) pieces: Vec<Piece>,
}

/// Run of a snippet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) is_marked: bool,
}

/// Groups results by document, in the order of their best passages.
pub(super) fn documents(answer: &SearchResponse) -> Vec<Document> {
    let mut documents: Vec<Document> = Vec::new();
    for hit in &answer.hits {
        let passage = &hit.passage;
        let known = documents
            .iter_mut()
            .find(|document| document.id == passage.document_id && document.version == passage.version);
        if let Some(document) = known {
            document.passages.push(passage_view(hit));
            continue;
        }
        documents.push(Document {
            id: passage.document_id,
            title: passage.title.clone(),
            library: passage.library.clone(),
            version: passage.version.clone(),
            path: passage.path.clone(),
            kind: passage.document_type.clone(),
            link: format!(
                "/l/{}/{}/{}",
                passage.library.replace('/', "~"),
                address::escaped(&passage.version),
                address::escaped(&passage.path)
            ),
            passages: vec![passage_view(hit)],
        });
    }
    documents
}

fn passage_view(hit: &SearchHit) -> PassageView {
    let passage = &hit.passage;
    let is_code = passage.content_type == "code";
    let mut pieces = pieces(&hit.snippet, &hit.highlights, is_code);
    let plain = |text: &str| Piece { text: text.to_owned(), is_marked: false };
    if !passage.content.starts_with(&hit.snippet) {
        pieces.insert(0, plain("…"));
    }
    if !passage.content.ends_with(&hit.snippet) {
        pieces.push(plain("…"));
    }
    PassageView {
        link: format!("/passages/{}", passage.id),
        section: section_below_title(&passage.title, &passage.section).join(" › "),
        page: passage.page_from,
        language: passage.language.clone(),
        is_code,
        is_flagged: passage.instruction.is_some(),
        pieces,
    }
}

/// Splits a snippet into runs that are marked or not, and removes the syntax of Markdown.
fn pieces(snippet: &str, highlights: &[(u32, u32)], is_code: bool) -> Vec<Piece> {
    let characters: Vec<char> = snippet.chars().collect();
    let visible = visible(&characters, is_code);
    let mut marked = highlights.iter().peekable();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut was_space = true;
    for (place, character) in visible.into_iter().enumerate() {
        let at = u32::try_from(place).unwrap_or(u32::MAX);
        while marked.next_if(|(_, end)| *end <= at).is_some() {}
        let Some(mut character) = character else { continue };
        let is_marked = marked.peek().is_some_and(|(begin, _)| *begin <= at);
        if !is_code && character.is_whitespace() {
            character = ' ';
        }
        if character == ' ' && was_space && !is_code {
            continue;
        }
        was_space = character == ' ';
        match pieces.last_mut() {
            Some(last) if last.is_marked == is_marked => last.text.push(character),
            _ => pieces.push(Piece { text: character.to_string(), is_marked }),
        }
    }
    pieces
}

/// Returns each character as it is shown, `None` for the syntax of headings, emphasis and code; cells of tables are separated by
/// dots.
fn visible(characters: &[char], is_code: bool) -> Vec<Option<char>> {
    let mut visible = Vec::with_capacity(characters.len());
    for line in characters.split_inclusive(|character| *character == '\n') {
        let begin = visible.len();
        visible.extend(line.iter().copied().map(Some));
        let shown = visible.get_mut(begin..).unwrap_or_default();
        let text: String = line.iter().collect();
        let trimmed = text.trim();
        let indent = text.chars().count() - text.trim_start().chars().count();
        if trimmed.starts_with("```") || trimmed.starts_with("~~~") {
            shown.fill(None);
        } else if !is_code {
            let marks = trimmed.chars().take_while(|character| *character == '#').count();
            let is_heading =
                (1..=6).contains(&marks) && trimmed.chars().nth(marks).is_none_or(char::is_whitespace);
            if is_heading || trimmed.starts_with("> ") {
                shown.iter_mut().take(indent + marks.max(1)).for_each(|mark| *mark = None);
            }
            for place in 0..line.len() {
                let is_strong = line.get(place..place + 2) == Some(&['*', '*']);
                shown
                    .iter_mut()
                    .skip(place)
                    .take(if is_strong { 2 } else { 0 })
                    .for_each(|mark| *mark = None);
            }
            shown.iter_mut().filter(|mark| **mark == Some('`')).for_each(|mark| *mark = None);
            format_row(trimmed, indent, shown);
        }
    }
    visible
}

/// Formats a row of a table, which may be cut off at either end of the snippet.
fn format_row(row: &str, indent: usize, shown: &mut [Option<char>]) {
    let bars = row.matches('|').count();
    if bars == 0 || !row.starts_with('|') && !row.ends_with('|') {
        return;
    }
    if row.chars().all(|character| matches!(character, '|' | '-' | ':' | ' ')) {
        shown.fill(None);
        return;
    }
    shown.iter_mut().filter(|mark| **mark == Some('|')).for_each(|mark| *mark = Some('·'));
    if let Some(first) = shown.get_mut(indent).filter(|first| **first == Some('·')) {
        *first = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_text(pieces: &[Piece]) -> String {
        pieces
            .iter()
            .map(|piece| if piece.is_marked { format!("[{}]", piece.text) } else { piece.text.clone() })
            .collect()
    }

    #[test]
    fn matching_words_are_marked() {
        let text = "## Pool\n\nA **pool** keeps\n  `connections`.";
        let count = |text: &str| u32::try_from(text.chars().count()).unwrap();
        let place = |word: &str| {
            let begin = count(&text[..text.find(word).unwrap()]);
            (begin, begin + count(word))
        };
        let marks = [place("Pool"), place("pool"), place("connections")];
        assert_eq!(to_text(&pieces(text, &marks, false)), "[Pool] A [pool] keeps [connections].");
        assert_eq!(to_text(&pieces("备份数据库", &[(2, 5)], false)), "备份[数据库]");
        assert_eq!(to_text(&pieces("a #1 <b>", &[(5, 99)], false)), "a #1 [<b>]");
    }

    #[test]
    fn cells_of_a_table_are_separated() {
        let table = "| Name | Default |\n|---|:--|\n| `drain` | 90 |\n\na | b";
        assert_eq!(to_text(&pieces(table, &[(32, 37)], false)), "Name · Default · [drain] · 90 · a | b");
        assert_eq!(to_text(&pieces("none | Where |\n| berths", &[], false)), "none · Where · berths");
    }

    #[test]
    fn line_breaks_of_code_are_kept_without_the_fence() {
        let text = "```sql\nselect 1;\n  from t\n```\n";
        assert_eq!(to_text(&pieces(text, &[(7, 13)], true)), "[select] 1;\n  from t\n");
    }
}
