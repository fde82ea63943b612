//! Objects of a backup: those that the repository has already are not read again.
//!
//! An object is known by the list of an earlier backup to the same keys. One that a killed backup left is found by its name, which has
//! the hash of the stored file, and used if its bytes have that hash.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use futures::{StreamExt as _, TryStreamExt as _};
use store::objects::{Hash, Objects, Stored};

use super::PARALLEL;
use crate::Error;
use crate::keys::Recipients;
use crate::manifest::{ObjectEntry, Piece};
use crate::progress::{Progress, Step};
use crate::repository::Repository;

/// Objects that the repository has.
#[derive(Debug)]
pub(crate) struct Copied {
    entries: HashMap<String, Piece>,
    /// Files in folders that were listed, by object.
    left_over: HashMap<String, Vec<(String, u64)>>,
    /// Objects of the library whose bytes have another hash.
    damaged: BTreeSet<String>,
    /// Objects that were found missing and are in the repository now.
    added: BTreeMap<String, Piece>,
    folder: String,
}

/// Outcome for an object.
enum Outcome {
    InRepository(Piece),
    /// Gone by now, which happens to an upload that was taken back.
    Gone,
    Damaged,
}

/// Objects of one backup.
pub(crate) struct ObjectList(BTreeMap<String, Piece>);

impl Copied {
    /// Reads the list of the newest backup to the same keys.
    pub(crate) async fn load(repository: &Repository, recipients: &Recipients) -> Result<Self, Error> {
        let names = recipients.names();
        let mut entries = HashMap::new();
        // A damaged list costs disk space, as its objects are stored again; it does not keep a backup from being made.
        let manifests = repository.backups().await.unwrap_or_default();
        for manifest in manifests.iter().rev().filter(|manifest| manifest.recipients == names) {
            if let Ok(list) = repository.object_list(manifest).await {
                entries = list.into_iter().map(|entry| (entry.hash, entry.piece)).collect();
                break;
            }
        }
        let folder = format!("objects/{}", recipients.key_set());
        Ok(Self {
            entries,
            left_over: HashMap::new(),
            damaged: BTreeSet::new(),
            added: BTreeMap::new(),
            folder,
        })
    }

    /// Copies the objects that the repository has not, and returns the list of all that the library has now.
    pub(crate) async fn copy_new(
        &mut self,
        repository: &Repository,
        objects: &Objects,
        recipients: &Recipients,
        progress: &Progress,
    ) -> Result<ObjectList, Error> {
        let found: Vec<Stored> = objects.list().try_collect().await?;
        // One that is deleted and comes again counts as new: its file can have been removed from the repository meanwhile.
        let names: HashSet<String> = found.iter().map(|object| object.hash.to_string()).collect();
        self.entries.retain(|name, _| names.contains(name));
        let missing: Vec<Stored> = {
            let missing = found.iter().filter(|object| !self.entries.contains_key(&object.hash.to_string()));
            missing.copied().collect()
        };
        progress.begin(Step::Objects, missing.iter().map(|object| object.size).sum());
        self.list_left_over(repository, &missing).await?;
        let (left_over, folder) = (&self.left_over, &self.folder);
        let outcomes: Vec<(String, Outcome)> = futures::stream::iter(missing)
            .map(|object| async move {
                let name = object.hash.to_string();
                let folder = format!("{folder}/{}", &name[..2]);
                let known = left_over.get(&name).map(Vec::as_slice).unwrap_or_default();
                let outcome = match reuse(repository, &folder, object, known).await {
                    Some(piece) => Outcome::InRepository(piece),
                    None => copy(repository, objects, &folder, object.hash, recipients).await?,
                };
                progress.add(object.size);
                Ok::<_, Error>((name, outcome))
            })
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await?;
        for (name, outcome) in outcomes {
            match outcome {
                Outcome::InRepository(piece) => {
                    self.added.insert(name.clone(), piece.clone());
                    self.entries.insert(name, piece);
                }
                Outcome::Gone => {}
                Outcome::Damaged => {
                    if self.damaged.insert(name.clone()) {
                        tracing::error!(
                            object = name,
                            "an object of the library is damaged and is not in the backup"
                        );
                    }
                }
            }
        }
        let list = found.into_iter().filter_map(|object| {
            let name = object.hash.to_string();
            let piece = self.entries.get(&name)?.clone();
            Some((name, piece))
        });
        Ok(ObjectList(list.collect()))
    }

    /// Objects of the library that are damaged.
    pub(crate) fn damaged(&self) -> Vec<String> {
        self.damaged.iter().cloned().collect()
    }

    /// Objects that are in the repository since the list was loaded, or since [`forget_added`](Self::forget_added).
    pub(crate) fn added(&self) -> ObjectList {
        ObjectList(self.added.clone())
    }

    /// Forgets them, once they are listed elsewhere.
    pub(crate) fn forget_added(&mut self) {
        self.added.clear();
        self.left_over.clear();
    }

    /// Lists the folders in which a killed backup can have left these objects.
    async fn list_left_over(&mut self, repository: &Repository, missing: &[Stored]) -> Result<(), Error> {
        let mut prefixes: Vec<String> =
            missing.iter().map(|object| object.hash.to_string()[..2].to_owned()).collect();
        prefixes.sort();
        prefixes.dedup();
        for prefix in prefixes {
            for (name, digest, size) in repository.shared_in(&format!("{}/{prefix}", self.folder)).await? {
                self.left_over.entry(name).or_default().push((digest, size));
            }
        }
        Ok(())
    }
}

/// Returns the file of an object that is in the repository and whole.
async fn reuse(
    repository: &Repository,
    folder: &str,
    object: Stored,
    known: &[(String, u64)],
) -> Option<Piece> {
    for (digest, size) in known {
        let path = format!("{folder}/{}.{digest}", object.hash);
        let piece = Piece { path, size: *size, sha256: digest.clone(), plain_size: object.size };
        if repository.read_stored(&piece).await.is_ok() {
            return Some(piece);
        }
    }
    None
}

/// Copies an object.
async fn copy(
    repository: &Repository,
    objects: &Objects,
    folder: &str,
    hash: Hash,
    recipients: &Recipients,
) -> Result<Outcome, Error> {
    let bytes = match objects.get(hash).await {
        Ok(bytes) => bytes,
        Err(store::objects::Error::Absent(_)) => return Ok(Outcome::Gone),
        Err(error) => return Err(error.into()),
    };
    // One rotten file must not keep the library from being backed up, and must not be taken for a good one.
    if Hash::of(&bytes) != hash {
        return Ok(Outcome::Damaged);
    }
    Ok(Outcome::InRepository(repository.put_shared(folder, &hash.to_string(), bytes, recipients).await?))
}

impl ObjectList {
    pub(crate) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.values().map(|piece| piece.plain_size).sum()
    }

    /// Returns the list as lines of JSON.
    pub(crate) fn lines(&self) -> Result<Vec<u8>, Error> {
        let mut lines = Vec::new();
        for (hash, piece) in &self.0 {
            let entry = ObjectEntry { hash: hash.clone(), piece: piece.clone() };
            serde_json::to_writer(&mut lines, &entry).map_err(|error| Error::Failed(error.to_string()))?;
            lines.push(b'\n');
        }
        Ok(lines)
    }
}
