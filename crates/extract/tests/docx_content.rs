//! Content of Word documents beyond plain paragraphs: scripts, formulas, tracked changes, fields, links, symbols.

mod support;

use extract::model::{BlockKind, Limits, ParsedDocument};
use support::zip_of;

const NAMESPACES: &str =
    "xmlns:w=\"w\" xmlns:m=\"m\" xmlns:r=\"r\" xmlns:wp=\"wp\" xmlns:mc=\"mc\" xmlns:v=\"v\"";

const STYLES: &str = r#"
<w:style w:type="paragraph" w:styleId="a"><w:name w:val="标题 1"/></w:style>
<w:style w:type="paragraph" w:styleId="b"><w:name w:val="Überschrift 2"/></w:style>
<w:style w:type="paragraph" w:styleId="berschrift3"><w:name w:val="Eigener Stil"/></w:style>
<w:style w:type="paragraph" w:styleId="c"><w:name w:val="heading 2,H2,Section"/></w:style>
<w:style w:type="paragraph" w:styleId="d"><w:name w:val="二级标题"/></w:style>
<w:style w:type="paragraph" w:styleId="e"><w:name w:val="Chapter"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="t"><w:name w:val="toc 1"/></w:style>
<w:style w:type="character" w:styleId="s"><w:name w:val="Raised"/><w:rPr><w:vertAlign w:val="superscript"/></w:rPr></w:style>"#;

const LINKS: &str = r#"<Relationships>
<Relationship Id="r1" Type="http://x/hyperlink" Target="https://example.org/a_(b)" TargetMode="External"/>
<Relationship Id="r2" Type="http://x/hyperlink" Target="media/file.bin"/></Relationships>"#;

const NUMBERING: &str = r#"<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>"#;

fn parsed(body: &str) -> ParsedDocument {
    let part = |name: &str, inner: &str| format!("<w:{name} {NAMESPACES}>{inner}</w:{name}>");
    let bytes = zip_of(&[
        ("word/document.xml", part("document", &part("body", body)).as_bytes()),
        ("word/styles.xml", part("styles", STYLES).as_bytes()),
        ("word/numbering.xml", part("numbering", NUMBERING).as_bytes()),
        ("word/_rels/document.xml.rels", LINKS.as_bytes()),
        (
            "word/comments.xml",
            part("comments", "<w:comment><w:p><w:r><w:t>A comment.</w:t></w:r></w:p></w:comment>").as_bytes(),
        ),
        ("word/header1.xml", part("hdr", "<w:p><w:r><w:t>A header.</w:t></w:r></w:p>").as_bytes()),
    ]);
    extract::docx::read(&bytes, "a.docx", &Limits::default()).expect("a document")
}

fn text(body: &str) -> String {
    parsed(body).text.trim_end().to_owned()
}

fn run(text: &str) -> String {
    format!("<w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r>")
}

fn shifted(position: &str, text: &str) -> String {
    format!("<w:r><w:rPr><w:vertAlign w:val=\"{position}\"/></w:rPr><w:t>{text}</w:t></w:r>")
}

fn paragraph(inner: &str) -> String {
    format!("<w:p>{inner}</w:p>")
}

fn styled(style: &str, text: &str) -> String {
    format!("<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr>{}</w:p>", run(text))
}

#[test]
fn superscripts_and_subscripts_are_marked() {
    let bytes = include_bytes!("data/cases/superscripts.docx");
    let read = extract::docx::read(bytes, "a.docx", &Limits::default()).expect("a document").text;
    for expected in ["at 2^10 pulses", "holds 10^-6 mol of H_2O.", "Energy: E=1/2 mv^2"] {
        assert!(read.contains(expected), "{expected} is not in {read}");
    }
    for (inner, expected) in [
        (
            run("2") + &shifted("superscript", "3") + &shifted("superscript", "2") + &run(" words"),
            "2^32 words",
        ),
        (run("x") + &shifted("subscript", "i+1") + &shifted("superscript", "2"), "x_(i+1)^2"),
        (run("the 1") + &shifted("superscript", "st") + &run(" time"), "the 1st time"),
        (run("see note") + &shifted("superscript", "4") + &run("."), "see note[4]."),
        (run("如上所述") + &shifted("superscript", "1"), "如上所述[1]"),
        (run("10") + "<w:r><w:rPr><w:rStyle w:val=\"s\"/></w:rPr><w:t>-3</w:t></w:r>", "10^-3"),
        (run("Name") + &shifted("superscript", "®"), "Name®"),
        (shifted("superscript", "1") + &run(" A note by hand."), "1 A note by hand."),
    ] {
        assert_eq!(text(&paragraph(&inner)), expected);
    }
}

#[test]
fn formulas_are_linear_text() {
    let r = |text: &str| {
        format!("<m:r><w:rPr><w:rFonts w:ascii=\"Cambria Math\"/></w:rPr><m:t>{text}</m:t></m:r>")
    };
    let e = |inner: &str| format!("<m:e>{inner}</m:e>");
    let fraction =
        |above: &str, below: &str| format!("<m:f><m:num>{above}</m:num><m:den>{below}</m:den></m:f>");
    let power = |base: &str, exponent: &str| format!("<m:sSup>{}<m:sup>{exponent}</m:sup></m:sSup>", e(base));
    for (formula, expected) in [
        (r("y=") + &fraction(&r("a+b"), &r("2")) + &r("c"), "y=(a+b)/2 c"),
        (power(&fraction(&r("1"), &r("n")), &r("x+1")), "(1/n)^(x+1)"),
        (format!("<m:sSub>{}<m:sub>{}</m:sub></m:sSub>", e(&r("x")), r("i,j")), "x_(i,j)"),
        (
            format!(
                "<m:sSubSup>{}<m:sub>{}</m:sub><m:sup>{}</m:sup></m:sSubSup>",
                e(&r("a")),
                r("1"),
                r("2")
            ),
            "a_1^2",
        ),
        (
            format!("<m:rad><m:radPr><m:degHide m:val=\"1\"/></m:radPr><m:deg/>{}</m:rad>", e(&r("x+1"))),
            "√(x+1)",
        ),
        (format!("<m:rad><m:deg>{}</m:deg>{}</m:rad>", r("3"), e(&r("x"))), "root(3, x)"),
        (
            format!(
                "<m:nary><m:naryPr><m:chr m:val=\"∑\"/></m:naryPr><m:sub>{}</m:sub><m:sup>{}</m:sup>{}</m:nary>",
                r("i=1"),
                r("n"),
                e(&r("i"))
            ),
            "∑_(i=1)^n i",
        ),
        (
            format!("<m:nary><m:sub>{}</m:sub><m:sup>{}</m:sup>{}</m:nary>", r("0"), r("1"), e(&r("f dx"))),
            "∫_0^1 f dx",
        ),
        (format!("<m:d>{}</m:d>", e(&r("a+b"))) + &r("c"), "(a+b)c"),
        (
            format!(
                "<m:d><m:dPr><m:begChr m:val=\"[\"/><m:endChr m:val=\"]\"/><m:sepChr m:val=\",\"/></m:dPr>{}{}</m:d>",
                e(&r("0")),
                e(&r("1"))
            ),
            "[0,1]",
        ),
        (format!("<m:func><m:fName>{}</m:fName>{}</m:func>", r("sin"), e(&r("x"))), "sin(x)"),
        (
            format!(
                "<m:func><m:fName><m:limLow>{}<m:lim>{}</m:lim></m:limLow></m:fName>{}</m:func>",
                e(&r("lim")),
                r("x→0"),
                e(&r("f"))
            ),
            "lim_(x→0)(f)",
        ),
        (
            format!(
                "<m:m><m:mr>{}{}</m:mr><m:mr>{}{}</m:mr></m:m>",
                e(&r("1")),
                e(&r("0")),
                e(&r("0")),
                e(&r("1"))
            ),
            "[1, 0; 0, 1]",
        ),
        (format!("<m:eqArr>{}{}</m:eqArr>", e(&r("x&amp;=1")), e(&r("y&amp;=2"))), "x=1; y=2"),
    ] {
        assert_eq!(text(&paragraph(&(run("") + &format!("<m:oMath>{formula}</m:oMath>")))), expected);
        let alone = format!("<m:oMathPara><m:oMath>{formula}</m:oMath></m:oMathPara>");
        assert_eq!(text(&paragraph(&alone)), expected);
    }
}

#[test]
fn insertions_stay_and_deletions_go() {
    let deleted = |inner: &str| format!("<w:del w:id=\"1\">{inner}</w:del>");
    for (body, expected) in [
        (
            paragraph(
                &(run("a ")
                    + &format!("<w:ins w:id=\"1\">{}</w:ins>", run("new"))
                    + &deleted("<w:r><w:delText>old</w:delText></w:r>")),
            ),
            "a new",
        ),
        (
            paragraph(
                &(format!("<w:moveFrom w:id=\"1\">{}</w:moveFrom>", run("gone"))
                    + &format!("<w:moveTo w:id=\"2\">{}</w:moveTo>", run("here"))),
            ),
            "here",
        ),
        (
            format!(
                "<w:p><w:pPr><w:rPr><w:del w:id=\"1\"/></w:rPr></w:pPr>{}</w:p>{}",
                run("One "),
                paragraph(&run("line."))
            ),
            "One line.",
        ),
        (
            format!(
                "<w:tbl><w:tr><w:tc>{0}</w:tc><w:tc>{0}</w:tc></w:tr><w:tr><w:trPr><w:del w:id=\"1\"/></w:trPr><w:tc>{1}</w:tc><w:tc>{1}</w:tc></w:tr></w:tbl>",
                paragraph(&run("kept")),
                paragraph(&run("dropped"))
            ),
            "| kept | kept |\n| --- | --- |",
        ),
    ] {
        assert_eq!(text(&body), expected);
    }
}

#[test]
fn links_fields_and_symbols_are_read() {
    let field = |instruction: &str, result: &str| {
        format!(
            "<w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText> {instruction} </w:instrText></w:r>\
             <w:r><w:fldChar w:fldCharType=\"separate\"/></w:r>{}<w:r><w:fldChar w:fldCharType=\"end\"/></w:r>",
            run(result)
        )
    };
    for (inner, expected) in [
        (run("See ") + "<w:hyperlink r:id=\"r1\">" + &run("the site") + "</w:hyperlink>" + &run("."), "See [the site](https://example.org/a_%28b%29)."),
        (format!("<w:hyperlink r:id=\"r2\">{}</w:hyperlink>", run("a part")), "a part"),
        (format!("<w:hyperlink w:anchor=\"x\">{}</w:hyperlink>", run("above")), "above"),
        (field("HYPERLINK \"https://example.org/\" \\o \"tip\"", "here"), "[here](https://example.org/)"),
        (field("HYPERLINK \"https://example.org/\"", "https://example.org"), "https://example.org"),
        (run("Table ") + &field("SEQ Table", "3"), "Table 3"),
        ("<w:r><w:sym w:font=\"Wingdings\" w:char=\"F0FC\"/></w:r>".to_owned() + &run(" done"), "✓ done"),
        ("<w:r><w:sym w:font=\"Symbol\" w:char=\"F061\"/></w:r>".to_owned(), "α"),
        ("<w:r><w:rPr><w:rFonts w:ascii=\"Symbol\"/></w:rPr><w:t>\u{f0b3}</w:t></w:r>".to_owned() + &run(" 5"), "≥ 5"),
        (run("one") + "<w:r><w:br w:type=\"page\"/></w:r>" + &run("two"), "one\ntwo"),
        (run("co\u{ad}op") + "<w:r><w:softHyphen/></w:r>" + &run("er") + "<w:r><w:noBreakHyphen/></w:r>" + &run("ate"), "cooper-ate"),
        (run("a") + "<w:r><w:tab/></w:r>" + &run("b"), "a b"),
        ("<w:r><w:drawing><wp:inline><wp:docPr id=\"1\" name=\"x\" descr=\"A pump with a valve\"/></wp:inline></w:drawing></w:r>".to_owned(), "[A pump with a valve]"),
        (run("a") + "<w:r><w:drawing><wp:docPr descr=\"scan.png\"/></w:drawing></w:r>", "a"),
        ("<w:sdt><w:sdtPr/><w:sdtContent>".to_owned() + &run("controlled") + "</w:sdtContent></w:sdt>", "controlled"),
        (run("seen") + "<w:r><w:commentReference w:id=\"0\"/></w:r>", "seen"),
    ] {
        assert_eq!(text(&paragraph(&inner)), expected);
    }
}

#[test]
fn tables_of_contents_are_left_out() {
    let toc = "<w:sdt><w:sdtPr><w:docPartObj><w:docPartGallery w:val=\"Table of Contents\"/></w:docPartObj></w:sdtPr><w:sdtContent>";
    let begin = "<w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText>TOC \\o</w:instrText></w:r><w:r><w:fldChar w:fldCharType=\"separate\"/></w:r>";
    let page = "<w:r><w:fldChar w:fldCharType=\"begin\"/></w:r><w:r><w:instrText>PAGEREF _Toc1</w:instrText></w:r><w:r><w:fldChar w:fldCharType=\"separate\"/></w:r><w:r><w:t>7</w:t></w:r><w:r><w:fldChar w:fldCharType=\"end\"/></w:r>";
    let end = "<w:r><w:fldChar w:fldCharType=\"end\"/></w:r>";
    for contents in [
        format!("{toc}{}</w:sdtContent></w:sdt>", paragraph(&run("Pumps 7"))),
        styled("t", "Pumps 7"),
        paragraph(&(begin.to_owned() + &run("Pumps ") + page)) + &paragraph(&(run("Valves ") + page + end)),
    ] {
        assert_eq!(
            text(&(contents + &styled("a", "Pumps") + &paragraph(&run("They turn.")))),
            "# Pumps\n\nThey turn."
        );
    }
}

#[test]
fn headings_are_told_by_level_and_by_names_in_several_languages() {
    for (style, level) in
        [("a", 1), ("b", 2), ("berschrift3", 3), ("c", 2), ("d", 2), ("e", 1), ("Titre4", 4)]
    {
        let parsed = parsed(&styled(style, "Words"));
        assert_eq!(parsed.blocks[0].kind, BlockKind::Heading { level, title: "Words".to_owned() }, "{style}");
    }
    let outline = format!("<w:p><w:pPr><w:outlineLvl w:val=\"1\"/></w:pPr>{}</w:p>", run("Words"));
    assert_eq!(text(&outline), "## Words");
}

#[test]
fn cells_of_tables_keep_their_column_and_numbers() {
    let cell = |inner: &str| format!("<w:tc>{inner}</w:tc>");
    let plain = |text: &str| cell(&paragraph(&run(text)));
    let item = |text: &str| {
        format!(
            "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"0\"/><w:numId w:val=\"1\"/></w:numPr></w:pPr>{}</w:p>",
            run(text)
        )
    };
    let skipped = format!("<w:tr><w:trPr><w:gridBefore w:val=\"1\"/></w:trPr>{}</w:tr>", plain("right"));
    let merged = "<w:tc><w:tcPr><w:vMerge/></w:tcPr><w:p/></w:tc>";
    let nested = format!("<w:tbl><w:tr>{}{}</w:tr></w:tbl>", plain("inner"), plain("cells"));
    let body = format!(
        "<w:tbl><w:tr>{}{}</w:tr>{skipped}<w:tr>{merged}{}</w:tr><w:tr>{}{}</w:tr></w:tbl>",
        plain("A"),
        plain("B"),
        cell(&(item("one") + &item("two"))),
        plain("x"),
        cell(&(nested + &paragraph(&run("after")))),
    );
    assert_eq!(
        text(&body),
        "| A | B |\n| --- | --- |\n|  | right |\n|  | 1. one 2. two |\n| x | inner cells after |"
    );
}
