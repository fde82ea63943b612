//! Code in colours: which of a few kinds each piece of it is, found on the server.
//!
//! By regular expressions that never go back, so that no code takes long: what reads it is written by strangers. Grammars that
//! know more of a language (those of editors) have been seen to read the same place for ever.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use synoptic::{Highlighter, TokOpt};

use crate::escape::escaped;

/// Code longer than this stays as it is: reading it takes time by its length.
pub const LONGEST: usize = 20_000;
/// So does code with a longer line, which nobody has written.
const LONGEST_LINE: usize = 2_000;

/// Words of SQL as many write them; the language knows them in capitals alone.
const SQL_IN_SMALL: &str = r"\b(select|distinct|from|where|and|or|not|in|is|null|as|on|using|join|left|right|inner|outer|full|cross|lateral|group|order|by|having|limit|offset|union|all|insert|into|values|update|set|delete|returning|create|alter|drop|table|view|index|unique|primary|foreign|key|references|default|check|constraint|with|recursive|case|when|then|else|end|between|like|exists|begin|commit|rollback|grant|revoke|to|asc|desc)\b";

/// Each language is prepared once, when it is first met.
static PREPARED: LazyLock<Mutex<HashMap<&'static str, Highlighter>>> = LazyLock::new(Mutex::default);

/// The language that a block of code names, as its file's ending, which is what languages are known by.
fn ending(language: &str) -> Option<&'static str> {
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

/// The colour of what a piece of code is.
fn kind(name: &str) -> Option<&'static str> {
    match name {
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

/// The code as HTML with `c-keyword`, `c-text`, `c-number`, `c-comment` and `c-name` around its pieces. `None` where its
/// language is not known, or where it is too long.
pub fn code(code: &str, language: &str) -> Option<String> {
    let ending = ending(language)?;
    if code.len() > LONGEST || code.lines().any(|line| line.len() > LONGEST_LINE) {
        return None;
    }
    let mut reader = prepared(ending)?;
    let lines: Vec<String> = code.split('\n').map(str::to_owned).collect();
    reader.run(&lines);
    let mut pieces = Pieces { html: String::with_capacity(code.len() * 2), kind: None };
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            pieces.push("\n", None);
        }
        let mut rest = line.as_str();
        for token in reader.line(number, line) {
            let (text, kind) = match &token {
                TokOpt::Some(text, name) => (text, kind(name)),
                TokOpt::None(text) => (text, None),
            };
            // Its own text has blanks for tabs: it says only how much of the line it is.
            let end = rest.char_indices().nth(text.chars().count()).map_or(rest.len(), |(at, _)| at);
            let (piece, after) = rest.split_at(end);
            pieces.push(piece, kind);
            rest = after;
        }
        pieces.push(rest, None);
    }
    Some(pieces.end())
}

fn prepared(ending: &'static str) -> Option<Highlighter> {
    let mut known = PREPARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(reader) = known.get(ending) {
        return Some(reader.clone());
    }
    // A tab is as wide as any other character: pieces are counted, not seen.
    let mut reader = synoptic::from_extension(ending, 1)?;
    if ending == "sql" {
        reader.keyword("keyword", SQL_IN_SMALL);
    }
    known.insert(ending, reader.clone());
    Some(reader)
}

/// HTML that grows piece by piece.
struct Pieces {
    html: String,
    kind: Option<&'static str>,
}

impl Pieces {
    fn push(&mut self, text: &str, kind: Option<&'static str>) {
        if text.is_empty() {
            return;
        }
        // Space has no colour: it goes on as what was before it.
        let kind = if text.trim().is_empty() { self.kind } else { kind };
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
            for language in LANGUAGES {
                nothing_is_lost(text, language);
            }
        }
    }

    /// Every language is known, and of its code all is there, and nothing else but colours.
    fn nothing_is_lost(text: &str, language: &str) {
        let html = code(text, language).expect("a known language");
        crate::harmless::assert(&html);
        let plain = html.replace("</span>", "");
        let plain: Vec<&str> =
            plain.split("<span").map(|part| part.split_once("\">").map_or(part, |(_, rest)| rest)).collect();
        assert_eq!(plain.concat(), escaped(text), "{language}");
    }

    const LANGUAGES: [&str; 31] = [
        "sh", "js", "ts", "json", "java", "kt", "rs", "py", "rb", "go", "c", "cpp", "cs", "php", "swift",
        "scala", "dart", "lua", "r", "hs", "vb", "html", "xml", "css", "yaml", "toml", "sql", "md", "diff",
        "tex", "nu",
    ];

    #[test]
    fn what_grammars_of_editors_read_for_ever_is_read() {
        for text in ["x /*", "function f() {\n  return x\n  /*\n  */\n}\n", "i < 0 ? (l) : ([i + 1]);"] {
            for language in LANGUAGES {
                nothing_is_lost(text, language);
            }
        }
    }

    proptest! {
        /// Pieces that begin and end things, in any order.
        #[test]
        fn any_code_is_read(
            text in proptest::collection::vec(
                proptest::sample::select(vec![
                    "/*", "*/", "//", "\"", "'", "`", "${", "{", "}", "(", ")", "<", ">", "</", "<!--", "-->", "\"\"\"",
                    "#", "\\", "\n", " ", "\t", "\r\n", "=", "r#\"", "return", "class", "if", "x", "1.5", "文", "\u{301}", "-",
                ]),
                0..60,
            ),
            language in proptest::sample::select(LANGUAGES.to_vec()),
        ) {
            nothing_is_lost(&text.concat(), language);
        }
    }
}
