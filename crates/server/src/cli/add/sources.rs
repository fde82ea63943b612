//! Where documents come from: files, folders as `git` sees them, archives, lists of files, standard input. Each file is found
//! alone, so that one that cannot be read fails alone.

mod list;

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use extract::llms_txt;
use extract::model::DocumentType;
use ignore::WalkBuilder;
use kernel::chain::Chain;
use library::unpack::{UnpackError, Unpacker, UnpackerConfig};
use tokio::sync::mpsc::Sender;

/// A file, or why there is none.
pub(super) enum SourceEvent {
    /// A file, and its type where its name says more than its content.
    File {
        path: String,
        bytes: Bytes,
        declared: Option<DocumentType>,
    },
    Failed {
        path: String,
        reason: String,
    },
    /// Part of a folder or archive that could not be listed, so that files in it are unknown.
    Incomplete {
        path: String,
        reason: String,
    },
    /// Skipped files, which are no failures.
    Skipped {
        path: String,
        reason: String,
    },
    /// Title and description from an llms.txt.
    About {
        title: Option<String>,
        summary: Option<String>,
    },
    /// Paths in the order of an llms.txt.
    Order(Vec<String>),
}

/// Finds everything under these paths, and sends it. Stops when nobody listens any more.
pub(super) fn find(
    paths: &[PathBuf],
    name: &str,
    limit: usize,
    unpacking: &UnpackerConfig,
    found: &Sender<SourceEvent>,
) {
    for path in paths {
        let listening = if path == Path::new("-") {
            send(found, name, read(std::io::stdin().lock(), limit))
        } else if path.is_dir() {
            folder(path, limit, found)
        } else if is_archive(path) {
            from_archive(path, unpacking, found)
        } else {
            let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
            if llms_txt::is_llms_txt(&name) {
                list::follow(path, limit, found).is_some()
            } else {
                send(found, &name, open(path, limit))
            }
        };
        if !listening {
            return;
        }
    }
}

/// A folder, recursively: what `.gitignore` names and hidden files are left out, and links are not followed, so
/// nothing outside the folder gets in. Where a list of files stands at its top, those come first.
fn folder(root: &Path, limit: usize, found: &Sender<SourceEvent>) -> bool {
    let list = root.join("llms.txt");
    let mut named = HashSet::new();
    if list.is_file() {
        match list::follow(&list, limit, found) {
            Some(followed) => named = followed,
            None => return false,
        }
    }
    let has_list = !named.is_empty();
    let is_of_list = |path: &str| {
        named.contains(path)
            || (list.is_file() && llms_txt::is_llms_txt(path))
            || (has_list && llms_txt::is_llms_full_txt(path))
    };
    let walk =
        WalkBuilder::new(root).require_git(false).follow_links(false).sort_by_file_name(Ord::cmp).build();
    for entry in walk {
        let listening = match entry {
            // Gone since its folder was listed.
            Err(error) if error.io_error().is_some_and(is_gone) => true,
            Err(error) => incomplete(found, &root.display().to_string(), error.to_string()),
            Ok(entry) => {
                let path = relative(entry.path(), root);
                match entry.file_type() {
                    _ if is_of_list(&path) => true,
                    Some(kind) if kind.is_file() => match File::open(entry.path()) {
                        Err(error) if is_gone(&error) => true,
                        Err(error) => send(found, &path, Err(error.to_string())),
                        Ok(file) => send(found, &path, read(file, limit)),
                    },
                    Some(kind) if kind.is_symlink() => send(
                        found,
                        &path,
                        Err("a symbolic link: links are not followed, add what it leads to".to_owned()),
                    ),
                    _ => true,
                }
            }
        };
        if !listening {
            return false;
        }
    }
    true
}

fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

fn incomplete(found: &Sender<SourceEvent>, path: &str, reason: String) -> bool {
    found.blocking_send(SourceEvent::Incomplete { path: path.to_owned(), reason }).is_ok()
}

/// Whether a file is named as an archive.
pub(super) fn is_archive(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    [".zip", ".tar.gz", ".tgz", ".tar"].iter().any(|ending| name.ends_with(ending))
}

fn from_archive(path: &Path, unpacking: &UnpackerConfig, found: &Sender<SourceEvent>) -> bool {
    let shown = path.display().to_string();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return incomplete(found, &shown, error.to_string()),
    };
    // This is a blocking thread, and the child's pipe is the runtime's.
    let runtime = tokio::runtime::Handle::current();
    let failed = |error: UnpackError| incomplete(found, &shown, Chain(&error).to_string());
    let mut unpacker = match Unpacker::start(unpacking, file) {
        Ok(unpacker) => unpacker,
        Err(error) => return failed(error),
    };
    loop {
        match runtime.block_on(unpacker.next()) {
            Ok(Some(file)) => {
                if !send(found, &file.path, file.content) {
                    return false;
                }
            }
            Ok(None) => return true,
            Err(error) => return failed(error),
        }
    }
}

fn open(path: &Path, limit: usize) -> Result<Bytes, String> {
    read(File::open(path).map_err(|error| error.to_string())?, limit)
}

fn read(source: impl Read, limit: usize) -> Result<Bytes, String> {
    let mut bytes = Vec::new();
    source.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() > limit {
        return Err(format!("larger than the limit of {} MiB (--max-document-mib)", limit >> 20));
    }
    Ok(bytes.into())
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned()
}

/// Sends a file or its failure; says whether anybody listens.
fn send(found: &Sender<SourceEvent>, path: &str, bytes: Result<Bytes, String>) -> bool {
    let found_one = match bytes {
        Ok(bytes) => {
            let name = path.rsplit('/').next().unwrap_or(path);
            if let Some(reason) = extract::why_no_document(name, &bytes) {
                return found.blocking_send(SourceEvent::Skipped { path: path.to_owned(), reason }).is_ok();
            }
            let declared = llms_txt::is_llms_full_txt(name).then_some(DocumentType::Markdown);
            SourceEvent::File { path: path.to_owned(), bytes, declared }
        }
        Err(reason) => SourceEvent::Failed { path: path.to_owned(), reason },
    };
    found.blocking_send(found_one).is_ok()
}
