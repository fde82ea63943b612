//! Generated inputs, and a pseudo-random number generator that gives the same numbers on every machine.

#![allow(dead_code, reason = "each test binary uses a part of this module")]

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;

/// Generator xorshift64*: good enough for mutations.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("a remainder below a usize")
    }
}

/// Returns the bytes with a few of them changed, removed or duplicated.
pub(crate) fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    for _ in 0..=random.below(8) {
        let at = random.below(changed.len());
        match random.below(4) {
            0 => changed[at] = random.next().to_le_bytes()[0],
            1 => changed[at] ^= 1 << random.below(8),
            2 => {
                let end = (at + random.below(16)).min(changed.len());
                changed.drain(at..end);
            }
            _ => {
                let end = (at + random.below(32)).min(changed.len());
                let piece = changed[at..end].to_vec();
                changed.splice(at..at, piece);
            }
        }
        if changed.is_empty() {
            changed.push(0);
        }
    }
    changed
}

/// Returns a zip archive of these files.
pub(crate) fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, SimpleFileOptions::default()).expect("a zip entry");
        writer.write_all(bytes).expect("a zip entry's bytes");
    }
    writer.finish().expect("a zip archive").into_inner()
}

/// Text on a page: font (`F1` Helvetica, `F2` Helvetica-Bold, `F3` Courier), size, left edge, baseline, content.
pub(crate) type Piece<'a> = (&'a str, f32, f32, f32, &'a str);

/// Returns a PDF of these pages, with bookmarks of these titles if there are any.
pub(crate) fn pdf_of(pages: &[Vec<Piece<'_>>], bookmarks: &[&str]) -> Vec<u8> {
    let mut objects: Vec<String> = Vec::new();
    let fonts = "<< /F1 3 0 R /F2 4 0 R /F3 5 0 R >>";
    let first_page = 6;
    let kids: Vec<String> = (0..pages.len()).map(|page| format!("{} 0 R", first_page + page * 2)).collect();
    let outline_at = first_page + pages.len() * 2;
    let outlines = if bookmarks.is_empty() { String::new() } else { format!("/Outlines {outline_at} 0 R") };
    objects.push(format!("<< /Type /Catalog /Pages 2 0 R {outlines} >>"));
    objects.push(format!("<< /Type /Pages /Count {} /Kids [{}] >>", pages.len(), kids.join(" ")));
    for font in ["Helvetica", "Helvetica-Bold", "Courier"] {
        objects
            .push(format!("<< /Type /Font /Subtype /Type1 /BaseFont /{font} /Encoding /WinAnsiEncoding >>"));
    }
    for (number, page) in pages.iter().enumerate() {
        objects.push(format!(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {} 0 R /Resources << /Font {fonts} >> >>",
            first_page + number * 2 + 1
        ));
        let mut content = String::new();
        for (font, size, left, baseline, text) in page {
            let text = text.replace('\\', "\\\\").replace('(', "\\(").replace(')', "\\)");
            writeln!(content, "BT /{font} {size} Tf {left} {baseline} Td ({text}) Tj ET").expect("a string");
        }
        objects.push(format!("<< /Length {} >>\nstream\n{content}endstream", content.len()));
    }
    if !bookmarks.is_empty() {
        let last = outline_at + bookmarks.len();
        objects.push(format!("<< /Type /Outlines /First {} 0 R /Last {last} 0 R >>", outline_at + 1));
        for (number, title) in bookmarks.iter().enumerate() {
            let at = outline_at + 1 + number;
            let next = if at < last { format!("/Next {} 0 R", at + 1) } else { String::new() };
            objects.push(format!("<< /Title ({title}) /Parent {outline_at} 0 R {next} >>"));
        }
    }
    pdf_of_objects(&objects, "")
}

/// Returns a PDF file of these objects, the first of which is the catalog.
pub(crate) fn pdf_of_objects(objects: &[String], trailer: &str) -> Vec<u8> {
    let mut file = String::from("%PDF-1.4\n");
    let mut offsets = Vec::new();
    for (number, object) in objects.iter().enumerate() {
        offsets.push(file.len());
        writeln!(file, "{} 0 obj\n{object}\nendobj", number + 1).expect("a string");
    }
    let start = file.len();
    writeln!(file, "xref\n0 {}\n0000000000 65535 f ", objects.len() + 1).expect("a string");
    for offset in offsets {
        writeln!(file, "{offset:010} 00000 n ").expect("a string");
    }
    writeln!(
        file,
        "trailer\n<< /Size {} /Root 1 0 R {trailer} >>\nstartxref\n{start}\n%%EOF",
        objects.len() + 1
    )
    .expect("a string");
    file.into_bytes()
}
