//! A list of files (`llms.txt`) as a source: the local files that it names are followed, within its folder and no further.
//! Nothing is fetched from elsewhere.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use extract::llms_txt;
use percent_encoding::percent_decode_str;
use tokio::sync::mpsc::Sender;

use super::{SourceEvent, open, send};

/// Where a link leads.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// To a file below the list's folder.
    Local(String),
    /// To another place.
    Remote,
    /// Into the list itself, or to no document (`mailto:`).
    None,
    /// Out of the folder, or nowhere.
    Refused(&'static str),
}

/// Sends what a list names and says which paths these are; `None` when nobody listens any more.
pub(super) fn follow(path: &Path, limit: usize, found: &Sender<SourceEvent>) -> Option<HashSet<String>> {
    let (mut sent, mut order) = (HashSet::new(), Vec::new());
    let shown = path.display().to_string();
    let bytes = match open(path, limit) {
        Ok(bytes) => bytes,
        Err(reason) => return send(found, &shown, Err(reason)).then_some(sent),
    };
    let list = llms_txt::parse(&String::from_utf8_lossy(&bytes));
    let about = SourceEvent::About { title: list.title, summary: list.summary };
    found.blocking_send(about).ok()?;
    let root = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for link in list.links {
        let listening = match target(&link) {
            Target::None => true,
            Target::Remote => {
                let reason = "a link to another place, which is not fetched".to_owned();
                found.blocking_send(SourceEvent::Skipped { path: link, reason }).is_ok()
            }
            Target::Refused(why) => send(found, &link, Err(format!("{why} ({shown})"))),
            Target::Local(local) => match locate(root, &local) {
                // A second link to it, or to another part of it.
                Ok((name, _)) if sent.contains(&name) => true,
                Ok((name, file)) => {
                    let listening = send(found, &name, open(&file, limit));
                    order.push(name.clone());
                    sent.insert(name);
                    listening
                }
                Err(why) => send(found, &link, Err(format!("{why} ({shown})"))),
            },
        };
        if !listening {
            return None;
        }
    }
    found.blocking_send(SourceEvent::Order(order)).ok()?;
    Some(sent)
}

/// Resolves a link of the list. A path from the root of the site is relative to the list, which is at that root.
fn target(link: &str) -> Target {
    let scheme = link.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|character| character.is_ascii_alphanumeric() || "+-.".contains(character))
    });
    match scheme.map(str::to_ascii_lowercase).as_deref() {
        Some("http" | "https" | "ftp") => return Target::Remote,
        Some("file") => return Target::Refused("the link names a file of a machine: write a relative one"),
        Some(_) => return Target::None,
        None if link.starts_with("//") => return Target::Remote,
        None => {}
    }
    let path = link.split(['#', '?']).next().unwrap_or_default();
    let Ok(path) = percent_decode_str(path).decode_utf8() else {
        return Target::Refused("the link is no text in UTF-8");
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Target::Refused("the link leads out of the list's folder");
                }
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() { Target::None } else { Target::Local(parts.join("/")) }
}

/// The file that a path below the folder names, itself or with the `.md` that its Markdown has beside a page.
fn locate(root: &Path, path: &str) -> Result<(String, PathBuf), &'static str> {
    let real_root = root.canonicalize().map_err(|_gone| "the folder cannot be read")?;
    for name in [path.to_owned(), format!("{path}.md")] {
        let file = real_root.join(&name);
        match file.canonicalize() {
            Ok(real) if real != file => {
                return Err("the link leads through a symbolic link, which is not followed");
            }
            Ok(real) if real.is_file() => return Ok((name, real)),
            _ => {}
        }
    }
    Err("the link leads nowhere")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_below_the_list_or_nowhere() {
        let local = |path: &str| Target::Local(path.to_owned());
        for (link, expected) in [
            ("a/b.md", local("a/b.md")),
            ("./a/../b%20c.md#part", local("b c.md")),
            ("/a.md?x=1", local("a.md")),
            ("a%3Ab.md", local("a:b.md")),
            ("https://x.example/a.md", Target::Remote),
            ("//x.example/a.md", Target::Remote),
            ("mailto:a@x.example", Target::None),
            ("#part", Target::None),
            ("./", Target::None),
        ] {
            assert_eq!(target(link), expected, "{link}");
        }
        for link in ["../a.md", "a/../../b", "%2e%2e/a", "/..", "..\\a", "file:///etc/passwd", "%ff"] {
            assert!(matches!(target(link), Target::Refused(_)), "{link}");
        }
    }
}
