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
    /// Number of its passages on following pages.
    pub(super) more: i64,
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
    /// Equal passages of other libraries or versions.
    pub(super) also_in: Vec<EqualLink>,
}

/// Link to an equal passage.
pub(super) struct EqualLink {
    pub(super) link: String,
    pub(super) text: String,
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
            more: i64::try_from(hit.more_in_document).unwrap_or(i64::MAX),
        });
    }
    documents
}

fn passage_view(hit: &SearchHit) -> PassageView {
    let passage = &hit.passage;
    let mut pieces = pieces(&hit.snippet, &hit.highlights);
    let plain = |text: &str| Piece { text: text.to_owned(), is_marked: false };
    if hit.snippet_is_cut.0 {
        pieces.insert(0, plain("…"));
    }
    if hit.snippet_is_cut.1 {
        pieces.push(plain("…"));
    }
    PassageView {
        link: format!("/passages/{}", passage.id),
        section: section_below_title(&passage.title, &passage.section)
            .iter()
            .chain(&hit.heading)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" › "),
        page: passage.page_from,
        language: passage.language.clone(),
        is_code: hit.snippet_is_code,
        is_flagged: passage.instruction.is_some(),
        pieces,
        also_in: hit
            .also_in
            .iter()
            .map(|equal| EqualLink {
                link: format!("/passages/{}", equal.id),
                text: format!("{} {}", equal.library, equal.version),
            })
            .collect(),
    }
}

/// Splits a snippet into runs that are marked or not.
fn pieces(snippet: &str, highlights: &[(u32, u32)]) -> Vec<Piece> {
    let mut marked = highlights.iter().peekable();
    let mut pieces: Vec<Piece> = Vec::new();
    for (place, character) in snippet.chars().enumerate() {
        let at = u32::try_from(place).unwrap_or(u32::MAX);
        while marked.next_if(|(_, end)| *end <= at).is_some() {}
        let is_marked = marked.peek().is_some_and(|(begin, _)| *begin <= at);
        match pieces.last_mut() {
            Some(last) if last.is_marked == is_marked => last.text.push(character),
            _ => pieces.push(Piece { text: character.to_string(), is_marked }),
        }
    }
    pieces
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
        let text = "A pool keeps connections.";
        let marks = [(2, 6), (13, 24)];
        assert_eq!(to_text(&pieces(text, &marks)), "A [pool] keeps [connections].");
        assert_eq!(to_text(&pieces("备份数据库", &[(2, 5)])), "备份[数据库]");
        assert_eq!(to_text(&pieces("a #1 <b>", &[(5, 99)])), "a #1 [<b>]");
    }

    #[test]
    fn line_breaks_of_code_are_kept() {
        let text = "select 1;\n  from t\n";
        assert_eq!(to_text(&pieces(text, &[(0, 6)])), "[select] 1;\n  from t\n");
    }
}
