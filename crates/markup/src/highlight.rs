//! Code in colours: which of a few kinds each piece of it is, found on the server by the grammars of its language.

use std::borrow::Cow;
use std::sync::LazyLock;

use syntect::parsing::{ParseState, Scope, ScopeStack, ScopeStackOp, SyntaxSet};

use crate::escape::escaped;

/// Code longer than this stays as it is: reading it takes time by its length.
pub const LONGEST: usize = 20_000;
/// So does code with a longer line, over which the grammars' expressions would go again and again.
const LONGEST_LINE: usize = 2_000;

static SYNTAXES: LazyLock<SyntaxSet> = LazyLock::new(two_face::syntax::extra_newlines);

/// What scopes mean, the most telling first.
static KINDS: LazyLock<Vec<(Scope, Option<&'static str>)>> = LazyLock::new(|| {
    let kinds = [
        ("comment", Some("comment")),
        ("punctuation.section.interpolation", None),
        ("meta.interpolation", None),
        ("string", Some("text")),
        ("constant.character.escape", Some("number")),
        ("constant", Some("number")),
        ("keyword.operator", None),
        ("keyword", Some("keyword")),
        ("storage", Some("keyword")),
        ("entity.name.tag", Some("keyword")),
        ("entity.other.attribute-name", Some("name")),
        ("entity.name", Some("name")),
        ("entity.other.inherited-class", Some("name")),
        ("support.function", Some("name")),
        ("support.class", Some("name")),
        ("support.type", Some("name")),
        ("variable.function", Some("name")),
        ("variable.annotation", Some("name")),
        ("markup.inserted", Some("text")),
        ("markup.deleted", Some("keyword")),
        ("markup.heading", Some("name")),
    ];
    let scope = |(name, kind): (&str, _)| Scope::new(name).ok().map(|scope| (scope, kind));
    kinds.into_iter().filter_map(scope).collect()
});

/// The code as HTML with `c-keyword`, `c-text`, `c-number`, `c-comment` and `c-name` around its pieces. `None` where its
/// language is not known, or where it is too long.
pub fn code(code: &str, language: &str) -> Option<String> {
    let name = match language.to_ascii_lowercase().as_str() {
        "" | "text" | "txt" | "plain" | "plaintext" | "none" => return None,
        "console" | "shell" | "shell-session" | "sh-session" | "terminal" => "sh".to_owned(),
        "jsonc" | "json5" => "json".to_owned(),
        "mjs" | "cjs" | "node" => "js".to_owned(),
        other => other.to_owned(),
    };
    if code.len() > LONGEST || code.lines().any(|line| line.len() > LONGEST_LINE) {
        return None;
    }
    let syntax = SYNTAXES.find_syntax_by_token(&name)?;
    let mut state = ParseState::new(syntax);
    let mut stack = ScopeStack::new();
    let mut pieces = Pieces { html: String::with_capacity(code.len() * 2), kind: None };
    for line in code.split_inclusive('\n') {
        // The grammars want every line ended.
        let whole: Cow<'_, str> =
            if line.ends_with('\n') { Cow::Borrowed(line) } else { Cow::Owned(format!("{line}\n")) };
        let changes = state.parse_line(&whole, &SYNTAXES).ok()?;
        let mut done = 0;
        for (at, change) in &changes {
            let at = (*at).min(line.len());
            pieces.push(line.get(done..at)?, &stack);
            done = done.max(at);
            apply(&mut stack, change)?;
        }
        pieces.push(line.get(done..)?, &stack);
    }
    Some(pieces.end())
}

fn apply(stack: &mut ScopeStack, change: &ScopeStackOp) -> Option<()> {
    stack.apply(change).ok()
}

/// HTML that grows piece by piece.
struct Pieces {
    html: String,
    kind: Option<&'static str>,
}

impl Pieces {
    fn push(&mut self, text: &str, stack: &ScopeStack) {
        if text.is_empty() {
            return;
        }
        // Space has no colour: it goes on as what was before it.
        let kind = if text.trim().is_empty() { self.kind } else { kind(stack) };
        if kind != self.kind {
            self.close();
            if let Some(kind) = kind {
                self.html.push_str("<span class=\"c-");
                self.html.push_str(kind);
                self.html.push_str("\">");
            }
            self.kind = kind;
        }
        self.html.push_str(&escaped(text));
    }

    fn close(&mut self) {
        if self.kind.take().is_some() {
            self.html.push_str("</span>");
        }
    }

    fn end(mut self) -> String {
        self.close();
        self.html
    }
}

/// What the innermost scope that tells anything says.
fn kind(stack: &ScopeStack) -> Option<&'static str> {
    stack
        .as_slice()
        .iter()
        .rev()
        .find_map(|scope| KINDS.iter().find(|(known, _)| known.is_prefix_of(*scope)).map(|(_, kind)| *kind))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_code_are_told_apart() {
        let html = code("let x = \"<b>\"; // five\n", "rust").expect("a known language");
        assert_eq!(
            html,
            "<span class=\"c-keyword\">let</span> x = <span class=\"c-text\">&quot;&lt;b&gt;&quot;</span>; \
             <span class=\"c-comment\">// five\n</span>"
        );
        for (language, text, piece) in [
            ("java", "public static int parseInt(String s)", "<span class=\"c-keyword\">public static"),
            ("json", "{\"a\": 5}", "<span class=\"c-number\">5</span>"),
            ("sh", "echo \"$HOME\" # said", "<span class=\"c-comment\"># said</span>"),
            ("ts", "const a: number = 1", "<span class=\"c-number\">1</span>"),
            ("sql", "select 1 from t", "<span class=\"c-keyword\">from"),
            ("toml", "a = true", "c-number"),
            ("py", "def f(): pass", "<span class=\"c-name\">f</span>"),
        ] {
            let html = code(text, language).expect("a known language");
            assert!(html.contains(piece), "{language}: {html}");
        }
    }

    #[test]
    fn what_is_long_or_unknown_stays_as_it_is() {
        assert_eq!(code("x", "no-such-language"), None);
        assert_eq!(code("x", "text"), None);
        assert_eq!(code(&"x".repeat(LONGEST_LINE + 1), "rust"), None);
        assert_eq!(code(&"x\n".repeat(LONGEST), "rust"), None);
    }

    #[test]
    fn no_code_is_lost_or_run() {
        for text in ["", "\n", "<script>", "a\r\nb", "\"", "/*", "文 <b>\n\n'", "\u{2028}<"] {
            for language in ["rust", "js", "html", "md", "php", "yaml", "xml"] {
                let html = code(text, language).expect("a known language");
                crate::harmless::assert(&html);
                let plain = html.replace("</span>", "");
                let plain: Vec<&str> = plain
                    .split("<span")
                    .map(|part| part.split_once("\">").map_or(part, |(_, rest)| rest))
                    .collect();
                assert_eq!(plain.concat(), escaped(text), "{language}");
            }
        }
    }
}
