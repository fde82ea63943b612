//! The configuration file, `wenyuan.toml`: where it is looked for, and its values with their lines.
//!
//! The file holds a table per group of settings. Its values become defaults of the command line's arguments, so that flags
//! and environment variables win and one parser reads all of them (see [`super::load()`]). `toml` is used for its spans:
//! each problem names a line and a column.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::definition::{Definition, Kind};
use super::load::Problem;

/// Looked at last when no file is named.
const SYSTEM_FILE: &str = "/etc/wenyuan/wenyuan.toml";
/// Below this similarity (0 to 1) no key is suggested.
const MIN_SIMILARITY: f64 = 0.75;

/// A configuration file that was read.
#[derive(Debug)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    /// Valid values by the key of their setting.
    pub(super) values: BTreeMap<String, FileValue>,
    pub(super) problems: Vec<Problem>,
}

/// A value in the configuration file.
#[derive(Debug)]
pub(super) struct FileValue {
    /// Several for a list only.
    pub(super) values: Vec<OsString>,
    /// Line of its key, from 1.
    pub(super) line: usize,
}

/// Finds the configuration file: the one that is named, otherwise the first that exists of `wenyuan.toml` in
/// the user's
/// configuration directory and in `/etc/wenyuan`. The data directory is not searched: the file can set it.
pub(super) fn find(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = named.filter(|path| !path.as_os_str().is_empty()) {
        return Some(path.to_owned());
    }
    let of_user = directories::ProjectDirs::from("", "", "wenyuan")
        .map(|directories| directories.config_dir().join("wenyuan.toml"));
    of_user.into_iter().chain([PathBuf::from(SYSTEM_FILE)]).find(|path| {
        // A file that exists and cannot be read is a problem, not an absent file.
        !matches!(path.metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
    })
}

/// Reads a configuration file. A file that cannot be read or parsed yields problems and no values.
pub(super) fn read(path: PathBuf, definitions: &[Definition<'_>]) -> ConfigFile {
    let text = std::fs::read_to_string(&path);
    let mut file = ConfigFile { path, values: BTreeMap::new(), problems: Vec::new() };
    match text {
        Ok(text) => {
            let mut reader = Reader { text: &text, definitions, file: &mut file, problems: Vec::new() };
            reader.read();
            // The table is sorted by key; people read from the top.
            let mut problems = reader.problems;
            problems.sort_by_key(|(start, _)| *start);
            file.problems.extend(problems.into_iter().map(|(_, problem)| problem));
        }
        Err(error) => {
            let message = format!("failed to read the configuration file: {error}");
            file.problems.push(Problem { location: file.path.display().to_string(), message });
        }
    }
    file
}

struct Reader<'read> {
    text: &'read str,
    definitions: &'read [Definition<'read>],
    file: &'read mut ConfigFile,
    /// Each with the offset of its beginning.
    problems: Vec<(usize, Problem)>,
}

impl Reader<'_> {
    fn read(&mut self) {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.add(error.span().unwrap_or_default(), error.message().to_owned());
        }
        for (section, item) in root.get_ref() {
            let is_section =
                self.definitions.iter().any(|definition| definition.section() == section.get_ref());
            match item.get_ref() {
                DeValue::Table(table) if is_section => {
                    for (name, value) in table {
                        self.setting(&format!("{}.{}", section.get_ref(), name.get_ref()), name, value);
                    }
                }
                DeValue::Table(table) => {
                    // Each key is told where it belongs.
                    if table.is_empty() {
                        self.unknown(section.get_ref(), section.span());
                    }
                    for name in table.keys() {
                        self.unknown(&format!("{}.{}", section.get_ref(), name.get_ref()), name.span());
                    }
                }
                _ => self.unknown(section.get_ref(), section.span()),
            }
        }
    }

    fn setting(&mut self, key: &str, name: &Spanned<impl AsRef<str>>, value: &Spanned<DeValue<'_>>) {
        let Some(definition) = self.definitions.iter().copied().find(|definition| definition.key() == key)
        else {
            return self.unknown(key, name.span());
        };
        let Some(values) = values(definition.kind(), value.get_ref(), self.directory()) else {
            let found = value.get_ref().type_str();
            let message = format!("`{key}` is {}, not {found}", definition.kind().example());
            return self.add(value.span(), message);
        };
        if values.iter().all(|value| value.is_empty()) {
            return;
        }
        for value_text in &values {
            if let Err(message) = definition.check(value_text) {
                return self.add(value.span(), format!("`{key}`: {message}"));
            }
        }
        let (line, _) = position(self.text, name.span());
        self.file.values.insert(key.to_owned(), FileValue { values, line });
    }

    fn directory(&self) -> &Path {
        self.file.path.parent().unwrap_or(Path::new(""))
    }

    fn unknown(&mut self, key: &str, span: Range<usize>) {
        let message = match nearest(key, self.definitions) {
            Some(near) => format!("unknown key `{key}`: did you mean `{near}`?"),
            None => format!("unknown key `{key}`: `wenyuan config template` lists all keys"),
        };
        self.add(span, message);
    }

    fn add(&mut self, span: Range<usize>, message: String) {
        let start = span.start;
        let (line, column) = position(self.text, span);
        let location = format!("{}:{line}:{column}", self.file.path.display());
        self.problems.push((start, Problem { location, message }));
    }
}

/// Reads a value as text for the argument's parser; `None` if its type is wrong.
fn values(kind: Kind, value: &DeValue<'_>, directory: &Path) -> Option<Vec<OsString>> {
    let digits = |text: &str| vec![OsString::from(text.replace('_', ""))];
    match (kind, value) {
        // As an empty variable, it sets nothing.
        (_, DeValue::String(value)) if value.is_empty() => Some(Vec::new()),
        (Kind::Boolean, DeValue::Boolean(value)) => Some(vec![value.to_string().into()]),
        (Kind::Integer | Kind::Float, DeValue::Integer(value)) => {
            let number = i128::from_str_radix(&value.as_str().replace('_', ""), value.radix()).ok()?;
            Some(vec![number.to_string().into()])
        }
        (Kind::Float, DeValue::Float(value)) => Some(digits(value.as_str())),
        (Kind::Text | Kind::Choice, DeValue::String(value)) => Some(vec![value.as_ref().into()]),
        (Kind::Path, DeValue::String(value)) => Some(vec![directory.join(value.as_ref()).into()]),
        (Kind::List, DeValue::Array(items)) => {
            items.iter().map(|item| item.get_ref().as_str().map(OsString::from)).collect()
        }
        _ => None,
    }
}

/// Line and column of the beginning of a span, from 1.
fn position(text: &str, span: Range<usize>) -> (usize, usize) {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Finds the key most similar to an unknown one, which can also be a key without its section, a flag or a
/// variable.
pub(super) fn nearest<'definition>(
    unknown: &str,
    definitions: &[Definition<'definition>],
) -> Option<&'definition str> {
    let plain = |text: &str| text.to_lowercase().trim_start_matches('-').replace('-', "_");
    let unknown = plain(unknown);
    let (section, name) = unknown.rsplit_once('.').unwrap_or(("", &unknown));
    let similarity = |definition: &Definition<'_>| {
        let (flag, variable) = (plain(&definition.flag()), plain(&definition.variable()));
        let known = [definition.name(), &flag, &variable, variable.trim_start_matches("wenyuan_")];
        let of_name = known.into_iter().map(|known| strsim::jaro_winkler(name, known)).fold(0.0, f64::max);
        // Sections have few keys, and several may have the same.
        let of_section = strsim::jaro_winkler(section, definition.section());
        if of_name < MIN_SIMILARITY { 0.0 } else { of_name + of_section / 4.0 }
    };
    let scored = definitions.iter().map(|definition| (similarity(definition), definition.key()));
    let best = scored.fold((0.0, ""), |best, next| if next.0 > best.0 { next } else { best });
    (best.0 >= MIN_SIMILARITY).then_some(best.1)
}

/// Whether others than the owner and the group can read a file.
pub(super) fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o004 != 0)
}
