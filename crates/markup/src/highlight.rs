//! Syntax highlighting on the server, with a few token classes.
//!
//! Uses regular expressions without backtracking, so that no untrusted code takes long. The grammars of editors know more of
//! each language, but some of them loop forever on certain inputs.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use synoptic::{Highlighter, TokOpt};

use crate::escape::escape;

/// Maximum length of highlighted code in bytes. The time is linear in the length; longer code stays plain.
pub const MAX_CODE_BYTES: usize = 20_000;
/// Maximum length of a line in bytes. Longer lines are generated, not written.
const MAX_LINE_BYTES: usize = 2_000;

/// Lower-case SQL keywords; the grammar knows upper case only.
const SQL_LOWERCASE: &str = r"\b(select|distinct|from|where|and|or|not|in|is|null|as|on|using|join|left|right|inner|outer|full|cross|lateral|group|order|by|having|limit|offset|union|all|insert|into|values|update|set|delete|returning|create|alter|drop|table|view|index|unique|primary|foreign|key|references|default|check|constraint|with|recursive|case|when|then|else|end|between|like|exists|begin|commit|rollback|grant|revoke|to|asc|desc)\b";

/// Highlighter of each language, compiled at first use.
static HIGHLIGHTERS: LazyLock<Mutex<HashMap<&'static str, Highlighter>>> = LazyLock::new(Mutex::default);

/// Maps the language of a code block to a file extension, by which the grammars are selected.
fn extension(language: &str) -> Option<&'static str> {
    Some(match language.to_ascii_lowercase().as_str() {
        "sh" | "bash" | "zsh" | "ksh" | "console" | "shell" | "shell-session" | "sh-session" | "terminal"
        | "dockerfile" | "docker" | "containerfile" | "makefile" | "make" => "sh",
        "js" | "javascript" | "mjs" | "cjs" | "node" | "jsx" => "js",
        "ts" | "typescript" | "tsx" | "mts" | "cts" => "ts",
        "json" | "jsonc" | "json5" | "jsonl" | "ndjson" => "json",
        "java" | "groovy" | "gradle" => "java",
        "kotlin" | "kt" | "kts" => "kt",
        "rust" | "rs" => "rs",
        "python" | "py" | "py3" | "python3" | "pycon" => "py",
        "ruby" | "rb" => "rb",
        "go" | "golang" => "go",
        "c" | "h" => "c",
        "cpp" | "c++" | "cxx" | "cc" | "hpp" => "cpp",
        "csharp" | "cs" | "c#" => "cs",
        "php" => "php",
        "swift" => "swift",
        "scala" => "scala",
        "dart" => "dart",
        "lua" => "lua",
        "r" => "r",
        "haskell" | "hs" => "hs",
        "vb" | "vbnet" => "vb",
        "html" | "htm" | "xhtml" | "vue" | "svelte" => "html",
        "xml" | "svg" | "xsd" | "xsl" | "pom" => "xml",
        "css" | "scss" | "less" => "css",
        "yaml" | "yml" => "yaml",
        "toml" | "ini" | "properties" | "conf" | "cfg" | "env" | "dotenv" => "toml",
        "sql" | "psql" | "plpgsql" | "mysql" => "sql",
        "markdown" | "md" => "md",
        "diff" | "patch" => "diff",
        "tex" | "latex" => "tex",
        "nu" | "nushell" => "nu",
        _ => return None,
    })
}

/// Maps a token of the grammars to a class.
fn class_of(token: &str) -> Option<&'static str> {
    match token {
        "comment" | "quote" => Some("comment"),
        "string" | "insertion" | "link" | "image" | "block" => Some("text"),
        "digit" | "boolean" => Some("number"),
        "keyword" | "deletion" | "tag" => Some("keyword"),
        "function" | "struct" | "attribute" | "key" | "namespace" | "header" | "heading" | "table" => {
            Some("name")
        }
        _ => None,
    }
}

/// Renders code as HTML with `span`s of the classes `c-keyword`, `c-text`, `c-number`, `c-comment` and `c-name`; `None` if the
/// language is unknown or the code is too long.
pub fn code(code: &str, language: &str) -> Option<String> {
    let extension = extension(language)?;
    if code.len() > MAX_CODE_BYTES || code.lines().any(|line| line.len() > MAX_LINE_BYTES) {
        return None;
    }
    let mut highlighter = highlighter(extension)?;
    let lines: Vec<String> = code.split('\n').map(str::to_owned).collect();
    // Tokens are used by their lengths, so the grammar can be given another text of the same lengths.
    let masked: Vec<String> = match extension {
        "js" | "ts" => lines.iter().map(|line| mask_tags(line)).collect(),
        _ => lines.clone(),
    };
    highlighter.run(&masked);
    let mut spans = Spans { html: String::with_capacity(code.len() * 2), class: None };
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            spans.push("\n", None);
        }
        let mut rest = line.as_str();
        for token in highlighter.line(number, &masked[number]) {
            let (text, class) = match &token {
                TokOpt::Some(text, token) => (text, class_of(token)),
                TokOpt::None(text) => (text, None),
            };
            // The token's text has spaces for tabs, so only its length is used.
            let end = rest.char_indices().nth(text.chars().count()).map_or(rest.len(), |(at, _)| at);
            let (piece, after) = rest.split_at(end);
            spans.push(piece, class);
            rest = after;
        }
        spans.push(rest, None);
    }
    Some(spans.finish())
}

/// Replaces the slash of JSX's closing tags, which the grammar takes for the beginning of a regular expression.
fn mask_tags(line: &str) -> String {
    let mut masked = line.to_owned();
    for (index, _) in line.match_indices('/') {
        let (before, after) = (&line[..index], &line[index + 1..]);
        let ends_element = before.ends_with('<')
            && after.starts_with(|next: char| next == '>' || next.is_ascii_alphabetic());
        let ends_itself = after.starts_with('>')
            && before
                .ends_with(|previous: char| " \t\"'}".contains(previous) || previous.is_ascii_alphanumeric())
            && before.contains('<');
        if ends_element || ends_itself {
            masked.replace_range(index..=index, " ");
        }
    }
    masked
}

fn highlighter(extension: &'static str) -> Option<Highlighter> {
    let mut known = HIGHLIGHTERS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(highlighter) = known.get(extension) {
        return Some(highlighter.clone());
    }
    // Tab width 1, because tokens are measured in characters.
    let mut highlighter = synoptic::from_extension(extension, 1)?;
    if extension == "sql" {
        highlighter.keyword("keyword", SQL_LOWERCASE);
    }
    known.insert(extension, highlighter.clone());
    Some(highlighter)
}

/// HTML builder that merges adjacent tokens of one class.
struct Spans {
    html: String,
    /// Class of the open span.
    class: Option<&'static str>,
}

impl Spans {
    fn push(&mut self, text: &str, class: Option<&'static str>) {
        if text.is_empty() {
            return;
        }
        // White space continues the previous span.
        let class = if text.trim().is_empty() { self.class } else { class };
        if class != self.class {
            self.close();
            if let Some(class) = class {
                self.html.push_str("<span class=\"c-");
                self.html.push_str(class);
                self.html.push_str("\">");
            }
            self.class = class;
        }
        self.html.push_str(&escape(text));
    }

    fn close(&mut self) {
        if self.class.take().is_some() {
            self.html.push_str("</span>");
        }
    }

    fn finish(mut self) -> String {
        self.close();
        self.html
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tokens_get_their_classes() {
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
    fn a_closing_tag_of_jsx_begins_no_regular_expression() {
        for language in ["jsx", "tsx", "js"] {
            let html = code(
                "return <Card title=\"x\"><b>one</b> <Line/> two</Card>; // end\nlet a = 1;\n",
                language,
            )
            .expect("a known language");
            let texts: Vec<&str> = html
                .split("<span class=\"c-text\">")
                .skip(1)
                .map(|rest| &rest[..rest.find("</span>").unwrap()])
                .collect();
            assert_eq!(texts, ["&quot;x&quot;"], "{html}");
            assert!(
                html.contains("<span class=\"c-keyword\">let</span>") && html.contains("c-comment"),
                "{html}"
            );
        }
        assert!(code("let a = /b>c/g;", "js").expect("a known language").contains("/b&gt;c/"));
    }

    #[test]
    fn long_code_and_unknown_languages_stay_plain() {
        assert_eq!(code("x", "no-such-language"), None);
        assert_eq!(code("x", "text"), None);
        assert_eq!(code(&"x".repeat(MAX_LINE_BYTES + 1), "rust"), None);
        assert_eq!(code(&"x\n".repeat(MAX_CODE_BYTES), "rust"), None);
    }

    #[test]
    fn code_is_complete_and_safe() {
        for text in ["", "\n", "<script>", "a\r\nb", "\"", "/*", "文 <b>\n\n'", "\u{2028}<"] {
            for language in LANGUAGES {
                assert_complete_and_safe(text, language);
            }
        }
    }

    /// Asserts that the language is known, and that the HTML is the escaped code plus spans.
    fn assert_complete_and_safe(text: &str, language: &str) {
        let html = code(text, language).expect("a known language");
        crate::safety::assert_safe(&html);
        let plain = html.replace("</span>", "");
        let plain: Vec<&str> =
            plain.split("<span").map(|part| part.split_once("\">").map_or(part, |(_, rest)| rest)).collect();
        assert_eq!(plain.concat(), escape(text), "{language}");
    }

    const LANGUAGES: [&str; 31] = [
        "sh", "js", "ts", "json", "java", "kt", "rs", "py", "rb", "go", "c", "cpp", "cs", "php", "swift",
        "scala", "dart", "lua", "r", "hs", "vb", "html", "xml", "css", "yaml", "toml", "sql", "md", "diff",
        "tex", "nu",
    ];

    #[test]
    fn code_that_loops_in_editor_grammars_is_highlighted() {
        for text in ["x /*", "function f() {\n  return x\n  /*\n  */\n}\n", "i < 0 ? (l) : ([i + 1]);"] {
            for language in LANGUAGES {
                assert_complete_and_safe(text, language);
            }
        }
    }

    proptest! {
        /// Opening and closing tokens in any order.
        #[test]
        fn any_code_is_complete_and_safe(
            text in proptest::collection::vec(
                proptest::sample::select(vec![
                    "/*", "*/", "//", "\"", "'", "`", "${", "{", "}", "(", ")", "<", ">", "</", "<!--", "-->", "\"\"\"",
                    "#", "\\", "\n", " ", "\t", "\r\n", "=", "r#\"", "return", "class", "if", "x", "1.5", "文", "\u{301}", "-",
                ]),
                0..60,
            ),
            language in proptest::sample::select(LANGUAGES.to_vec()),
        ) {
            assert_complete_and_safe(&text.concat(), language);
        }
    }
}
