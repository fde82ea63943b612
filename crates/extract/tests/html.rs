//! Pages of HTML: signs in headings, tabs and accordions, lines of code, formulas, tables of `javadoc`, navigation.

mod common;

use common::checked;

/// Returns the text of a page with this body.
fn body(body: &str) -> String {
    page(&format!("<!doctype html><html><head><title>Page</title></head><body>{body}</body></html>"))
}

fn page(source: &str) -> String {
    match checked("page.html", source.as_bytes(), None) {
        Ok(document) => document.text,
        Err(error) => panic!("{source}: {error}"),
    }
}

/// Asserts that the body of a page becomes this text.
#[track_caller]
fn assert_text(source: &str, expected: &str) {
    assert_eq!(body(source).trim_end(), expected, "{source}");
}

#[test]
fn signs_of_headings_stay_and_permalinks_go() {
    let text = page(include_str!("data/headings-with-signs.html"));
    for heading in
        ["## C\n", "## C#\n", "## F#\n", "## Calling the controller from C#\n", "### Section sign §\n"]
    {
        assert!(text.contains(heading), "{heading} {text}");
    }
    for (source, heading) in [
        ("<h2 id=a>Title<a class=headerlink href='#a'>¶</a></h2>", "## Title"),
        ("<h2 id=a>J#<a href='#a'>§</a></h2>", "## J#"),
        ("<h2><a href='#a'>#</a> A#</h2>", "## A#"),
        ("<h2>Title<a class=hash-link href='#a' title='Direct link to Title'>\u{200b}</a></h2>", "## Title"),
        ("<h2>Title<a class=anchor href='#a'><span class=icon>Permalink</span></a></h2>", "## Title"),
        ("<h2><a class=header-anchor href='#a'><span>The whole title</span></a></h2>", "## The whole title"),
        ("<h2><a class=header href='#a'>mdBook</a></h2>", "## mdBook"),
        ("<h2>Part #</h2>", "## Part \\#"),
        ("<h2>The operator <a href='#op'><code>#</code></a></h2>", "## The operator \\#"),
    ] {
        assert_text(&format!("{source}<p>x</p>"), &format!("{heading}\n\nx"));
    }
}

#[test]
fn panels_of_tabs_are_text_under_their_labels() {
    let text = page(include_str!("data/inactive-tabs.html"));
    for panel in [
        "**Linux**\n\nRun the shell installer:\n\n```bash\nsh install-probe.sh",
        "**Windows**\n\nRun the PowerShell installer:\n\n```powershell",
        "**macOS**\n\nUse the notarised package:\n\n```bash",
    ] {
        assert!(text.contains(panel), "{panel} {text}");
    }
    let expected = "**One**\n\nFirst.\n\n**Two**\n\nSecond.";
    for source in [
        // Panels that name their tabs, in another order than the tabs.
        "<div role=tablist><button role=tab id=t2>Two</button><button role=tab id=t1>One</button></div>
         <div role=tabpanel aria-labelledby=t1><p>First.</p></div><div role=tabpanel aria-labelledby=t2 hidden><p>Second.</p></div>",
        // Tabs that name their panels: Bootstrap.
        "<ul class='nav nav-tabs'><li><a data-toggle=tab href='#a'>One</a></li><li><a data-toggle=tab href='#b'>Two</a></li></ul>
         <div class=tab-content><div class='tab-pane active' id=a><p>First.</p></div><div class=tab-pane id=b aria-hidden=true><p>Second.</p></div></div>",
        // Material for MkDocs.
        "<div class='tabbed-set tabbed-alternate'><input type=radio id=i1><input type=radio id=i2>
         <div class=tabbed-labels><label for=i1>One</label><label for=i2>Two</label></div>
         <div class=tabbed-content><div class=tabbed-block><p>First.</p></div><div class=tabbed-block><p>Second.</p></div></div></div>",
        // sphinx-tabs.
        "<div class=sphinx-tabs><div role=tablist><button aria-controls=p1 id=t1 role=tab>One</button><button aria-controls=p2 id=t2 role=tab>Two</button></div>
         <div aria-labelledby=t1 id=p1 role=tabpanel><p>First.</p></div><div aria-labelledby=t2 id=p2 role=tabpanel hidden=true><p>Second.</p></div></div>",
    ] {
        assert_text(source, expected);
    }
    // Nested tabs, and two lists of tabs beside each other.
    assert_text(
        "<div><ul role=tablist><li role=tab>A</li><li role=tab>B</li></ul><div>
         <div role=tabpanel><ul role=tablist><li role=tab>x</li><li role=tab>y</li></ul><div><div role=tabpanel><p>1</p></div><div role=tabpanel hidden><p>2</p></div></div></div>
         <div role=tabpanel hidden><p>3</p></div></div></div>
         <div><ul role=tablist><li role=tab>C</li></ul><div><div role=tabpanel><p>4</p></div></div></div>",
        "**A**\n\n**x**\n\n1\n\n**y**\n\n2\n\n**B**\n\n3\n\n**C**\n\n4",
    );
}

#[test]
fn hidden_text_is_kept_if_a_reader_can_open_it() {
    for (source, expected) in [
        (
            "<h3><button aria-expanded=false aria-controls=p>More</button></h3><div id=p hidden><p>Answer.</p></div>",
            "### More\n\nAnswer.",
        ),
        (
            "<button class=accordion>More</button><div class=panel style='display: none'><p>Answer.</p></div>",
            "**More**\n\nAnswer.",
        ),
        ("<details><summary>More</summary><p>Answer.</p></details>", "More\n\nAnswer."),
        (
            "<div class='lang java'><p>Answer.</p></div><div class='lang go' style='display:none'><p>Other.</p></div>",
            "Answer.\n\nOther.",
        ),
        ("<div class=host><template shadowrootmode=open><p>Answer.</p></template></div>", "Answer."),
        ("<p hidden=until-found>Answer.</p>", "Answer."),
    ] {
        assert_text(&format!("<main><h2>Head</h2>{source}</main>"), &format!("## Head\n\n{expected}"));
    }
    for hidden in [
        "<nav><button aria-expanded=false aria-controls=m>Menu</button></nav><div id=m hidden><ul><li>Start</li></ul></div>",
        "<div hidden>Loading</div>",
        "<template><p>Row</p></template>",
        "<span aria-hidden=true>★</span>",
        "<div class=modal style='display:none'>Sign in</div>",
        "<dialog>Sign in</dialog>",
        "<button>Copy</button>",
    ] {
        assert_text(&format!("{hidden}<p>Text.</p>"), "Text.");
    }
}

#[test]
fn elements_that_stand_for_lines_of_code_are_lines() {
    let text = page(include_str!("data/code-lines-as-elements.html"));
    for block in [
        "```js\nimport { relay } from 'relay';\n  relay.start(8090);\nrelay.wait();\n```",
        "```bash\nrelayctl init\nrelayctl up\n```",
        "Table with numbers:\n\n```go\nfunc main() {\n}\n```",
        "```\nalpha = 1\nbeta = 2\n```",
        "```py\nx = 1\ny = 2\n```",
    ] {
        assert!(text.contains(block), "{block} {text}");
    }
    for (source, expected) in [
        // Shiki: spans with line breaks between them, one line empty.
        (
            "<pre class=shiki><code><span class=line><span>a</span></span>\n<span class=line></span>\n<span class=line>  b</span></code></pre>",
            "a\n\n  b",
        ),
        // Shiki without line breaks.
        ("<pre><code><span class=line>a</span><span class=line>  b</span></code></pre>", "a\n  b"),
        // Lines of blocks, one empty, one of a line break.
        (
            "<pre><div class=line>a</div><div class=line></div><div class=line><br></div><div class=line>b</div></pre>",
            "a\n\n\nb",
        ),
        ("<pre><code>a</code><code>b</code></pre>", "a\nb"),
        ("<pre>a <span class=underline>b</span> c\nd</pre>", "a b c\nd"),
        ("<pre><span class='highlighted-line'>a</span> b\nc</pre>", "a b\nc"),
        ("<code><span>a</span><br><span>b</span></code>", "a\nb"),
        // highlight.js with line numbers.
        (
            "<pre><code><table><tr><td class=hljs-ln-numbers><div>1</div></td><td class=hljs-ln-code>a</td></tr><tr><td class=hljs-ln-numbers><div>2</div></td><td class=hljs-ln-code>  b</td></tr></table></code></pre>",
            "a\n  b",
        ),
        // Pygments, Rouge, and a table without classes.
        (
            "<table><tr><td class=linenos><div><pre>1\n2</pre></div></td><td class=code><pre>a\nb</pre></td></tr></table>",
            "a\nb",
        ),
        (
            "<table class=rouge-table><tr><td class='gutter gl'><pre class=lineno>1\n2\n</pre></td><td class=code><pre>a\nb\n</pre></td></tr></table>",
            "a\nb",
        ),
        ("<table><tr><td><pre>7\n8</pre></td><td><pre>a\nb</pre></td></tr></table>", "a\nb"),
        (
            "<table class=highlight><tr><td class=blob-num data-line-number=1></td><td class=blob-code>a</td></tr><tr><td class=blob-num></td><td class=blob-code>  b</td></tr></table>",
            "a\n  b",
        ),
        // Lines marked by an attribute or made blocks.
        ("<pre><code><span data-line>a</span><span data-line> b</span></code></pre>", "a\n b"),
        (
            "<pre><code><span style='display:block'>a</span><span style='display: block'> b</span></code></pre>",
            "a\n b",
        ),
        ("<pre><ol class=linenums><li class=L0><span>a</span></li><li class=L1> b</li></ol></pre>", "a\n b"),
        (
            "<pre><code><span class=token-line><span class=codeLineNumber_x>1</span><span>a</span><br></span><span class=token-line><span class=codeLineNumber_x>2</span><span> b</span><br></span></code></pre>",
            "a\n b",
        ),
        // Numbers alone are not line numbers.
        ("<pre>1\n2\n3</pre>", "1\n2\n3"),
    ] {
        assert_text(source, &format!("```\n{expected}\n```"));
    }
    for (attributes, language) in [
        ("data-language=ts", "ts"),
        ("data-lang=Go", "go"),
        ("class='hljs yaml'", "yaml"),
        ("class='brush: java; toolbar: false'", "java"),
        ("class='language-sh line-numbers'", "sh"),
    ] {
        assert_text(&format!("<pre {attributes}>x</pre>"), &format!("```{language}\nx\n```"));
    }
}

#[test]
fn formulas_are_written_once() {
    let text = page(include_str!("data/formulas.html"));
    assert!(text.contains("The power is $P = k v^3$ per rotor."), "{text}");
    assert!(text.contains("Native: a = 1/2."), "{text}");
    assert!(text.contains("Water is H_2O, area in m^2, note[3] and x_10."), "{text}");
    for (mathml, expected) in [
        ("<mi>E</mi><mo>=</mo><mi>m</mi><msup><mi>c</mi><mn>2</mn></msup>", "E = mc^2"),
        ("<mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mi>c</mi></mfrac>", "(a + b)/c"),
        ("<msup><mi>x</mi><mrow><mi>n</mi><mo>+</mo><mn>1</mn></mrow></msup>", "x^(n + 1)"),
        ("<msup><mn>10</mn><mrow><mo>-</mo><mn>3</mn></mrow></msup>", "10^-3"),
        ("<msub><mi>x</mi><mi>i</mi></msub><mo>&lt;</mo><mn>4</mn><mi>a</mi><mi>c</mi>", "x_i < 4ac"),
        ("<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>", "x_i^2"),
        ("<msqrt><msup><mi>b</mi><mn>2</mn></msup><mo>-</mo><mi>c</mi></msqrt>", "√(b^2 - c)"),
        ("<msqrt><mn>2</mn></msqrt>", "√2"),
        ("<mroot><mi>x</mi><mn>3</mn></mroot>", "x^(1/3)"),
        (
            "<munderover><mo>∑</mo><mrow><mi>i</mi><mo>=</mo><mn>1</mn></mrow><mi>n</mi></munderover><mi>i</mi>",
            "∑_(i = 1)^n i",
        ),
        ("<munder><mi>lim</mi><mrow><mi>x</mi><mo>→</mo><mn>0</mn></mrow></munder>", "lim_(x → 0)"),
        ("<mover><mi>v</mi><mo>→</mo></mover>", "v\u{20d7}"),
        (
            "<mo>[</mo><mtable><mtr><mtd><mn>1</mn></mtd><mtd><mn>0</mn></mtd></mtr><mtr><mtd><mn>0</mn></mtd><mtd><mn>1</mn></mtd></mtr></mtable><mo>]</mo>",
            "[[1, 0; 0, 1]]",
        ),
        ("<mi>sin</mi><mo>\u{2061}</mo><mi>x</mi>", "sin x"),
        ("<mfrac><mn>1</mn><mn>2</mn></mfrac><mi>m</mi><msup><mi>v</mi><mn>2</mn></msup>", "1/2 mv^2"),
        ("<mfenced><mi>a</mi><mi>b</mi></mfenced>", "(a, b)"),
        ("<mi>f</mi><mo>(</mo><mi>x</mi><mo>)</mo><mo>=</mo><mo>-</mo><mi>x</mi>", "f(x) = -x"),
    ] {
        assert_text(&format!("<p>So <math>{mathml}</math> holds</p>"), &format!("So {expected} holds"));
        assert_text(
            &format!("<h2><math>{mathml}</math></h2><p>x</p>"),
            &format!("## {}\n\nx", expected.replace('<', "\\<")),
        );
    }
    for (source, expected) in [
        // MathJax 2: a preview, the formula, and its source.
        (
            "<span class=MathJax_Preview>E</span><span class=MathJax><nobr>E=mc2</nobr></span><script type='math/tex'>E=mc^2</script>",
            "$E=mc^2$",
        ),
        (
            "<div class=MathJax_Display><span class=MathJax>E=mc2</span></div><script type='math/tex; mode=display'>E=mc^2</script>",
            "$$E=mc^2$$",
        ),
        // MathJax 3.
        (
            "<mjx-container class=MathJax><mjx-math aria-hidden=true>x</mjx-math><mjx-assistive-mml><math><msup><mi>m</mi><mn>2</mn></msup></math></mjx-assistive-mml></mjx-container>",
            "m^2",
        ),
        // MediaWiki.
        (
            "<span class=mwe-math-element><span style='display: none'><math alttext='{\\displaystyle a^{2}}'><semantics><mi>a</mi><annotation encoding='application/x-tex'>{\\displaystyle a^{2}}</annotation></semantics></math></span><img alt='{\\displaystyle a^{2}}' aria-hidden=true></span>",
            "$a^{2}$",
        ),
        ("<img class='mwe-math-fallback-image-inline' alt='{\\displaystyle b}'>", "$b$"),
        (
            "<span class=katex><span class=katex-html aria-hidden=true><span>x</span>\u{200b}</span></span>",
            "x",
        ),
        ("<mjx-container aria-label='x squared'><mjx-math></mjx-math></mjx-container>", "x squared"),
        // LaTeXML.
        ("<math alttext='x_1 &lt; y'><mi>x</mi></math>", "$x_1 \\lt y$"),
        // Sphinx, MkDocs and Pandoc leave TeX to a script.
        ("<span class='math notranslate'>\\(a*b*c\\)</span>", "$a*b*c$"),
        ("<div class=arithmatex>\\[a^2\\]</div>", "$$a^2$$"),
        (
            "<span class=katex-display><span class=katex><span class=katex-mathml><math display=block><semantics><mi>a</mi><annotation encoding='application/x-tex'>a</annotation></semantics></math></span><span class=katex-html aria-hidden=true>a</span></span></span>",
            "$$a$$",
        ),
    ] {
        assert_text(&format!("<div>So {source} holds</div>"), &format!("So {expected} holds"));
    }
    for (source, expected) in [
        ("2<sup>10</sup> and 2<sup>n</sup>", "2^10 and 2^n"),
        ("10<sup>-3</sup>, x<sup>n+1</sup>", "10^-3, x^(n+1)"),
        ("the 1<sup>st</sup>, Java<sup>TM</sup>", "the 1st, JavaTM"),
        ("a<sub>ij</sub>, log<sub>2</sub> n, V<sub>max</sub>", "a_ij, log_2 n, V_max"),
        ("word<sup><a href='#fn1'>1</a></sup>, <a href='#fn2'>word<sup>2</sup></a>", "word[1], word^2"),
        ("word<a href='#fn2'><sup>[2]</sup></a>", "word[2]"),
        ("Tool <sup>beta</sup>", "Tool beta"),
    ] {
        assert_text(&format!("<p>{source}</p>"), expected);
        assert_text(
            &format!("<table><tr><th>A</th><th>B</th></tr><tr><td>{source}</td><td>b</td></tr></table>"),
            &format!("| A | B |\n| --- | --- |\n| {expected} | b |"),
        );
    }
}

#[test]
fn tables_of_javadoc_have_a_row_for_each_entry() {
    let javadoc = |content: &str| {
        page(&format!(
            "<!DOCTYPE HTML><html><head><title>P</title><meta name=\"generator\" content=\"javadoc/X\"></head><body><main role=main><div class=header><h1 class=title>Deprecated API</h1></div>{content}</main></body></html>"
        ))
    };
    let text = page(include_str!("data/javadoc-record.html"));
    assert!(text.contains("| Constructor | Description |\n| --- | --- |\n| `Span(int from, int to)` | Creates an instance. |"), "{text}");
    assert!(text.contains("Returns 2^n steps."), "{text}");
    let header = |names: &[&str]| {
        let last = names.len() - 1;
        let cell = |(number, name): (usize, &&str)| {
            let column = if number == 0 {
                "col-first"
            } else if number == last {
                "col-last"
            } else {
                "col-second"
            };
            format!("<div class='table-header {column}'>{name}</div>")
        };
        names.iter().enumerate().map(cell).collect::<String>()
    };
    for (class, first) in [
        ("two-column-summary", "col-first"),
        ("two-column-summary", "col-constructor-name"),
        ("two-column-summary", "col-deprecated-item-name"),
        ("two-column-summary", "col-summary-item-name"),
        ("details-table", "col-first"),
    ] {
        let cells = "<div class='FIRST even-row-color'><a href='x'>a</a></div><div class='col-last even-row-color'></div><div class='FIRST odd-row-color'>b</div><div class='col-last odd-row-color'><div class=block>About b.</div></div>".replace("FIRST", first);
        let table = "| Element | Description |\n| --- | --- |\n| a |  |\n| b | About b. |";
        let name = if class == "details-table" { class.to_owned() } else { format!("summary-table {class}") };
        let text =
            javadoc(&format!("<div class='{name}'>{}{cells}</div>", header(&["Element", "Description"])));
        assert!(text.contains(table), "{class} {first} {text}");
        // Without a header, the class of the cells and of the table tell.
        let text = javadoc(&format!("<div class='{name}'>{cells}</div>"));
        assert!(text.contains("| a |  |\n| --- | --- |\n| b | About b. |"), "{class} {first} {text}");
    }
    let text = javadoc(&format!(
        "<div class='caption'><span>Fields</span></div><div class='summary-table three-column-summary'>{}<div class='col-first'><code>int</code></div><div class='col-second'><code>A</code></div><div class='col-last'><code>1</code></div><div class='col-first'><code>int</code></div><div class='col-second'><code>B</code></div><div class='col-last'><code>2</code></div></div>",
        header(&["Type", "Field", "Value"])
    ));
    assert!(text.contains("| `int` | `A` | `1` |\n| `int` | `B` | `2` |"), "{text}");
    // Tables of JDK 8 and 11.
    let text = javadoc(
        "<table class='memberSummary' border='0'><caption><span>Methods</span></caption><tr><th class='colFirst'>Type</th><th class='colLast'>Method and Description</th></tr><tr class='altColor'><td class='colFirst'><code>int</code></td><td class='colLast'><code><a href='#a--'>a</a>()</code><div class='block'>First.<blockquote><pre>x\ny</pre></blockquote></div></td></tr></table>",
    );
    assert!(
        text.contains("| Type | Method and Description |\n| --- | --- |\n| `int` | `a()` · First. · `x y` |"),
        "{text}"
    );
    let text = javadoc(
        "<table class='deprecatedSummary'><tr><th class='colOne'>Method</th></tr><tr><td class='colOne'><a href='x'>a()</a><div class='block'><i>Gone.</i></div></td></tr></table>",
    );
    assert!(text.contains("| Method |\n| --- |\n| a() · Gone. |"), "{text}");
    // Several tabs of one panel filter its rows: no label.
    let text = javadoc(
        "<div class='table-tabs' role='tablist'><button role='tab' id='t0' aria-controls='p'>All</button><button role='tab' id='t1' aria-controls='p'>New</button></div><div id='p' role='tabpanel' aria-labelledby='t0'><p>Rows.</p></div>",
    );
    assert!(text.contains("Rows.") && !text.contains("**All**"), "{text}");
}

#[test]
fn navigation_of_generators_is_left_out() {
    for navigation in [
        // Publican.
        "<p id=title><a class=left href='http://x.org'><img alt='Product Site'></a><a class=right href=i.html><img alt='Documentation Site'></a></p><ul class='docnav top'><li class=previous><a accesskey=p href=a.html><strong>上一页</strong></a></li><li class=home>手册</li></ul>",
        "<div id=banner><a href='http://x.org'><span class=text>Download the ebook</span></a></div>",
        // Texinfo.
        "<div class=header><p>Next: <a href=a.html accesskey=n rel=next>Invoking</a>, Up: <a href=index.html rel=up>Top</a> &nbsp; [<a href=toc.html>Contents</a>][<a href=i.html>Index</a>]</p></div>",
        "<div class=nav-panel><p>Next: <a href=a.html>Invoking</a></p></div>",
        // gtk-doc, Doxygen.
        "<table class=navigation><tr><td><a accesskey=p href=a.html>Prev</a></td><td><a accesskey=u href=b.html>Up</a></td></tr></table>",
        "<div id=titlearea><table><tr><td>Project 1.0</td></tr></table></div><div id=nav-path class=navpath><ul><li><a href=x>Files</a></li></ul></div>",
        "<address class=footer><small>Generated by <a href='x'><img alt=doxygen></a> 1.9.4 <a href=y>doxygen.org</a></small></address>",
        "<div class=footer>&copy; <a href=c>Copyright</a> 2001-2026, The Foundation. This page is licensed under terms of its own. Created with a generator.</div>",
        // mdBook, Sphinx, MkDocs, GitBook, VitePress.
        "<div id=mdbook-help-container><p>Press ← or → to navigate</p></div><div id=menu-bar class=menu-bar>The book</div>",
        "<div class=related><h3>Navigation</h3><ul><li>next</li></ul></div><div class=prev-next-footer>Next</div>",
        "<div class='rst-footer-buttons'>Next</div><div class=book-summary>Contents</div><a class='navigation-next' href=x>Next</a>",
        "<div class=navheader><table><tr><th>Chapter</th></tr></table></div>",
    ] {
        assert_text(&format!("{navigation}<div><h2>Head</h2><p>Text.</p></div>"), "## Head\n\nText.");
    }
    // The title of a page of Doxygen stands below links.
    assert_text(
        "<div class=header><div class=summary><a href='#m'>Member Functions</a></div><div class=headertitle><div class=title>Map Class Reference</div></div></div><p>Text.</p>",
        "Member Functions\n\nMap Class Reference\n\nText.",
    );
    // Elements of the same names that are content.
    assert_text(
        "<div class=header><h2>Head</h2></div><p id=title>A title</p><div class=footer>See the notes below.</div>",
        "## Head\n\nA title\n\nSee the notes below.",
    );
}

#[test]
fn hostile_pages_take_bounded_time() {
    let page = |body: String| format!("<!doctype html><body><p>x</p>{body}");
    for piece in [
        "<sup>a",
        "<sub>1",
        "<span class=katex>",
        "<span class=math>",
        "<div hidden class=a>",
        "<h2><a class=anchor href='#a'>",
        "<div role=tablist><div role=tabpanel>",
        "<div class=header><a href=x>",
    ] {
        // Nested as deep as a page may be, and side by side.
        drop(checked("a.html", page(piece.repeat(120)).as_bytes(), None));
        drop(checked("a.html", page(format!("<p>a{}", piece.repeat(120))).as_bytes(), None));
    }
    for piece in [
        "<div role=tab id=t>a</div><div role=tabpanel aria-labelledby=t>b</div>",
        "<div hidden class=a>x</div>",
        "<a class=anchor href='#a'>x</a>",
        "<sup>a</sup>",
        "<math><mfrac><mi>a</mi><mi>b</mi></mfrac></math>",
        "<pre><span class=line>x</span><!-- --></pre>",
    ] {
        drop(checked("a.html", page(format!("<div role=tablist>{}", piece.repeat(5_000))).as_bytes(), None));
        drop(checked("a.html", page(format!("<h2>{}", piece.repeat(5_000))).as_bytes(), None));
    }
    let formula = format!("<math>{}", "<msup><mrow>".repeat(100));
    drop(checked("a.html", page(formula).as_bytes(), None));
}
