//! Rendering of ordinary and hostile documents.

use proptest::prelude::*;

use super::*;
use crate::safety::assert_safe;

#[expect(clippy::unnecessary_wraps, reason = "signature of ResolveLink")]
fn resolve(link: &str) -> Option<String> {
    match link {
        "other.md" => Some("/l/x/1/other.md".to_owned()),
        // Like a caller that does not check the link.
        _ => Some(format!("/l/x/1/{link}")),
    }
}

fn render_passages(markdown: &str, passages: &[PassageStart]) -> Rendered {
    let options = RenderOptions {
        passages,
        id_prefix: "",
        has_title: false,
        is_first: true,
        resolve: &resolve,
        overlay: Overlay::default(),
    };
    render(markdown, &options)
}

fn html(markdown: &str) -> String {
    render_passages(markdown, &[]).chunks.into_iter().map(|chunk| chunk.html).collect()
}

fn passages(offsets: &[usize]) -> Vec<PassageStart> {
    let start = |(number, offset): (usize, &usize)| PassageStart { id: number.to_string(), offset: *offset };
    offsets.iter().enumerate().map(start).collect()
}

#[test]
fn markdown_is_rendered() {
    for (markdown, expected) in [
        ("One *two*.", "<p>One <em>two</em>.</p>\n"),
        ("[a](other.md)", "<p><a href=\"/l/x/1/other.md\">a</a></p>\n"),
        (
            "[a](https://example.org/?a&b)",
            "<p><a href=\"https://example.org/?a&amp;b\" rel=\"noopener noreferrer nofollow\">a</a></p>\n",
        ),
        (
            "<a@example.org>",
            "<p><a href=\"mailto:a@example.org\" rel=\"noopener noreferrer nofollow\">a@example.org</a></p>\n",
        ),
        ("[a](javascript:x)", "<p>a</p>\n"),
        ("![A *cat*](cat.png) ![](x.png)", "<p><span class=\"picture\">A <em>cat</em></span> </p>\n"),
        ("a<br>b <b>c</b> Map<String>", "<p>a<br />\nb c Map&lt;String&gt;</p>\n"),
        ("<div>\n<p>One\n</div>", "<p>One</p>\n"),
        ("- [x] a", "<ul>\n<li>☑ a</li>\n</ul>\n"),
        (
            "|a|\n|-:|\n|b|",
            "<div class=\"scroll\" tabindex=\"0\"><table><thead><tr><th class=\"right\">a</th></tr></thead><tbody>\n<tr><td class=\"right\">b</td></tr>\n</tbody></table>\n</div>\n",
        ),
        (
            "```rust,ignore\nlet\n```",
            "<pre tabindex=\"0\"><code class=\"language-rust\"><span class=\"c-keyword\">let\n</span></code></pre>\n",
        ),
        ("> [!NOTE]\n> a", "<blockquote class=\"markdown-alert-note\">\n<p>a</p>\n</blockquote>\n"),
        (
            "a[^1]\n\n[^1]: b",
            "<p>a<sup><span id=\"h-fnref-1\"></span><a href=\"#h-fn-1\">[1]</a></sup></p>\n\
             <div class=\"footnote\"><sup>1<span id=\"h-fn-1\"></span></sup>\n<p>b</p>\n\
             <a href=\"#h-fnref-1\" class=\"back\">↩</a></div>\n",
        ),
        ("---\ntitle: x\n---\na", "<p>a</p>\n"),
    ] {
        assert_eq!(html(markdown), expected, "{markdown}");
    }
}

#[test]
fn callouts_of_all_dialects_are_rendered_alike() {
    let tip = "<blockquote class=\"markdown-alert-tip\">\n<p>a</p>\n</blockquote>\n";
    for markdown in [
        "> [!TIP]\n> a",
        ":::tip\n\na\n\n:::",
        ":::tip\na\n:::",
        ":::tip\na\n\n:::",
        ":::tip\n\na\n:::",
        "<Tip>\n\na\n\n</Tip>",
        "<Callout type=\"tip\">\n\na\n\n</Callout>",
    ] {
        assert_eq!(html(markdown), tip, "{markdown}");
    }
    let titled = "<blockquote class=\"markdown-alert-warning\">\n<p><strong>Mind &lt;x&gt;</strong></p>\n<ul>\n<li>a</li>\n</ul>\n</blockquote>\n<p>b</p>\n";
    for markdown in [":::warning Mind <x>\n\n- a\n\n:::\n\nb", ":::warning[Mind <x>]\n\n- a\n\n:::\n\nb"] {
        assert_eq!(html(markdown), titled, "{markdown}");
    }
    assert_eq!(
        html("::::note\n\n:::tip\n\na\n\n:::\n\n::::"),
        format!("<blockquote class=\"markdown-alert-note\">\n{tip}</blockquote>\n")
    );
    assert_eq!(
        html("<details>\n<summary>More <b>x</b></summary>\n\na\n\n</details>"),
        "<details><summary>More x</summary>\n<p>a</p>\n</details>\n"
    );
    // Without a partner, a marker is text.
    assert_eq!(html(":::tip\n\na"), "<p>:::tip</p>\n<p>a</p>\n");
    assert_eq!(html("a\n\n:::"), "<p>a</p>\n<p>:::</p>\n");
    assert_eq!(html("- :::tip\n\n:::"), "<ul>\n<li>:::tip</li>\n</ul>\n<p>:::</p>\n");
    // All of one stand in one chunk, with the anchors of their passages.
    let rendered = render_passages(":::tip\n\na\n\nb\n\n:::\n\nc\n", &passages(&[0, 11, 19]));
    let ranges: Vec<Range<usize>> = rendered.chunks.iter().map(|chunk| chunk.passages.clone()).collect();
    assert_eq!(ranges, [0..2, 2..3], "{rendered:?}");
}

#[test]
fn code_has_the_name_of_its_file() {
    for (info, name) in [
        ("js title=\"src/a.js\"", "src/a.js"),
        ("js {1,3} title='a b.js'", "a b.js"),
        ("ts filename=app.ts", "app.ts"),
        ("ts [vite.config.ts]", "vite.config.ts"),
        ("yaml:compose.yml", "compose.yml"),
        ("mermaid", "mermaid"),
    ] {
        let html = html(&format!("```{info}\nx\n```"));
        assert!(html.starts_with(&format!("<div class=\"code-name\">{name}</div>\n<pre")), "{html}");
    }
    for info in ["rust", "rust,ignore", "js {1,3}", "", "js subtitle=\"x\""] {
        assert!(html(&format!("```{info}\nx\n```")).starts_with("<pre"), "{info}");
    }
}

#[test]
fn links_and_pictures_of_html_are_shown() {
    let shown = |address: &str| {
        (address == "a.png").then(|| Picture { url: "/pictures/1/0".to_owned(), width: 3, height: 2 })
    };
    let options = |overlay| RenderOptions {
        passages: &[],
        id_prefix: "",
        has_title: false,
        is_first: true,
        resolve: &resolve,
        overlay,
    };
    let overlay = Overlay { picture: Some(&shown), ..Overlay::default() };
    let picture = |description: &str| {
        format!(
            "<img src=\"/pictures/1/0\" alt=\"{description}\" width=\"3\" height=\"2\" loading=\"lazy\" />"
        )
    };
    for (markdown, expected) in [
        ("![A *cat*](a.png)", format!("<p>{}</p>\n", picture("A cat"))),
        ("![](a.png)", format!("<p>{}</p>\n", picture(""))),
        ("[![x](a.png)](other.md)", format!("<p><a href=\"/l/x/1/other.md\">{}</a></p>\n", picture("x"))),
        ("a <img alt='q\"<' src=a.png> b", format!("<p>a {} b</p>\n", picture("q&quot;&lt;"))),
        ("<p align=center>\n<img src=\"a.png\" alt=\"x\">\n</p>", format!("<p>{}</p>\n", picture("x"))),
        ("<img src=\"b.png\" alt=\"Lost\">", "<p><span class=\"picture\">Lost</span></p>\n".to_owned()),
        (
            "a <a href=\"other.md\">b *c*</a> d",
            "<p>a <a href=\"/l/x/1/other.md\">b </a><em><a href=\"/l/x/1/other.md\">c</a></em> d</p>\n"
                .to_owned(),
        ),
        (
            "a <a href=\"javascript:x\">b</a> <a href=\"other.md\">c\n\nd",
            "<p>a b <a href=\"/l/x/1/other.md\">c</a></p>\n<p>d</p>\n".to_owned(),
        ),
    ] {
        let html: String =
            render(markdown, &options(overlay)).chunks.into_iter().map(|chunk| chunk.html).collect();
        assert_eq!(html, expected, "{markdown}");
        assert_safe(&html);
    }
}

#[test]
fn an_overlay_lies_over_the_text() {
    let markdown = "See the *old* guide.\n\n| A |\n|---|\n| `f(x)` |\n\nA view [of it].\n";
    let span = |label: &str, target: &str| {
        let start = markdown.find(label).unwrap();
        Span { range: start..start + label.len(), target: target.to_owned() }
    };
    let links = [span("old* guide", "other.md"), span("f", "#f"), span("x", "dead")];
    let pictures = [span("[of it]", "a.png")];
    let anchors = [PlacedAnchor { number: 4, offset: markdown.find("| A").unwrap() }];
    let resolve = |link: &str| (link == "other.md").then(|| "/l/x/1/other.md".to_owned());
    let local = |link: &str| (link == "#f").then(|| "/l/x/1/this#a-4".to_owned());
    let picture = |_: &str| Some(Picture { url: "/pictures/1/0".to_owned(), width: 3, height: 2 });
    let options = RenderOptions {
        passages: &[],
        id_prefix: "",
        has_title: false,
        is_first: true,
        resolve: &resolve,
        overlay: Overlay {
            links: &links,
            pictures: &pictures,
            anchors: &anchors,
            local: Some(&local),
            picture: Some(&picture),
        },
    };
    let html: String = render(markdown, &options).chunks.into_iter().map(|chunk| chunk.html).collect();
    assert_safe(&html);
    for expected in [
        "<p>See the <em><a href=\"/l/x/1/other.md\">old</a></em><a href=\"/l/x/1/other.md\"> guide</a>.</p>",
        "<span id=\"a-4\"></span>",
        "<td><code><a href=\"/l/x/1/this#a-4\">f</a>(x)</code></td>",
        "A view <img src=\"/pictures/1/0\" alt=\"of it\"",
    ] {
        assert!(html.contains(expected), "{expected} in {html}");
    }
}

#[test]
fn footnotes_lead_there_and_back() {
    let html = html("a[^x] b[^x] c[^y]\n\n[^x]: one");
    assert_eq!(html.matches("href=\"#h-fn-1\"").count(), 2, "{html}");
    assert_eq!(html.matches("id=\"h-fnref-1\"").count(), 1, "{html}");
    assert!(html.contains("id=\"h-fn-1\"") && html.contains("c[^y]"), "{html}");
}

#[test]
fn headings_get_levels_and_unique_ids() {
    let markdown =
        "# One\n\n## One\n\n#### Deep `x`\n\n## Set {#own}\n\n[to](#one-1) [own](#OWN) [far](#far)\n";
    let rendered = render_passages(markdown, &[]);
    let found: Vec<(u8, &str, &str)> = rendered
        .headings
        .iter()
        .map(|heading| (heading.level, heading.id.as_str(), heading.text.as_str()))
        .collect();
    assert_eq!(
        found,
        [(2, "h-one", "One"), (3, "h-one-1", "One"), (4, "h-deep-x", "Deep x"), (3, "h-own", "Set")]
    );
    let html = &rendered.chunks[0].html;
    assert!(html.starts_with(
        "<h2 id=\"h-one\">One <a class=\"anchor\" href=\"#h-one\" aria-hidden=\"true\" tabindex=\"-1\">#</a></h2>\n"
    ));
    assert!(
        html.contains(
            "<a href=\"#h-one-1\">to</a> <a href=\"#h-own\">own</a> <a href=\"/l/x/1/#far\">far</a>"
        )
    );
    let titled = render(
        "# One\n\n## Two\n",
        &RenderOptions {
            passages: &[],
            id_prefix: "s2-",
            has_title: true,
            is_first: true,
            resolve: &resolve,
            overlay: Overlay::default(),
        },
    );
    assert!(titled.chunks[0].html.starts_with("<span id=\"h-s2-one\"></span>"), "{:?}", titled.chunks);
    assert!(!titled.chunks[0].html.contains("One") && titled.chunks[1..].is_empty());
    assert_eq!(titled.headings[1].level, 2);
}

#[test]
fn headings_of_one_level_stay_on_one_level_without_a_title() {
    let levels = |markdown: &str| {
        let headings = render_passages(markdown, &[]).headings;
        headings.iter().map(|heading| heading.level).collect::<Vec<u8>>()
    };
    assert_eq!(levels("## A\n\n## B\n\n### C\n\n## D\n"), [2, 2, 3, 2]);
    assert_eq!(levels("### A\n\n# B\n\n## C\n"), [2, 2, 3]);
}

#[test]
fn braces_at_the_end_of_a_heading_are_text_unless_they_set_its_id() {
    for (markdown, text, id) in [
        ("## GET /users/{id}", "GET /users/{id}", "h-get-usersid"),
        ("## `GET` by {id} ##", "GET by {id}", "h-get-by-id"),
        ("PUT /a/{id}/b/{name}\n---", "PUT /a/{id}/b/{name}", "h-put-aidbname"),
        ("## Two {#own}", "Two", "h-own"),
        ("## {id} {#own .note}", "{id}", "h-own"),
    ] {
        let rendered = render_passages(markdown, &[]);
        let heading = &rendered.headings[0];
        assert_eq!((heading.text.as_str(), heading.id.as_str()), (text, id), "{markdown}");
        assert!(text != "GET /users/{id}" || rendered.chunks[0].html.contains("GET /users/{id} <a"));
    }
}

#[test]
fn passages_get_chunks_or_anchors() {
    let markdown = "# A\n\none\n\n# B\n\n- x\n- y\n\nend\n";
    let rendered = render_passages(markdown, &passages(&[0, 10, 19, 24]));
    let ranges: Vec<Range<usize>> = rendered.chunks.iter().map(|chunk| chunk.passages.clone()).collect();
    assert_eq!(ranges, [0..1, 1..3, 3..4]);
    assert!(
        rendered.chunks[1].html.contains("<li><span class=\"p\" id=\"p-2\"></span>y</li>"),
        "{rendered:?}"
    );
    assert_eq!(rendered.chunks[2].html, "<p>end</p>\n");
    assert_eq!(rendered.headings[1].passage, 1);
    // An anchor cannot be within code, so it is before it.
    let rendered = render_passages("```\na\nb\n```\n", &passages(&[0, 6]));
    assert!(rendered.chunks[0].html.contains("<span class=\"p\" id=\"p-1\"></span><pre"), "{rendered:?}");
}

#[test]
fn hostile_documents_are_safe() {
    let deep = format!("{}x", "> ".repeat(5000));
    let lists = format!("{}x", "- ".repeat(3000));
    let stars = format!("{}x{}", "*_".repeat(3000), "_*".repeat(3000));
    for hostile in [
        "<script>alert(1)</script>",
        "a <script src=//evil.example/x.js></script> b",
        "<img src=x onerror=alert(1)>",
        "![pixel](https://evil.example/pixel.png)",
        "![x](data:image/svg+xml;base64,PHN2Zz4=)",
        "[click](JaVaScRiPt:alert(1))",
        "[click](&#106;avascript:alert(1))",
        "[click](java&#10;script:alert(1))",
        "[click](//evil.example)",
        "[click](/\\evil.example)",
        "[click](data:text/html,<script>alert(1)</script>)",
        "[click](https://evil.example/\"onmouseover=\"alert(1))",
        "[click](x\"onmouseover=\"alert(1))",
        "[click](../../../../etc/passwd)",
        "<javascript:alert(1)>",
        "</style><script>alert(1)</script>",
        "<style>*{display:none}</style>",
        "<svg onload=alert(1)><a xlink:href=\"javascript:alert(1)\">",
        "<iframe srcdoc=\"<script>alert(1)</script>\">",
        "<!--><img src=x onerror=alert(1)>-->",
        "<![CDATA[<img src=x>]]>",
        "<x onclick=alert(1)>text",
        "<x\n\nonclick=alert(1)>",
        "# <b onclick=alert(1)>x</b> {#id\"onclick=alert(1) .c onclick=alert(1)}",
        "# x {#\"><script>}",
        "```\"><script>alert(1)</script>\ncode\n```",
        "```js onclick=x\n</code></pre><script>\n```",
        "| a | b |\n|---|:-:|\n| <img src=x> | [x](javascript:a) |",
        "[![x](https://evil.example/a.png)](https://evil.example)",
        "![a [b](https://x.example) c](d)",
        "[a ![b [c](https://x.example)](d)](https://y.example)",
        "[^<script>]\n\n[^<script>]: <script>",
        "> [!WARNING\" onclick=x]\n> a",
        "$$<script>$$",
        ":::tip <script>alert(1)</script>\n\na\n\n:::",
        "<Note title=\"<script>\">\n\na\n\n</Note>",
        "<details onclick=x>\n<summary><img src=x></summary>\n\na\n\n</details>",
        "```js title=\"<script>\"\nx\n```",
        "---\n<script>\n---\n",
        &deep,
        &lists,
        &stars,
    ] {
        let html = html(hostile);
        assert_safe(&html);
        let depth = html.matches("<blockquote>").count().max(html.matches("<ul>").count());
        assert!(depth <= 41, "{depth}");
    }
    let plain = render_plain("<script>\n&", &passages(&[0]));
    assert_eq!(plain.chunks[0].html, "<pre class=\"text\" tabindex=\"0\">&lt;script&gt;\n&amp;</pre>\n");
}

proptest! {
    #[test]
    fn any_markdown_is_safe(
        markdown in "[\\[\\]()<>a1 /:\"'#!`\n*&;={}|-]{0,80}",
        offsets in proptest::collection::vec(0_usize..80, 0..6),
    ) {
        let mut offsets = offsets;
        offsets.sort_unstable();
        let rendered = render_passages(&markdown, &passages(&offsets));
        for chunk in &rendered.chunks {
            assert_safe(&chunk.html);
        }
        // Every passage with text after it is in exactly one chunk, in order.
        let mut next = 0;
        for chunk in &rendered.chunks {
            prop_assert_eq!(chunk.passages.start, next);
            next = chunk.passages.end;
        }
    }

    #[test]
    fn any_text_is_safe(markdown in any::<String>()) {
        assert_safe(&html(&markdown));
    }
}
