//! Word documents generated in memory: styles, lists, tables and notes; and files that are not Word documents.

mod support;

use std::fmt::Write;

use extract::model::{BlockKind, Error, Limits, ParsedDocument};
use support::{Random, mutated, zip_of};

fn read(bytes: &[u8]) -> Result<ParsedDocument, Error> {
    extract::docx::read(bytes, "a.docx", &Limits::default())
}

const W: &str = "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"";

const STYLES: &str = r#"
<w:style w:type="paragraph" w:styleId="1"><w:name w:val="heading 1"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="2"><w:name w:val="heading 2"/><w:basedOn w:val="1"/><w:pPr><w:numPr><w:numId w:val="3"/></w:numPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="ListBullet"><w:name w:val="List Bullet"/><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="Listing"><w:name w:val="Listing"/><w:rPr><w:rFonts w:ascii="Consolas"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="TOC1"><w:name w:val="toc 1"/></w:style>
<w:style w:type="character" w:styleId="Verb"><w:name w:val="Verbatim Char"/></w:style>
<w:style w:type="paragraph" w:styleId="Loop"><w:name w:val="Loop"/><w:basedOn w:val="Loop"/></w:style>"#;

const NUMBERING: &str = r#"
<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/><w:lvlText w:val="·"/></w:lvl>
<w:lvl w:ilvl="1"><w:numFmt w:val="bullet"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="1"><w:lvl w:ilvl="0"><w:start w:val="1"/><w:numFmt w:val="decimal"/><w:lvlText w:val="%1."/></w:lvl>
<w:lvl w:ilvl="1"><w:numFmt w:val="lowerLetter"/><w:lvlText w:val="%2)"/></w:lvl></w:abstractNum>
<w:abstractNum w:abstractNumId="2"><w:lvl w:ilvl="0"><w:numFmt w:val="chineseCounting"/><w:lvlText w:val="第%1条"/><w:pStyle w:val="2"/></w:lvl></w:abstractNum>
<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>
<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>
<w:num w:numId="3"><w:abstractNumId w:val="2"/></w:num>
<w:num w:numId="4"><w:abstractNumId w:val="1"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>"#;

const NOTES: &str = r#"
<w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:t>---</w:t></w:r></w:p></w:footnote>
<w:footnote w:id="3"><w:p><w:r><w:t>As the sun rises.</w:t></w:r></w:p></w:footnote>"#;

fn docx(body: &str) -> Vec<u8> {
    let document = format!("<w:document {W}><w:body>{body}</w:body></w:document>");
    zip_of(&[
        ("word/document.xml", document.as_bytes()),
        ("word/styles.xml", format!("<w:styles {W}>{STYLES}</w:styles>").as_bytes()),
        ("word/numbering.xml", format!("<w:numbering {W}>{NUMBERING}</w:numbering>").as_bytes()),
        ("word/footnotes.xml", format!("<w:footnotes {W}>{NOTES}</w:footnotes>").as_bytes()),
    ])
}

/// Returns a paragraph with a style and one run.
fn paragraph(style: &str, text: &str) -> String {
    format!("<w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
}

/// Returns a paragraph in a list.
fn list_item(list: &str, level: &str, text: &str) -> String {
    format!(
        "<w:p><w:pPr><w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"{list}\"/></w:numPr></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
    )
}

fn text_of(body: &str) -> String {
    read(&docx(body)).expect("a document").text
}

#[test]
fn headings_are_read_with_their_numbers() {
    let body = [
        paragraph("1", "Gardens"),
        paragraph("", "One &amp; two &lt;tag&gt; &#x4e2d;."),
        paragraph("2", "水"),
        paragraph("2", "土"),
        paragraph("TOC1", "Gardens 1"),
        paragraph("Loop", "# not a heading"),
    ];
    let parsed = read(&docx(&body.concat())).expect("a document");
    assert_eq!(
        parsed.text,
        "# Gardens\n\nOne & two \\<tag> 中.\n\n## 第一条 水\n\n## 第二条 土\n\n\\# not a heading\n"
    );
    assert_eq!(parsed.blocks[2].kind, BlockKind::Heading { level: 2, title: "第一条 水".to_owned() });
}

#[test]
fn list_markers_are_kept_also_if_only_a_style_defines_them() {
    let body = [
        paragraph("ListBullet", "one"),
        paragraph("ListBullet", "two"),
        list_item("1", "1", "inner"),
        paragraph("", "Between."),
        list_item("2", "0", "first"),
        list_item("2", "1", "small"),
        list_item("2", "1", "smaller"),
        list_item("2", "0", "second"),
        paragraph("", "Again."),
        list_item("4", "0", "anew"),
        list_item("0", "0", "Not in a list."),
    ];
    assert_eq!(
        text_of(&body.concat()),
        "- one\n- two\n   - inner\n\nBetween.\n\n1. first\n   a) small\n   b) smaller\n2. second\n\nAgain.\n\n\
         1. anew\n\nNot in a list.\n"
    );
}

#[test]
fn code_tables_notes_and_links_are_read() {
    let cell = |text: &str| format!("<w:tc>{}</w:tc>", paragraph("", text));
    let wide =
        format!("<w:tc><w:tcPr><w:gridSpan w:val=\"2\"/></w:tcPr>{}</w:tc>", paragraph("", "both | one"));
    let body = [
        paragraph("Listing", "let a = 1;"),
        paragraph("Listing", "  let b = 2;"),
        "<w:p><w:r><w:t xml:space=\"preserve\">Call </w:t></w:r><w:r><w:rPr><w:rStyle w:val=\"Verb\"/></w:rPr><w:t>run()</w:t></w:r>\
         <w:r><w:t xml:space=\"preserve\"> at </w:t></w:r><w:hyperlink><w:r><w:t>dawn</w:t></w:r></w:hyperlink>\
         <w:r><w:footnoteReference w:id=\"3\"/></w:r><w:del><w:r><w:delText>no</w:delText><w:t>gone</w:t></w:r></w:del>\
         <w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r></w:p>"
            .to_owned(),
        format!("<w:tbl><w:tr>{}{}</w:tr><w:tr>{wide}</w:tr></w:tbl>", cell("Name"), cell("Use")),
        format!("<w:tbl><w:tr>{}</w:tr></w:tbl>", cell("A framed note.")),
    ];
    assert_eq!(
        text_of(&body.concat()),
        "```\nlet a = 1;\n  let b = 2;\n```\n\nCall `run()` at dawn[^3]\n\n[^3]: As the sun rises.\n\n\
         | Name | Use |\n| --- | --- |\n| both \\| one |  |\n\nA framed note.\n"
    );
}

#[test]
fn text_boxes_are_read_once() {
    let inner = format!("<w:txbxContent>{}</w:txbxContent>", paragraph("", "In the box."));
    let body = format!(
        "<w:p><w:r><mc:AlternateContent xmlns:mc=\"m\"><mc:Choice>{inner}</mc:Choice><mc:Fallback>{inner}</mc:Fallback>\
         </mc:AlternateContent></w:r><w:r><w:t>Around it.</w:t></w:r></w:p>"
    );
    assert_eq!(text_of(&body), "In the box.\n\nAround it.\n");
}

#[test]
fn files_of_other_types_are_refused_with_a_reason() {
    let reason = |bytes: &[u8]| match read(bytes) {
        Err(Error::Malformed { format: "Word", reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(b"plain text"), "not a zip archive");
    assert_eq!(reason(&zip_of(&[("readme.txt", b"hello")])), "the archive has no word/document.xml");
    assert!(reason(&docx("<w:p><w:r>")).contains("XML"));
    let dtd = b"<!DOCTYPE a [<!ENTITY x \"yyyy\"><!ENTITY z \"&x;&x;\">]><a><p><t>&z;</t></p></a>";
    assert_eq!(reason(&zip_of(&[("word/document.xml", dtd)])), "the XML has a document type declaration");
    assert!(matches!(read(b"\xd0\xcf\x11\xe0older"), Err(Error::Unsupported(_))));
    assert_eq!(read(&docx("<w:p/>")), Err(Error::Empty));
}

#[test]
fn zip_bombs_and_deep_nesting_are_stopped_at_the_limits() {
    let spaces = format!("<w:document {W}>{}</w:document>", " ".repeat(40 << 20));
    let bomb = zip_of(&[("word/document.xml", spaces.as_bytes())]);
    assert!(bomb.len() < 100_000);
    assert!(matches!(read(&bomb), Err(Error::TooLarge { unit: "decompressed bytes", .. })));
    let small = Limits { text_bytes: 1000, ..Limits::default() };
    let long = docx(&paragraph("", &"word ".repeat(1000)));
    assert!(matches!(extract::docx::read(&long, "a.docx", &small), Err(Error::TooLarge { .. })));
    let deep = "<w:p>".repeat(100_000);
    assert!(matches!(read(&docx(&deep)), Err(Error::TooLarge { unit: "levels of nesting", .. })));
    let mut span = String::from("<w:tbl>");
    for _ in 0..50 {
        write!(span, "<w:tr><w:tc><w:tcPr><w:gridSpan w:val=\"4000000000\"/></w:tcPr><w:p/></w:tc></w:tr>")
            .expect("a string");
    }
    assert_eq!(read(&docx(&(span + "</w:tbl>"))), Err(Error::Empty));
}

#[test]
fn damaged_documents_never_panic() {
    let body =
        [paragraph("1", "Gardens"), list_item("2", "0", "first"), paragraph("Listing", "code()")].concat();
    let whole = docx(&body);
    let mut random = Random(42);
    for end in (0..whole.len()).step_by(31) {
        drop(read(&whole[..end]));
    }
    for _ in 0..300 {
        drop(read(&mutated(&whole, &mut random)));
    }
    // The checksums of the zip refuse most of those; these reach the XML.
    for _ in 0..500 {
        let broken = mutated(body.as_bytes(), &mut random);
        drop(read(&zip_of(&[("word/document.xml", &broken)])));
        let numbering = mutated(NUMBERING.as_bytes(), &mut random);
        let styles = mutated(STYLES.as_bytes(), &mut random);
        drop(read(&zip_of(&[
            ("word/document.xml", format!("<a>{body}</a>").as_bytes()),
            ("word/numbering.xml", &numbering),
            ("word/styles.xml", &styles),
        ])));
    }
}
