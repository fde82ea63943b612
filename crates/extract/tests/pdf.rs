//! PDFs generated in memory: headers, paragraphs, lists, tables and pages; damaged and hostile ones.

mod support;

use extract::model::{BlockKind, Error, Limits, ParsedDocument};
use support::{Piece, Random, mutated, pdf_of, pdf_of_objects};

fn read(bytes: &[u8]) -> Result<ParsedDocument, Error> {
    extract::pdf::read(bytes, "a.pdf", &Limits::default())
}

/// Returns four pages with a running header, page numbers, a heading on the first and a paragraph over two pages.
fn book() -> Vec<u8> {
    let number = ["1", "2", "3", "4"];
    let pages: Vec<Vec<Piece<'_>>> = (0..4)
        .map(|page| {
            let mut pieces: Vec<Piece<'_>> = vec![
                ("F1", 9.0, 60.0, 805.0, "The Handbook of Gardens"),
                ("F1", 9.0, 300.0, 30.0, number[page]),
                (
                    "F1",
                    10.0,
                    60.0,
                    720.0,
                    "Water the beds in the early morning, because the evening leaves them damp over",
                ),
                ("F1", 10.0, 60.0, 708.0, "the night, which is what snails look for. A good gar-"),
                ("F1", 10.0, 60.0, 696.0, "dener knows."),
                (
                    "F1",
                    10.0,
                    60.0,
                    670.0,
                    "A second paragraph stands apart from the first one by a wider gap on the page.",
                ),
                ("F3", 9.0, 60.0, 640.0, "def water(bed):"),
                ("F3", 9.0, 81.6, 629.0, "return bed.damp"),
                (
                    "F1",
                    10.0,
                    60.0,
                    600.0,
                    "The last sentence of this page is not finished here but goes on over to the next",
                ),
            ];
            if page == 0 {
                pieces.push(("F2", 20.0, 60.0, 760.0, "Watering"));
            }
            pieces
        })
        .collect();
    pdf_of(&pages, &["Watering"])
}

#[test]
fn pages_headings_paragraphs_and_code_are_found() {
    let parsed = read(&book()).expect("a book");
    let text = &parsed.text;
    assert!(text.starts_with("# Watering\n\nWater the beds"), "{text}");
    assert!(!text.contains("The Handbook of Gardens"), "the running header is removed: {text}");
    assert!(
        text.contains("over the night, which is what snails look for. A good gardener knows.\n"),
        "{text}"
    );
    assert!(text.contains("```\ndef water(bed):\n    return bed.damp\n```"), "{text}");
    for line in text.lines() {
        assert!(!["1", "2", "3", "4"].contains(&line.trim()), "page numbers are removed: {text}");
    }
    let heading = parsed.blocks.first().expect("a heading");
    assert_eq!(heading.kind, BlockKind::Heading { level: 1, title: "Watering".to_owned() });
    assert_eq!(heading.page, Some(1));
    assert_eq!(parsed.blocks.last().and_then(|block| block.page), Some(4));
    for block in &parsed.blocks {
        assert!(parsed.text.get(block.range.clone()).is_some_and(|text| !text.trim().is_empty()));
    }
}

#[test]
fn larger_text_is_a_heading_if_there_are_no_bookmarks() {
    let body = "Some words of plain text that are long enough to be the size of the body of this page here.";
    let page = vec![
        ("F1", 20.0, 60.0, 760.0, "A Title"),
        ("F1", 10.0, 60.0, 700.0, body),
        ("F1", 10.0, 60.0, 688.0, body),
        ("F1", 14.0, 60.0, 650.0, "A Section"),
        ("F1", 10.0, 60.0, 620.0, body),
        ("F1", 10.0, 60.0, 608.0, body),
    ];
    let text = read(&pdf_of(&[page], &[])).expect("a page").text;
    assert!(text.contains("# A Title\n") && text.contains("## A Section\n"), "{text}");
}

#[test]
fn aligned_cells_become_a_table_and_bullets_a_list() {
    let page = vec![
        ("F2", 10.0, 60.0, 700.0, "Name"),
        ("F2", 10.0, 200.0, 700.0, "Meaning"),
        ("F1", 10.0, 60.0, 686.0, "alpha"),
        ("F1", 10.0, 200.0, 686.0, "the first"),
        ("F1", 10.0, 60.0, 672.0, "beta"),
        ("F1", 10.0, 200.0, 672.0, "the second"),
        ("F1", 10.0, 60.0, 600.0, "\u{95} one thing"),
        ("F1", 10.0, 60.0, 585.0, "\u{95} another thing"),
    ];
    let mut bytes = pdf_of(&[page], &[]);
    // The bullet of WinAnsiEncoding is one byte, but the string is written as UTF-8.
    while let Some(at) = bytes.windows(2).position(|pair| pair == [0xc2, 0x95]) {
        bytes[at] = b' ';
    }
    let text = read(&bytes).expect("a page").text;
    assert!(
        text.contains("| Name | Meaning |\n| --- | --- |\n| alpha | the first |\n| beta | the second |"),
        "{text}"
    );
    assert!(text.contains("- one thing\n- another thing"), "{text}");
}

#[test]
fn tables_of_contents_are_removed() {
    let lines: Vec<String> = (1..9)
        .map(|chapter| format!("{chapter} A chapter . . . . . . . . . . . . . . . . {}", chapter * 7))
        .collect();
    let contents: Vec<Piece<'_>> = (0_u8..)
        .zip(&lines)
        .map(|(row, line)| ("F1", 10.0, 60.0, 700.0 - f32::from(row) * 14.0, line.as_str()))
        .collect();
    let body = vec![("F1", 10.0, 60.0, 700.0, "What the chapters say.")];
    let parsed = read(&pdf_of(&[contents, body], &[])).expect("two pages");
    assert_eq!(parsed.text, "What the chapters say.\n");
    assert_eq!(parsed.blocks[0].page, Some(2));
}

#[test]
fn an_encrypted_pdf_is_refused_because_of_its_password() {
    let objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Count 0 /Kids [] >>".to_owned(),
        format!("<< /Filter /Standard /V 1 /R 2 /P -4 /O <{0}> /U <{0}> >>", "5a".repeat(32)),
    ];
    let id = "01".repeat(16);
    let bytes = pdf_of_objects(&objects, &format!("/Encrypt 3 0 R /ID [<{id}> <{id}>]"));
    match read(&bytes) {
        Err(Error::Unsupported(reason)) => assert!(reason.contains("needs a password"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pages_without_text_give_a_warning_and_a_pdf_without_any_is_empty() {
    assert_eq!(read(&pdf_of(&[vec![]], &[])), Err(Error::Empty));
    let drawn = "q 10 0 0 10 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \u{0} EI Q\n";
    let objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Count 2 /Kids [3 0 R 5 0 R] >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R >>".to_owned(),
        format!("<< /Length {} >>\nstream\n{drawn}endstream", drawn.len()),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 6 0 R /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>".to_owned(),
        "<< /Length 43 >>\nstream\nBT /F1 10 Tf 60 700 Td (Some text.) Tj ET \nendstream".to_owned(),
    ];
    let parsed = read(&pdf_of_objects(&objects, "")).expect("a page with words");
    assert_eq!(parsed.text, "Some text.\n");
    assert_eq!(parsed.warnings, ["page 1 has no text; it may be a scanned image"]);
}

#[test]
fn files_of_other_types_and_too_large_ones_are_refused() {
    for bytes in [b"".as_slice(), b"PK\x03\x04", b"<html>", b"%PDF", b"%PDF-1.7"] {
        assert!(matches!(read(bytes), Err(Error::Malformed { format: "PDF", .. })), "{bytes:?}");
    }
    let limits = Limits { input_bytes: 10, ..Limits::default() };
    assert!(matches!(extract::pdf::read(&book(), "a.pdf", &limits), Err(Error::TooLarge { .. })));
    let limits = Limits { text_bytes: 100, ..Limits::default() };
    assert!(matches!(extract::pdf::read(&book(), "a.pdf", &limits), Err(Error::TooLarge { .. })));
}

#[test]
fn damaged_pdfs_never_panic() {
    let book = book();
    for end in (0..book.len()).step_by(97) {
        drop(read(&book[..end]));
    }
    let mut random = Random(0x5eed);
    for _ in 0..300 {
        drop(read(&mutated(&book, &mut random)));
    }
}

#[test]
fn circular_and_deeply_nested_objects_never_panic() {
    let circle = vec![
        "<< /Type /Catalog /Pages 2 0 R /Outlines 3 0 R >>".to_owned(),
        "<< /Type /Pages /Count 1 /Kids [2 0 R] /Parent 2 0 R >>".to_owned(),
        "<< /Type /Outlines /First 4 0 R /Last 4 0 R >>".to_owned(),
        "<< /Title (again) /Next 4 0 R /First 4 0 R /Parent 3 0 R >>".to_owned(),
    ];
    drop(read(&pdf_of_objects(&circle, "")));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let objects = vec![
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        format!("<< /Type /Pages /Count 0 /Kids [] /Deep {deep} >>"),
    ];
    drop(read(&pdf_of_objects(&objects, "")));
}

#[test]
fn text_outside_the_page_is_ignored() {
    let body = ("F1", 10.0, 60.0, 700.0, "On the page.");
    let far = ("F1", 10.0, 9e9, 700.0, "Far to the right.");
    let huge = ("F1", 9e9, 60.0, 500.0, "Huge.");
    let parsed = read(&pdf_of(&[vec![body, far, huge]], &[])).expect("a page");
    assert_eq!(parsed.text, "On the page.\n");
}

#[test]
fn wrapped_numbered_items_stay_one_list() {
    let page = vec![
        (
            "F1",
            10.0,
            60.0,
            700.0,
            "1. Dig a hole that is as deep as the pot is high and twice as wide as the pot,",
        ),
        ("F1", 10.0, 72.0, 688.0, "and loosen its ground."),
        ("F1", 10.0, 60.0, 672.0, "2. Water it."),
    ];
    let text = read(&pdf_of(&[page], &[])).expect("a page").text;
    assert_eq!(
        text,
        "1. Dig a hole that is as deep as the pot is high and twice as wide as the pot, and loosen its ground.\n\
         2. Water it.\n"
    );
}
