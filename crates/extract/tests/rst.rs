//! Documents of reStructuredText: directives, tables, definitions, fields and inline markup.

mod common;

use common::checked;
use extract::model::DocumentType;

fn read(source: &str) -> String {
    match checked("page.rst", source.as_bytes(), None) {
        Ok(document) => document.text,
        Err(error) => panic!("{source}: {error}"),
    }
}

#[track_caller]
fn assert_text(source: &str, expected: &str) {
    assert_eq!(read(source).trim_end(), expected, "{source}");
}

#[test]
fn every_word_of_a_grid_table_is_in_its_cell() {
    let text = read(include_str!("data/grid-spans.rst"));
    let expected = "\
| Mode | Inlet | Outlet |
| --- | --- | --- |
| idle | closed | closed |
| purge | both valves are open |  |
| filling | stays open until the tank says stop | closed |
| draining |  | open at 40 percent |";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("| `ls \\| grep valve` | list valves |"), "{text}");
    // A table whose borders do not close keeps its words.
    assert_text("+---+---+\n| a | b\n+---+\n\nAfter.", "```\n+---+---+\n| a | b\n+---+\n```\n\nAfter.");
}

#[test]
fn directives_are_read_as_docutils_reads_them() {
    let text = read(include_str!("data/directives.rst"));
    for part in [
        "| Inputs |  | Output |\n| --- | --- | --- |\n| A | B | A or B |\n| no | no | no |",
        "**Linux**\n\nRun `gate`.\n\n**Windows**\n\nRun `gate.exe`.",
        "**`-f FILE, --file=FILE`**\n\nReads from FILE.",
        "**`Gate.open(mode, *, force=False)`**\n\nOpens the gate.\n\n- **param mode:** how to open\n- **returns:** a handle",
        "**Deprecated since version** 3.2\nUse `Gate.lift`.",
        "The gate from above\n\nThe caption of the figure.",
        "$$\nE = m c^2\n$$",
        "**Footnotes**",
        "```python\ndef f():\n    return 1\n```",
        "- **Author:** nobody\n- **Version:** 7",
        "Quoted literal:\n\n```\n> first\n> second\n```",
        "[var](https://var.example.org) and [anon](https://anon.example.org).",
        "relay**\n\nA switch.",
        "**New in version** 2.1 The flag.",
        "Pro text stays.",
        "In a container.",
        "**Side title**\n\nSide text.",
        "A quote.",
        "### Level three",
        "## Usage again",
    ] {
        assert!(text.contains(part), "{part}\n---\n{text}");
    }
    for part in ["custom", "edition", "gate.png", "other.rst", "<b>", "async", "__"] {
        assert!(!text.contains(part), "{part}\n---\n{text}");
    }
    for (source, expected) in [
        (".. only:: html\n\n   Shown.", "Shown."),
        (".. only:: html and not latex\n   :class: x\n\n   Shown.", "Shown."),
        (".. rst-class:: big\n\nShown.", "Shown."),
        (".. class:: big-text\n\n   Shown.", "Shown."),
        (".. class:: Pool(size)\n\n   Shown.", "**`Pool(size)`**\n\nShown."),
        (
            ".. function:: a(x)\n              b(x, y)\n   :module: m\n\n   Shown.",
            "**`a(x)`**\n\n**`b(x, y)`**\n\nShown.",
        ),
        (".. note:: Text of\n   two lines.\n\n   More.", "**Note**\n\nText of\ntwo lines.\n\nMore."),
        (".. warning::\n   Run::\n\n      rm x", "**Warning**\n\nRun:\n\n```\nrm x\n```"),
        (".. admonition:: My title\n\n   Text.", "**My title**\n\nText."),
        (".. topic:: My title\n\n   Text.", "**My title**\n\nText."),
        (".. dropdown:: More\n   :open:\n\n   Text.", "**More**\n\nText."),
        (".. code-block:: sh\n   :caption: run.sh\n   :linenos:\n\n   run", "run.sh\n\n```sh\nrun\n```"),
        (
            ".. highlight:: sh\n\nSo::\n\n   run\n\n.. code-block::\n\n   go",
            "So:\n\n```sh\nrun\n```\n\n```sh\ngo\n```",
        ),
        ("..\n\nShown.", "Shown."),
        ("..\n   hidden\n\nShown.", "Shown."),
        (".. meta::\n   :description: How to run.\n   :property=x: y\n\nShown.", "How to run.\n\nShown."),
        (":orphan:\n:tocdepth: 2\n\nShown.", "Shown."),
        ("Above.\n\n----\n\nBelow.", "Above.\n\nBelow."),
        ("* item::\n\n      code\n\n  more", "* item:\n\n```\ncode\n```\n\n  more"),
        ("| One\n| Two", "One\nTwo"),
        ("term\n   Definition.", "**term**\n\nDefinition."),
    ] {
        assert_text(source, expected);
    }
}

#[test]
fn cells_of_list_and_csv_tables_are_whole() {
    assert_text(
        ".. list-table:: Title\n   :header-rows: 1\n\n   * - Name\n     - Text\n   * - ``a``\n     - First.\n\n       Second.\n   * - b\n     - - x\n       - y",
        "Title\n\n| Name | Text |\n| --- | --- |\n| `a` | First. Second. |\n| b | - x - y |",
    );
    assert_text(
        ".. csv-table:: Title\n   :header: \"One\", \"Two, three\"\n   :widths: 1 2\n\n   \"a, b\", c\n   \"two\n   lines\", \"a \"\"quote\"\"\"",
        "Title\n\n| One | Two, three |\n| --- | --- |\n| a, b | c |\n| two lines | a \"quote\" |",
    );
    assert_text(".. csv-table::\n   :delim: ;\n\n   a;b,c\n   d;e", "| a | b,c |\n| --- | --- |\n| d | e |");
}

#[test]
fn substitutions_are_expanded_and_addresses_kept() {
    assert_text(
        "Version |release| of |name|, |unknown|.\n\n.. |release| replace:: 4.2\n.. |name| replace:: the\n   product",
        "Version 4.2 of the product, unknown.",
    );
    assert_text(
        "See Site_, `my site`_, `that one`__ and `this <Site_>`_.\n\n.. _Site: https://a.org/x_y\n.. _my site: https://b.org\n__ https://c.org",
        "See [Site](https://a.org/x_y), [my site](https://b.org), [that one](https://c.org) and [this](https://a.org/x_y).",
    );
    assert_text(
        "One `a`__, two b__.\n\n.. __: https://a.org\n.. __: https://b.org",
        "One [a](https://a.org), two [b](https://b.org).",
    );
    assert_text(
        "A :sub:`2` and H\\ :sub:`2`\\ O; :math:`x^2`; :rfc:`2822`; :ref:`text <label>`",
        "A 2 and H_2O; $x^2$; RFC 2822; text",
    );
}

#[test]
fn a_label_and_an_overlined_title_make_any_text_rst() {
    let source = ".. _start:\n\n=====\nStart\n=====\n\nSee ``x``.\n";
    for name in ["start.rst.txt", "start.txt", "start", "start.md"] {
        let document = checked(name, source.as_bytes(), None).unwrap();
        assert_eq!((document.document_type, document.title.as_str()), (DocumentType::Rst, "Start"), "{name}");
        assert_eq!(document.text, "# Start\n\nSee `x`.\n", "{name}");
    }
}

#[test]
fn hostile_tables_and_definitions_take_bounded_time() {
    // The result may be an error, if the document has no text.
    let attempt = |source: &str| drop(checked("page.rst", source.as_bytes(), None));
    let corners = format!("{}\n", "+-".repeat(2000) + "+").repeat(300);
    attempt(&format!("x\n\n{corners}"));
    let wide = format!("{0}\n|{1}|\n{0}\n", "+".to_owned() + &"-+".repeat(20_000), " ".repeat(39_999));
    attempt(&format!("x\n\n{wide}"));
    attempt(&format!("x\n\n{}", ".. _a: b_\n.. _b: a_\na_ b_\n".repeat(5000)));
    attempt(&format!("x\n\n{}", ".. |a| replace:: |a| |a|\n|a|\n".repeat(5000)));
    attempt(&"|".repeat(50_000));
    attempt(&"`_<".repeat(50_000));
    attempt(&":a: ".repeat(50_000));
}
