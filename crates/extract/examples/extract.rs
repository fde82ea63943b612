//! Extracts files and folders: `extract PATH…` prints one line of statistics for each path, `extract --show FILE` the
//! passages of a document, `extract --text FILE` its Markdown.
#![expect(clippy::print_stdout, reason = "a command writes to standard output")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use extract::model::{ExtractedDocument, Limits};

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((option, paths)) if option == "--show" || option == "--text" => {
            for path in paths {
                show(Path::new(path), option == "--text")?;
            }
        }
        _ => {
            for path in &arguments {
                measure(Path::new(path))?;
            }
        }
    }
    Ok(())
}

fn show(path: &Path, text_only: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let document = match read(path)? {
        Ok(document) => document,
        Err(error) => {
            writeln!(out, "{}: {error}", path.display())?;
            return Ok(());
        }
    };
    if text_only {
        writeln!(out, "{}", document.text)?;
        return Ok(());
    }
    writeln!(out, "{:?} «{}» {:?}", document.document_type, document.title, document.language)?;
    writeln!(out, "summary: {}\nwarnings: {:?}", document.summary, document.warnings)?;
    for passage in &document.passages {
        writeln!(
            out,
            "\n──── {:?} {:?} #{} lines {:?} {:?} {:?} {:?}\n{}",
            passage.content_type,
            passage.headings,
            passage.anchor.as_deref().unwrap_or("-"),
            passage.lines,
            passage.language,
            passage.keywords,
            passage.instruction,
            passage.content
        )?;
    }
    Ok(())
}

fn measure(path: &Path) -> std::io::Result<()> {
    let mut files = Vec::new();
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        if folder.is_file() {
            files.push(folder);
            continue;
        }
        for entry in std::fs::read_dir(folder)? {
            folders.push(entry?.path());
        }
    }
    files.sort();
    let (mut bytes, mut passages, mut failed, mut flagged) = (0, 0, 0, 0);
    let mut elapsed = Duration::ZERO;
    let mut widest = 0;
    for file in &files {
        let content = std::fs::read(file)?;
        bytes += content.len();
        let start = Instant::now();
        let result = extract::extract(&name(file), &content, None, &Limits::default());
        elapsed += start.elapsed();
        match result {
            Ok(document) => {
                passages += document.passages.len();
                for passage in &document.passages {
                    widest = widest.max(passage.content.chars().count());
                    if let Some(reason) = &passage.instruction {
                        flagged += 1;
                        println!("flagged {} {:?} {reason}", file.display(), passage.lines);
                    }
                }
            }
            Err(error) => {
                failed += 1;
                println!("failed {}: {error}", file.display());
            }
        }
    }
    println!(
        "{}: {} files, {failed} failed, {:.1} MB, {passages} passages, {flagged} flagged, widest {widest}, {:.3} s, {:.1} MB/s",
        path.display(),
        files.len(),
        megabytes(bytes),
        elapsed.as_secs_f64(),
        megabytes(bytes) / elapsed.as_secs_f64()
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "only one decimal place is shown")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

fn read(path: &Path) -> std::io::Result<Result<ExtractedDocument, extract::model::Error>> {
    let bytes = std::fs::read(path)?;
    Ok(extract::extract(&name(&PathBuf::from(path)), &bytes, None, &Limits::default()))
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
