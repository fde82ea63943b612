//! Translation of the reasons for failures: of documents, imports, language models and forms.
//!
//! Reasons are stored and sent by every API as English text, so a page recognises the text: [`TEMPLATES`] gives each a code and
//! names its parameters, and the message `reason-CODE` of the catalogue takes them. An unknown text, and a parameter that is a
//! reason without a template of its own, is shown in English and marked as such. The English catalogue has no such messages.

use super::frame::Frame;
use super::i18n::{Argument, Translations};
use super::language::Language;

/// Limit on reasons inside of reasons.
const MAX_DEPTH: usize = 3;

/// Code and English text of the reasons. `{reason}` is a reason itself, and is shown after the text. A text that more than one
/// template matches takes the first.
const TEMPLATES: [(&str, &str); 77] = [
    // Documents.
    ("malformed", "invalid {format} file: {reason}"),
    ("limit", "the document exceeds the limit of {limit} {unit}"),
    ("size", "the document is larger than the limit of {limit} MiB"),
    ("no-text", "this document has no text"),
    ("unsupported-type", "{name} is {format}: this file type is not supported"),
    ("picture", "{name} is {format}: it is shown in documents that refer to it"),
    ("picture-damaged", "{name} is {format}: it cannot be shown: {reason}"),
    ("not-text", "{name} is not a text file"),
    ("archive-entry", "“{name}” in the archive {reason}"),
    ("pdf-password", "the PDF is encrypted and needs a password"),
    ("word-password", "the Word document needs a password or is in the legacy .doc format"),
    ("wrong-content", "the content does not start like a {format} file"),
    ("crashed", "reading it crashed or took more memory than is allowed; the document may be damaged"),
    ("too-slow", "reading it took longer than the limit of {seconds} seconds"),
    ("no-attempts-left", "reading it failed again and again (see `wenyuan jobs`): {reason}"),
    ("archive-rest", "the rest of the archive cannot be read: {reason}"),
    ("archive", "the archive cannot be read: {reason}"),
    // Imports.
    ("import-duplicate", "duplicate message id"),
    ("import-foreign", "its id belongs to another message"),
    ("import-bytes", "its bytes are missing or do not match its hash"),
    ("import-incomplete", "missing: the file is incomplete"),
    ("import-empty", "no messages to import"),
    ("import-value", "contains a value that is not a chat"),
    ("import-chat", "invalid chat: {reason}"),
    ("import-files", "its {count} files: the bytes are not in this export"),
    ("import-max-messages", "a chat has at most {limit} messages"),
    ("import-max-chats", "an import has at most {limit} chats"),
    ("import-more-messages", "{count} messages beyond the first {limit}"),
    ("import-parts", "{count} parts that are not text (images, audio)"),
    ("import-line", "longer than {limit} bytes"),
    // Language models.
    (
        "no-language-model",
        "no language model is configured: an administrator can add one with `wenyuan models add`",
    ),
    ("language-model", "the language model {name} {reason}"),
    ("model-empty", "gave an empty answer: ask again, or choose another model"),
    (
        "model-too-long",
        "exceeded the maximum length of an answer and was stopped: ask again, or choose another model",
    ),
    ("model-protocol", "does not answer in OpenAI's protocol: check its endpoint (it often ends in /v1)"),
    ("model-busy", "has reached its limit of running and queued questions: try again shortly"),
    ("model-overloaded", "is overloaded: try again shortly"),
    (
        "model-slow",
        "did not start to answer within {seconds} seconds: ask again, or raise its limit (first_seconds)",
    ),
    ("model-key", "refused the API key: enter the right one"),
    (
        "model-key-characters",
        "has an API key with characters that an HTTP header cannot contain: enter it again",
    ),
    ("model-quota", "has used up its paid quota: check the account of its API key"),
    // Forms.
    ("active-version", "{version} is the active version of {library}: activate another one first"),
    ("own-grant", "you cannot lower your own access to {library}: ask another owner or an administrator"),
    ("not-completed", "this revision cannot be made active: it is {status}"),
    ("empty-library", "{library} has no documents yet: {command}"),
    ("name-mismatch", "the name does not match; nothing was deleted"),
    ("form", "the form cannot be read"),
    ("no-file", "choose a file first"),
    (
        "too-many-answers",
        "{count} answers are being written for you already: wait for one to end, or stop it",
    ),
    ("model-name-taken", "duplicate name of a language model: choose another one"),
    ("not-administrator", "only an administrator can do this, signed in and not by an API key"),
    // Community.
    ("post-length", "a post has 1 to {limit} characters; this one has {count}"),
    ("comment-length", "a comment has 1 to {limit} characters; this one has {count}"),
    ("message-length", "a message has 1 to {limit} characters; this one has {count}"),
    ("report-length", "a reason has 1 to {limit} characters; this one has {count}"),
    ("too-fast", "you have written too much in a short time: try again in {seconds} seconds"),
    ("blocked-by-you", "you block this person: unblock them to write to them"),
    ("too-late", "a message can be deleted for all within {minutes} minutes"),
    ("not-sender", "only its sender can delete a message for all"),
    ("not-asker", "only the asker or an owner of the library accepts an answer"),
    ("blocked-named", "you block {name}: unblock them to write to them"),
    ("absent-people", "one of these people does not exist, or takes no messages from you"),
    ("members", "a conversation is with 1 to {limit} other people"),
    ("nobody-else", "nobody else is in this conversation any more"),
    ("only-groups", "only a group can be left: block the person instead"),
    ("no-replies", "this comment is not shown any more: it takes no replies"),
    ("no-comments", "this post is not shown any more: it takes no comments"),
    ("not-shown", "this comment is not shown any more"),
    ("not-question", "only a question has an accepted answer"),
    ("too-many-follows", "you follow {limit} already: unfollow something first"),
    (
        "answer-private",
        "this answer was written from a file of your chat or an external server, which others cannot read",
    ),
    ("answer-gone", "this answer was written from a passage that is gone: ask again"),
    (
        "answer-unreadable",
        "this answer was written from a passage that is gone, or that you cannot read any more",
    ),
    ("own-text", "another moderator decides on your own text"),
    // Golden questions.
    ("golden-length", "a golden question has 1 to {limit} characters; this one has {length}"),
    ("golden-version", "a version belongs to a library: name the library, too"),
    (
        "golden-limit",
        "there are {limit} golden questions, and every backup asks all of them: remove one first",
    ),
];

/// Piece of a reason on a page.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) text: String,
    /// Whether the text is English on a page in another language.
    pub(crate) is_english: bool,
}

impl Frame {
    /// Translates a reason; pieces without a translation stay in English.
    pub(crate) fn reason(&self, text: &str) -> Vec<Piece> {
        pieces(self.language(), text)
    }
}

/// Translates a reason.
pub(super) fn pieces(language: Language, text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = Some(text);
    for _ in 0..MAX_DEPTH {
        let Some(text) = rest.filter(|_| language != Language::English) else { break };
        let Some((translation, inner)) = translate(language, text) else { break };
        pieces.push(Piece { text: translation, is_english: false });
        rest = inner;
    }
    if let Some(text) = rest.filter(|text| !text.is_empty()) {
        pieces.push(Piece { text: text.to_owned(), is_english: language != Language::English });
    }
    pieces
}

/// Translates the outermost reason of a text, and returns the reason inside of it.
fn translate(language: Language, text: &str) -> Option<(String, Option<&str>)> {
    let (code, parameters) =
        TEMPLATES.iter().find_map(|(code, template)| Some((code, parameters(template, text)?)))?;
    let inner = parameters.iter().find(|(name, _)| *name == "reason").map(|(_, value)| *value);
    let arguments: Vec<Argument<'_>> = parameters
        .iter()
        // A variant of a message is an identifier.
        .map(|(name, value)| {
            (*name, if *name == "unit" { value.replace(' ', "-") } else { (*value).to_owned() })
        })
        .map(|(name, value)| (name, value.into()))
        .collect();
    let translation = Translations::of(language).find(&format!("reason-{code}"), &arguments)?;
    Some((translation.into_owned(), inner))
}

/// Returns the parameters of a text, by name, if it has the form of the template.
fn parameters<'text>(template: &'static str, text: &'text str) -> Option<Vec<(&'static str, &'text str)>> {
    let (start, mut template) = template.split_once('{').unwrap_or((template, ""));
    let mut rest = text.strip_prefix(start)?;
    let mut parameters = Vec::new();
    while let Some((name, after)) = template.split_once('}') {
        let (literal, next) = after.split_once('{').unwrap_or((after, ""));
        let end = if next.is_empty() {
            rest.len().checked_sub(literal.len()).filter(|_| rest.ends_with(literal))?
        } else {
            rest.find(literal)?
        };
        parameters.push((name, rest.get(..end)?));
        rest = rest.get(end + literal.len()..)?;
        template = next;
    }
    rest.is_empty().then_some(parameters)
}

#[cfg(test)]
mod tests {
    use extract::model::Error;

    use super::*;

    fn chinese(text: &str) -> Vec<(String, bool)> {
        pieces(Language::Chinese, text).into_iter().map(|piece| (piece.text, piece.is_english)).collect()
    }

    #[test]
    fn each_template_has_a_translation() {
        for (code, template) in TEMPLATES {
            let mut text = template.to_owned();
            while let Some((before, after)) = text.split_once('{') {
                let (name, after) = after.split_once('}').expect("a complete parameter");
                text = format!("{before}<{name}>{after}");
            }
            let pieces = chinese(&text);
            assert!(!pieces[0].1, "zh-CN lacks reason-{code}, or another template matches first: {pieces:?}");
            // Parameters reach the reader, but for units, which have names of their own.
            for (name, value) in parameters(template, &text).expect("the template matches its own text") {
                let is_shown = pieces.iter().any(|(text, _)| text.contains(value));
                assert!(is_shown || name == "unit" || name == "command", "reason-{code} lacks {name}");
            }
        }
    }

    #[test]
    fn each_failure_of_a_document_has_a_template() {
        let errors = [
            Error::Malformed { format: "PDF", reason: "no pages".to_owned() },
            Error::TooLarge { unit: "levels of nesting", limit: 256 },
            Error::Unsupported("photo.jpg is a JPEG image: this file type is not supported".to_owned()),
            Error::Unsupported("a.bin is not a text file".to_owned()),
            Error::Empty,
        ];
        for error in errors {
            // A new kind of failure needs a template.
            match error {
                Error::Malformed { .. } | Error::TooLarge { .. } | Error::Unsupported(_) | Error::Empty => {}
            }
            assert!(!chinese(&error.to_string())[0].1, "no template matches: {error}");
        }
    }

    #[test]
    fn reasons_inside_of_reasons_are_translated_as_far_as_possible() {
        let text = "reading it failed again and again (see `wenyuan jobs`): invalid PDF file: no pages";
        let pieces = chinese(text);
        assert_eq!(pieces.len(), 3, "{pieces:?}");
        assert_eq!(pieces[2], ("no pages".to_owned(), true));
        assert_eq!(chinese("something else"), [("something else".to_owned(), true)]);
        let english = super::pieces(Language::English, text);
        assert_eq!(english, [Piece { text: text.to_owned(), is_english: false }]);
        assert_eq!(chinese(""), []);
    }

    #[test]
    fn units_are_translated() {
        let text = "the document exceeds the limit of 256 levels of nesting";
        assert_eq!(chinese(text), [("文档超出限制：最多 256 层嵌套。".to_owned(), false)]);
    }
}
