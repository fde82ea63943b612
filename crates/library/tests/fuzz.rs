//! Fuzz tests of what libraries read from a request: versions, ranges, names, cursors.

use kernel::page::Cursor;
use library::label::{Label, VersionRequest, compare};
use library::names::{DocumentPath, LibraryName, Tag};

/// Calls a parser of texts.
fn texts(name: &str, examples: &[&str], mut parse: impl FnMut(&str)) {
    let examples: Vec<&[u8]> = examples.iter().map(|text| text.as_bytes()).collect();
    testkit::fuzz(name, &examples, |bytes| {
        if let Ok(text) = std::str::from_utf8(bytes) {
            parse(text);
        }
    });
}

#[test]
fn any_version_and_range_is_read_or_refused() {
    let present: Vec<Label> =
        ["4.9", "5.2.1", "v6.0.0-rc.1", "1:2.3-4~deb12", "main"].map(|text| text.parse().unwrap()).to_vec();
    let versions = [
        "5.2.1",
        "v6.0.0-rc.1+build.7",
        "1:2.3-4~deb12u1",
        "2024.10.1",
        "1.1.1w",
        "3.0.0.Final",
        "1!2.0.post1.dev3",
    ];
    texts("version", &versions, |text| {
        let Ok(label) = text.parse::<Label>() else { return };
        assert_eq!(label.as_str(), text);
        let (other, same) = (&present[0], label.clone());
        assert_eq!(compare(&label, other), compare(other, &label).reverse(), "{text}");
        assert!(compare(&label, &same).is_eq(), "{text}");
    });
    let ranges = [
        "^5.2",
        "~5.2 || >=6 <7",
        "[1.0,2.0),(3,]",
        "5.x",
        "~=2.2.post3",
        "!=1.*",
        "1.2 - 2",
        "latest",
        "===5",
    ];
    texts("range", &ranges, |text| {
        let Ok(request) = text.parse::<VersionRequest>() else { return };
        if let Some(chosen) = request.choose(&present) {
            assert!(present.contains(chosen));
        }
    });
}

#[test]
fn any_name_and_cursor_is_read_or_refused() {
    texts("path", &["guides/start.md", "a/../b", "接口/说明.md", "a//b"], |text| {
        if let Ok(path) = text.parse::<DocumentPath>() {
            assert!(path.as_str().split('/').all(|part| !["", ".", ".."].contains(&part)), "{text}");
        }
    });
    texts("library", &["vercel/next.js", "fastify", "../x"], |text| drop(text.parse::<LibraryName>()));
    texts("tag", &["ops", "数据库"], |text| drop(text.parse::<Tag>()));
    let cursor = Cursor::encode(&("接口", 7_u32)).to_string();
    texts("cursor", &[&cursor, "eyJhIjoxfQ", "!!"], |text| {
        if let Ok(cursor) = text.parse::<Cursor>() {
            drop(cursor.decode::<(String, u32)>());
            drop(cursor.decode::<(i64, uuid::Uuid)>());
        }
    });
}
