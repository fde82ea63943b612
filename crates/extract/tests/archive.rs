//! Archives generated in memory: the files visited, the entries refused, and the errors that end the walk.

mod support;

use std::io::{Cursor, Read, Write};

use extract::archive::{ArchiveLimits, visit_files};
use extract::model::Error;
use flate2::Compression;
use flate2::write::GzEncoder;
use support::{Random, mutated, zip_of};

/// Returns the visited paths, each with its text or the reason why it was refused.
fn visited(bytes: &[u8], limits: &ArchiveLimits) -> Result<Vec<(String, String)>, Error> {
    let mut files = Vec::new();
    let count = visit_files(Cursor::new(bytes), limits, &mut |path, content| {
        let outcome = match content {
            Ok(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Err(error) => format!("! {error}"),
        };
        files.push((path.to_owned(), outcome));
        Ok(())
    })?;
    assert_eq!(count, files.len());
    Ok(files)
}

fn tar_gz(files: &[(&[u8], tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, kind, bytes) in files {
        let mut header = tar::Header::new_gnu();
        // `set_path` refuses the names that are tested here.
        header.as_gnu_mut().expect("a GNU header").name[..name.len()].copy_from_slice(name);
        header.set_size(bytes.len() as u64);
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *bytes).expect("an entry");
    }
    builder.into_inner().and_then(GzEncoder::finish).expect("an archive")
}

const FILE: tar::EntryType = tar::EntryType::Regular;

#[test]
fn files_are_visited_in_order_and_unsafe_paths_are_refused() {
    let bytes = zip_of(&[
        ("docs/a.md", b"# A"),
        ("./b.md", b"# B"),
        ("../c.md", b"# C"),
        ("/etc/passwd", b"root"),
        ("C:\\x.md", b"x"),
        ("win\\d.md", b"# D"),
        ("__MACOSX/._a.md", b"noise"),
    ]);
    let files = visited(&bytes, &ArchiveLimits::default()).expect("a zip");
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["docs/a.md", "b.md", "../c.md", "/etc/passwd", "C:\\x.md", "win/d.md"]);
    assert_eq!(files[0].1, "# A");
    assert_eq!(files[2].1, "! “../c.md” in the archive points outside the archive");
    assert_eq!(files[3].1, "! “/etc/passwd” in the archive has an absolute path");
    assert!(files[4].1.contains("absolute path"));
}

#[test]
fn tar_gz_is_read_and_links_are_refused() {
    let long = format!("deep/{}.md", "n".repeat(150));
    let bytes = tar_gz(&[
        (b"docs/", tar::EntryType::Directory, b""),
        (b"docs/a.md", FILE, b"# A"),
        (b"link.md", tar::EntryType::Symlink, b""),
        (b"../up.md", FILE, b"up"),
        (&[0xd6, 0xd0, b'.', b'm', b'd'], FILE, b"zhong"),
        (b"././@LongLink", tar::EntryType::GNULongName, long.as_bytes()),
        (b"cut", FILE, b"long"),
    ]);
    let files = visited(&bytes, &ArchiveLimits::default()).expect("a tar.gz");
    assert_eq!(files[0], ("docs/a.md".to_owned(), "# A".to_owned()));
    assert_eq!(files[1].1, "! “link.md” in the archive is a link");
    assert!(files[2].1.contains("points outside"));
    assert_eq!(files[3], ("中.md".to_owned(), "zhong".to_owned()));
    assert_eq!(files[4], (long, "long".to_owned()));
}

#[test]
fn archive_bombs_are_stopped_at_the_limits() {
    let zeros = vec![0_u8; 4 << 20];
    let limits = ArchiveLimits { entries: 10, entry_bytes: 1 << 20, total_bytes: 2 << 20 };
    let files =
        visited(&zip_of(&[("bomb", &zeros[..(2 << 20) - 1]), ("after", b"x")]), &limits).expect("a zip");
    assert!(files[0].1.contains("is too large"), "{files:?}");
    assert!(matches!(visited(&zip_of(&[("bomb", &zeros)]), &limits), Ok(_) | Err(Error::TooLarge { .. })));
    let parts: Vec<(&str, &[u8])> = (0..4).map(|_| ("part", &zeros[..(1 << 20) - 1])).collect();
    let bytes =
        tar_gz(&parts.iter().map(|(name, bytes)| (name.as_bytes(), FILE, *bytes)).collect::<Vec<_>>());
    assert!(matches!(
        visited(&bytes, &limits),
        Err(Error::TooLarge { unit: "decompressed bytes in an archive", .. })
    ));
    let names: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    assert_eq!(
        visited(&zip_of(&many), &limits),
        Err(Error::TooLarge { unit: "files in an archive", limit: 10 })
    );
}

/// Returns the end record of a zip archive: number of entries, length and start of the directory.
fn end_record(entries: u16, length: u32, start: u32) -> Vec<u8> {
    let (entries, length) = (entries.to_le_bytes(), length.to_le_bytes());
    [&b"PK\x05\x06\0\0\0\0"[..], &entries, &entries, &length, &start.to_le_bytes(), &[0, 0]].concat()
}

#[test]
fn a_zip_is_refused_by_its_end_record_before_it_is_opened() {
    let limits = ArchiveLimits { entries: 10, ..ArchiveLimits::default() };
    let too_many = Error::TooLarge { unit: "files in an archive", limit: 10 };
    let refusal = |bytes: &[u8]| {
        let mut seen = 0;
        let result = visit_files(Cursor::new(bytes), &limits, &mut |_, _| {
            seen += 1;
            Ok(())
        });
        assert_eq!(seen, 0);
        result.expect_err("a refusal")
    };
    let names: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"x".as_slice())).collect();
    assert_eq!(refusal(&zip_of(&many)), too_many);
    // Readers that doubt the last record take an earlier one.
    let two = [zip_of(&many), end_record(1, 46, 0)].concat();
    assert_eq!(refusal(&two), too_many);
    // Three million entries, by the record for large archives.
    let start = zip_of(&[("a", b"x")]);
    let start = &start[..start.len() - 22];
    let at = (start.len() as u64).to_le_bytes();
    let record = [
        &b"PK\x06\x06"[..],
        &44_u64.to_le_bytes(),
        &[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &3_000_000_u64.to_le_bytes(),
        &3_000_000_u64.to_le_bytes(),
        &138_000_000_u64.to_le_bytes(),
        &0_u64.to_le_bytes(),
    ];
    let locator = [&b"PK\x06\x07\0\0\0\0"[..], &at, &[1, 0, 0, 0]].concat();
    let large = [start, &record.concat(), &locator, &end_record(0xffff, u32::MAX, u32::MAX)].concat();
    assert_eq!(refusal(&large), too_many);
    let lost = [start, &locator, &end_record(0xffff, u32::MAX, u32::MAX)].concat();
    assert!(matches!(refusal(&lost), Error::Malformed { .. }));
    // A few entries with names, fields and comments of 65 MiB.
    let mut long = b"PK\x03\x04".to_vec();
    long.resize(65 << 20, 0);
    long.extend(end_record(5, 0, 4));
    assert_eq!(refusal(&long), too_many);
    assert!(matches!(refusal(b"PK\x03\x04"), Error::Malformed { .. }));
}

#[test]
fn an_error_of_the_visitor_ends_the_walk() {
    let bytes = zip_of(&[("a", b"1"), ("b", b"2")]);
    let mut seen = 0;
    let result = visit_files(Cursor::new(&bytes), &ArchiveLimits::default(), &mut |_, _| {
        seen += 1;
        Err(Error::Empty)
    });
    assert_eq!((result, seen), (Err(Error::Empty), 1));
}

#[test]
fn damaged_archives_are_errors_and_never_panic() {
    assert!(matches!(
        visited(b"plain text", &ArchiveLimits::default()),
        Err(Error::Malformed { format: "archive", .. })
    ));
    let text: Vec<u8> = (0..4000_u32).flat_map(|number| number.to_string().into_bytes()).collect();
    let zip = zip_of(&[("a.md", &text), ("b.md", b"short")]);
    let tar = tar_gz(&[(b"a.md", FILE, &text), (b"b.md", FILE, b"short")]);
    let limits = ArchiveLimits { entries: 100, entry_bytes: 1 << 20, total_bytes: 4 << 20 };
    let mut random = Random(7);
    for bytes in [&zip, &tar] {
        for end in (0..bytes.len()).step_by(53) {
            drop(visited(&bytes[..end], &limits));
        }
        for _ in 0..300 {
            drop(visited(&mutated(bytes, &mut random), &limits));
        }
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(tar.as_slice()).read_to_end(&mut plain).expect("a tar");
    assert_eq!(visited(&plain, &limits).expect("a tar").len(), 2);
    for _ in 0..300 {
        drop(visited(&mutated(&plain, &mut random), &limits));
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(b"not a tar").expect("bytes");
    drop(visited(&encoder.finish().expect("a gzip"), &limits));
}
