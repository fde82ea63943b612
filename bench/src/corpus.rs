//! Corpus: sets of documents, and questions of which the right document is known.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use extract::model::{ContentType, Limits, Passage};

/// Names of the sets; each becomes a library.
pub(crate) const SETS: [&str; 9] = [
    "html-postgresql",
    "html-javadoc",
    "html-debref-zh",
    "md-fastify",
    "md-npm",
    "txt-man-zh",
    "pdf",
    "docx",
    "openapi",
];

/// Sets that are small enough to embed completely in a measurement.
pub(crate) const SMALL_SETS: [&str; 3] = ["md-fastify", "md-npm", "html-debref-zh"];

/// A document: its path in the library and its file.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    pub(crate) path: String,
    pub(crate) file: PathBuf,
    pub(crate) bytes: usize,
}

/// A corpus in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Corpus {
    folder: PathBuf,
}

/// A query and the document that must be found.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) text: String,
    pub(crate) library: String,
    pub(crate) path: String,
    pub(crate) is_chinese: bool,
    pub(crate) is_heading: bool,
}

impl Corpus {
    /// Opens the corpus in a folder, as `bench/corpus.sh` creates it.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        let corpus = Self { folder: folder.to_owned() };
        for set in SETS {
            let exists = corpus.set_folder(set).is_dir();
            ensure!(
                exists,
                "the corpus has no set {set}; create it with bench/corpus.sh {}",
                folder.display()
            );
        }
        Ok(corpus)
    }

    pub(crate) fn set_folder(&self, set: &str) -> PathBuf {
        self.folder.join("files").join(set)
    }

    /// Returns the documents of a set, sorted by path.
    pub(crate) fn documents(&self, set: &str) -> anyhow::Result<Vec<Document>> {
        let root = self.set_folder(set);
        let mut documents = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    folders.push(entry.path());
                    continue;
                }
                let file = entry.path();
                let path = file.strip_prefix(&root)?.to_string_lossy().into_owned();
                documents.push(Document { path, bytes: usize::try_from(entry.metadata()?.len())?, file });
            }
        }
        documents.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(documents)
    }

    /// Returns the hash of the manifest, which distinguishes runs on different corpora.
    pub(crate) fn fingerprint(&self) -> String {
        use sha2::Digest as _;
        match std::fs::read(self.folder.join("manifest.tsv")) {
            Ok(manifest) => format!("manifest {}", &hex::encode(sha2::Sha256::digest(manifest))[..12]),
            Err(_) => "without a manifest".to_owned(),
        }
    }

    /// Returns the passages of a set, each with the path of its document.
    pub(crate) fn passages(&self, set: &str) -> anyhow::Result<Vec<(String, Passage)>> {
        let mut passages = Vec::new();
        for document in self.documents(set)? {
            let bytes = std::fs::read(&document.file)?;
            if let Ok(extracted) = extract::extract(&document.path, &bytes, None, &Limits::default()) {
                passages
                    .extend(extracted.passages.into_iter().map(|passage| (document.path.clone(), passage)));
            }
        }
        Ok(passages)
    }

    /// Returns up to `per_kind` questions of each kind (headings, first sentences) from a set.
    ///
    /// Only texts that occur in a single document; always the same ones.
    pub(crate) fn questions(&self, set: &str, per_kind: usize) -> anyhow::Result<Vec<Question>> {
        let passages = self.passages(set)?;
        let mut questions = Vec::new();
        for (is_heading, text_of) in [(true, heading as fn(&Passage) -> Option<String>), (false, sentence)] {
            let mut paths: HashMap<String, HashSet<&str>> = HashMap::new();
            for (path, passage) in &passages {
                if let Some(text) = text_of(passage).filter(|text| is_long_enough(text)) {
                    paths.entry(text).or_default().insert(path);
                }
            }
            let mut known: Vec<Question> = paths
                .into_iter()
                .filter(|(_, paths)| paths.len() == 1)
                .filter_map(|(text, paths)| {
                    let path = (*paths.iter().next()?).to_owned();
                    let is_chinese = text.chars().any(is_han);
                    Some(Question { text, library: set.to_owned(), path, is_chinese, is_heading })
                })
                .collect();
            known.sort_by(|left, right| left.text.cmp(&right.text));
            shuffle(&mut known);
            known.truncate(per_kind);
            questions.append(&mut known);
        }
        shuffle(&mut questions);
        Ok(questions)
    }
}

/// Shuffles the items (Fisher–Yates with `SplitMix64` and a fixed seed): always the same order.
pub(crate) fn shuffle<T>(items: &mut [T]) {
    let mut state: u64 = 20_261_122;
    for end in (1..items.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let chosen = (mixed ^ (mixed >> 31)) % (end as u64 + 1);
        items.swap(end, usize::try_from(chosen).unwrap_or(end));
    }
}

/// Returns the innermost heading without its number: `F.32. pg_stat_statements` gives `pg_stat_statements`.
fn heading(passage: &Passage) -> Option<String> {
    let heading = passage.headings.last()?;
    let is_number = |word: &str| word.ends_with('.') && word.len() <= 8;
    // Quotation marks would make a phrase query.
    let heading = heading.replace('"', "");
    let words: Vec<&str> = heading.split_whitespace().skip_while(|word| is_number(word)).collect();
    Some(words.join(" "))
}

/// Returns the first sentence of prose, without markup and truncated to the length of a question.
fn sentence(passage: &Passage) -> Option<String> {
    if passage.content_type != ContentType::Text {
        return None;
    }
    let is_prose = |line: &&str| line.starts_with(|first: char| first.is_alphabetic());
    let line = passage.content.lines().map(str::trim).find(is_prose)?;
    let plain: String = line.chars().filter(|character| !"*_`[]#\"".contains(*character)).collect();
    let end = plain.find(". ").or_else(|| plain.find('。')).unwrap_or(plain.len());
    let words: Vec<&str> = plain[..end].split_whitespace().take(12).collect();
    Some(words.join(" ").chars().take(80).collect())
}

/// Whether a text has at least four Chinese characters or three words.
fn is_long_enough(text: &str) -> bool {
    text.chars().filter(|character| is_han(*character)).count() >= 4 || text.split(' ').count() >= 3
}

fn is_han(character: char) -> bool {
    matches!(character, '\u{4e00}'..='\u{9fff}')
}
