//! Layout of PDFs: scripts, indentation, short columns, and tables whose cells have several lines.

mod support;

use extract::model::Limits;
use support::{Piece, pdf_of};

fn text_of(bytes: &[u8]) -> String {
    extract::pdf::read(bytes, "a.pdf", &Limits::default()).expect("a document").text
}

fn page_text(page: Vec<Piece<'_>>) -> String {
    text_of(&pdf_of(&[page], &[]))
}

/// Returns lines of body text from a baseline down.
fn column<'a>(left: f32, top: f32, pitch: f32, lines: &[&'a str]) -> Vec<Piece<'a>> {
    (0_u8..)
        .zip(lines)
        .map(|(number, line)| ("F1", 10.0, left, top - f32::from(number) * pitch, *line))
        .collect()
}

/// Fails unless the parts occur in this order.
#[track_caller]
fn in_order(text: &str, parts: &[&str]) {
    let mut at = 0;
    for part in parts {
        let found =
            text[at..].find(part).unwrap_or_else(|| panic!("{part:?} is not where it belongs in {text}"));
        at += found + part.len();
    }
}

const BODY: &str = "The parts below are kept in the store room of the main station and counted each month.";

#[test]
fn exponents_and_indices_are_marked_and_notes_are_not() {
    let text = text_of(include_bytes!("data/cases/exponents.pdf"));
    assert!(text.contains("at 2^32 pulses, CO_2 stays below 10^-3, see note[4]."), "{text}");
    let page = vec![
        ("F1", 10.0, 60.0, 700.0, BODY),
        ("F1", 10.0, 60.0, 686.0, "An area of 5 m"),
        ("F1", 7.0, 125.6, 690.0, "2"),
        ("F1", 10.0, 129.5, 686.0, " is enough."),
        ("F1", 10.0, 60.0, 672.0, BODY),
    ];
    let text = page_text(page);
    assert!(text.contains("5 m^2 is enough."), "{text}");
}

#[test]
fn code_keeps_its_indentation() {
    let text = text_of(include_bytes!("data/cases/code-indented-by-spaces.pdf"));
    let code = "```\ndef gate(depth):\n    for level in range(depth):\n        if level == 3:\n            return level\n    return None\n```";
    assert!(text.contains(code), "{text}");
    // By position, in half and whole steps of characters, and by spaces of an indented block.
    let page = vec![
        ("F1", 10.0, 60.0, 700.0, BODY),
        ("F3", 10.0, 60.0, 680.0, "if (a) {"),
        ("F3", 10.0, 84.0, 668.0, "b();"),
        ("F3", 10.0, 60.0, 656.0, "    c();"),
        ("F3", 10.0, 60.0, 644.0, "}"),
    ];
    let text = page_text(page);
    assert!(text.contains("if (a) {\n    b();\n    c();\n}"), "{text}");
    let page = vec![
        ("F1", 10.0, 60.0, 700.0, BODY),
        ("F3", 10.0, 60.0, 680.0, "    key:"),
        ("F3", 10.0, 60.0, 668.0, "      - one"),
        ("F3", 10.0, 60.0, 656.0, "      - two"),
    ];
    let text = page_text(page);
    assert!(text.contains("```\nkey:\n  - one\n  - two\n```"), "{text}");
}

#[test]
fn short_columns_are_read_one_after_the_other() {
    let text = text_of(include_bytes!("data/cases/two-short-columns.pdf"));
    in_order(
        &text,
        &[
            "Valve notes",
            "They close again below six bar. The operator must confirm",
            "the alarm sounds.",
            "Bravo valves",
            "boxes of four pieces.",
        ],
    );
    assert!(!text.contains('|'), "{text}");
    let first = [
        "Gates are opened by hand when",
        "the level is above nine metres",
        "and closed again below three,",
        "which the keeper writes down",
        "in the book of the station.",
    ];
    let second = ["Pumps run at night because", "power is cheaper then, and", "stop when the basin is full."];
    for (left, right, pitch) in
        [(&first[..], &second[..], 12.0), (&second, &first, 14.0), (&first[..3], &second, 12.0)]
    {
        let mut page = vec![("F2", 18.0, 60.0, 760.0, "Rules of the house")];
        page.extend(column(60.0, 720.0, pitch, left));
        page.extend(column(310.0, 720.0, pitch, right));
        let text = page_text(page);
        let whole = |lines: &[&str]| lines.join(" ");
        in_order(&text, &["Rules of the house", &whole(left), &whole(right)]);
    }
    let third =
        ["Keys hang beside the door of", "the office, each with a number", "that is also on the lock."];
    let mut page = column(40.0, 700.0, 12.0, &first);
    page.extend(column(220.0, 700.0, 12.0, &second));
    page.extend(column(400.0, 700.0, 12.0, &third));
    let text = page_text(page);
    in_order(
        &text,
        &["Gates are opened", "of the station.", "Pumps run", "basin is full.", "Keys hang", "on the lock."],
    );
}

#[test]
fn lines_of_a_cell_stay_in_their_row_however_they_are_aligned() {
    let text = text_of(include_bytes!("data/cases/table-cells-in-the-middle.pdf"));
    for row in [
        "| Key | Meaning | Default |",
        "| depth | How many levels are followed before the walk is ended and a note is written to the log. | 3 |",
        "| width | How wide. | 80 |",
        "| mode | Either strict or loose; strict refuses what is unknown and loose passes it over in silence. | strict |",
    ] {
        assert!(text.contains(row), "{row} is not in {text}");
    }
    // Offset of the short cells from the first line: top, middle and bottom of rows of three lines.
    for offset in [0.0, 12.0, 24.0] {
        let mut page = vec![("F1", 10.0, 60.0, 740.0, BODY)];
        page.extend([
            ("F2", 10.0, 60.0, 700.0, "Name"),
            ("F2", 10.0, 160.0, 700.0, "Meaning"),
            ("F2", 10.0, 420.0, 700.0, "Unit"),
        ]);
        let lines =
            ["The height of the water above", "the floor of the basin, which", "is measured every hour."];
        page.extend(column(160.0, 680.0, 12.0, &lines));
        page.extend([("F1", 10.0, 60.0, 680.0 - offset, "level"), ("F1", 10.0, 420.0, 680.0 - offset, "m")]);
        let lines = ["How much of it leaves the basin", "through the gate in a second."];
        page.extend(column(160.0, 636.0, 12.0, &lines));
        let offset = offset / 2.0;
        page.extend([("F1", 10.0, 60.0, 636.0 - offset, "flow"), ("F1", 10.0, 420.0, 636.0 - offset, "l/s")]);
        page.push(("F1", 10.0, 60.0, 590.0, BODY));
        let text = page_text(page);
        for row in [
            "| level | The height of the water above the floor of the basin, which is measured every hour. | m |",
            "| flow | How much of it leaves the basin through the gate in a second. | l/s |",
        ] {
            assert!(text.contains(row), "{row} is not in {text}");
        }
    }
}

#[test]
fn rows_of_one_line_stay_rows() {
    let mut page = vec![("F2", 10.0, 60.0, 700.0, "Name"), ("F2", 10.0, 200.0, 700.0, "Value")];
    page.extend(column(60.0, 680.0, 12.0, &["alpha", "beta", "gamma", "delta"]));
    page.extend(column(200.0, 680.0, 12.0, &["one of them", "two of them", "three", "four"]));
    let text = page_text(page);
    assert!(text.contains("| beta | two of them |") && text.contains("| delta | four |"), "{text}");
}

#[test]
fn a_page_of_tiny_pieces_is_read_in_bounded_time() {
    let pieces: Vec<Piece<'_>> = (0_u16..3_000)
        .map(|number| {
            ("F1", 2.0, 20.0 + f32::from(number % 60) * 9.0, 800.0 - f32::from(number / 60) * 9.0, "ab")
        })
        .collect();
    let begin = std::time::Instant::now();
    let text = page_text(pieces);
    assert!(text.matches("ab").count() >= 3_000);
    assert!(begin.elapsed() < std::time::Duration::from_secs(30), "{:?}", begin.elapsed());
}
