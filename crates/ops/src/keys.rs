//! Keys of backups: X25519 keys of the [age](https://age-encryption.org/v1) format.
//!
//! A backup is encrypted to one or several public keys (`age1…`). The running server has these alone, in `backup-keys.json` of its data
//! folder, and cannot read what it wrote. The secret key (`AGE-SECRET-KEY-1…`) is shown once, in the [recovery kit](recovery_kit), and
//! is stored nowhere by this program. It is read from a file or from standard input, never from a command line.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use age::secrecy::ExposeSecret as _;
use age::x25519;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::Error;

/// Name of the file with the public keys, in the data folder.
const FILE: &str = "backup-keys.json";
/// Beginning of a line with a secret key.
const SECRET_PREFIX: &str = "AGE-SECRET-KEY-1";

/// Public keys that a backup is encrypted to; none for a backup that is not encrypted.
#[derive(Clone, Default)]
pub struct Recipients(Vec<x25519::Recipient>);

impl Recipients {
    /// No encryption.
    pub fn none() -> Self {
        Self::default()
    }

    /// Reads public keys.
    ///
    /// # Errors
    ///
    /// Fails when one is none.
    pub fn parse<'text>(keys: impl IntoIterator<Item = &'text str>) -> Result<Self, Error> {
        let keys = keys.into_iter();
        let parsed = keys.map(|key| {
            x25519::Recipient::from_str(key).map_err(|_invalid| Error::BadRecipient(key.to_owned()))
        });
        Ok(Self(parsed.collect::<Result<_, _>>()?))
    }

    /// Whether backups are not encrypted.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the public keys, sorted.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        names.sort();
        names.dedup();
        names
    }

    /// Returns the folder name of pieces that are shared by all backups to these keys: what is encrypted to other keys cannot be
    /// shared, because its reader may not have them.
    pub(crate) fn key_set(&self) -> String {
        if self.is_none() {
            return "plain".to_owned();
        }
        hex::encode(&Sha256::digest(self.names().join("\n"))[..8])
    }

    /// Returns them for the encryptor.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn age::Recipient> {
        self.0.iter().map(|recipient| recipient as &dyn age::Recipient)
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.names().fmt(formatter)
    }
}

/// Secret keys that open backups. They are not printed.
#[derive(Clone)]
pub struct Identity(Vec<x25519::Identity>);

impl Identity {
    /// Reads the secret keys in a text: every line that starts with `AGE-SECRET-KEY-1`, indented or not, so that a whole recovery kit
    /// can be given. `name` names the text in the error.
    ///
    /// # Errors
    ///
    /// Fails when there is none.
    pub fn parse(text: &str, name: &str) -> Result<Self, Error> {
        let lines = text.lines().map(str::trim).filter(|line| line.starts_with(SECRET_PREFIX));
        let keys: Vec<x25519::Identity> =
            lines.filter_map(|line| x25519::Identity::from_str(line).ok()).collect();
        if keys.is_empty() { Err(Error::BadKey(name.to_owned())) } else { Ok(Self(keys)) }
    }

    /// Returns the public keys that belong to these.
    pub fn public_keys(&self) -> Vec<String> {
        self.0.iter().map(|key| key.to_public().to_string()).collect()
    }

    /// Whether one of these opens what is encrypted to `recipients`.
    pub fn opens(&self, recipients: &[String]) -> bool {
        self.public_keys().iter().any(|key| recipients.contains(key))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &dyn age::Identity> {
        self.0.iter().map(|identity| identity as &dyn age::Identity)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Identity(…)")
    }
}

/// New pair of keys.
pub struct NewKey {
    /// Secret key, to be shown once.
    pub secret: Zeroizing<String>,
    /// Public key.
    pub public: String,
}

impl NewKey {
    /// Creates a pair.
    pub fn generate() -> Self {
        let identity = x25519::Identity::generate();
        let secret = Zeroizing::new(identity.to_string().expose_secret().to_owned());
        Self { secret, public: identity.to_public().to_string() }
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NewKey({})", self.public)
    }
}

/// Public key of this installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledKey {
    /// Public key.
    pub recipient: String,
    /// Whether somebody has shown to this installation that they have the secret key.
    pub confirmed: bool,
}

/// Public keys of an installation, in a file of its data folder.
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
}

impl KeyFile {
    /// Names the file in a data folder. It need not exist.
    pub fn in_data(data: &Path) -> Self {
        Self { path: data.join(FILE) }
    }

    /// Reads the keys; none if there is no file.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read.
    pub fn read(&self) -> Result<Vec<InstalledKey>, Error> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::Io { path: self.path.clone(), source }),
        };
        serde_json::from_str(&text)
            .map_err(|error| Error::Io { path: self.path.clone(), source: std::io::Error::other(error) })
    }

    /// Returns the keys to encrypt to.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read.
    pub fn recipients(&self) -> Result<Recipients, Error> {
        let keys = self.read()?;
        Recipients::parse(keys.iter().map(|key| key.recipient.as_str()))
    }

    /// Adds a public key. One that is there stays as it is.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read or written, or when this is no public key.
    pub fn add(&self, recipient: &str) -> Result<(), Error> {
        Recipients::parse([recipient])?;
        let mut keys = self.read()?;
        if keys.iter().all(|key| key.recipient != recipient) {
            keys.push(InstalledKey { recipient: recipient.to_owned(), confirmed: false });
        }
        self.write(&keys)
    }

    /// Removes a public key: later backups are not encrypted to it. Returns whether it was there.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read or written.
    pub fn remove(&self, recipient: &str) -> Result<bool, Error> {
        let keys = self.read()?;
        let left: Vec<InstalledKey> = keys.iter().filter(|key| key.recipient != recipient).cloned().collect();
        self.write(&left)?;
        Ok(left.len() < keys.len())
    }

    /// Marks the public keys of these secret ones as confirmed, and returns them; empty if none is of this installation.
    ///
    /// # Errors
    ///
    /// Fails when the file cannot be read or written.
    pub fn confirm(&self, identity: &Identity) -> Result<Vec<String>, Error> {
        let shown = identity.public_keys();
        let mut keys = self.read()?;
        let mut confirmed = Vec::new();
        for key in keys.iter_mut().filter(|key| shown.contains(&key.recipient)) {
            key.confirmed = true;
            confirmed.push(key.recipient.clone());
        }
        self.write(&keys)?;
        Ok(confirmed)
    }

    /// Replaces the file in one step.
    fn write(&self, keys: &[InstalledKey]) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(keys).map_err(|error| Error::Failed(error.to_string()))?;
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io(folder))?;
        }
        let unfinished = self.path.with_extension("unfinished");
        std::fs::write(&unfinished, text).map_err(Error::io(&unfinished))?;
        std::fs::rename(&unfinished, &self.path).map_err(Error::io(&self.path))
    }
}

/// Returns the page to print and put away: what it is, the key, and the commands that restore a library on an empty machine.
pub fn recovery_kit(key: &NewKey, program_version: &str, repository: Option<&Path>) -> Zeroizing<String> {
    let repository = repository.map_or_else(|| "REPOSITORY".to_owned(), |path| path.display().to_string());
    Zeroizing::new(format!(
        "\
RECOVERY KIT of a Wenyuan library (wenyuan {program_version})
=============================================================

Print this page, or copy it to a password manager, and keep it apart from the backups and from the server.
Without this key nobody can restore the encrypted backups. Whoever has it and the backups can read the whole library.

Secret key:

    {secret}

Public key (the server encrypts to it):

    {public}

Backups:

    {repository}

To restore on an empty machine:

 1. Install wenyuan {program_version} or a later release (README.md, Installation).
 2. Make the folder of the backups available: mount the disk, or copy it.
 3. Type the secret key into a file that only you can read, one line:   umask 077; cat > recovery.key
 4. See what would be restored:
        wenyuan restore --from {repository} --key-file recovery.key --data-dir /var/lib/wenyuan --dry-run
 5. Restore, and start the server:
        wenyuan restore --from {repository} --key-file recovery.key --data-dir /var/lib/wenyuan
        wenyuan serve
 6. Delete the file: rm recovery.key

恢复说明：本页含有文库备份的私钥。请打印或存入密码管理器，并与备份和服务器分开保管。没有它，无法恢复加密的备份。
在新机器上安装 wenyuan，将上面的私钥写入 recovery.key，再执行第 4、5 步的命令，即可恢复整个文库。
",
        secret = key.secret.as_str(),
        public = key.public,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_recovery_kit_can_be_given_as_the_key() {
        let key = NewKey::generate();
        let kit = recovery_kit(&key, "0.1.0", Some(Path::new("/mnt/backups")));
        let identity = Identity::parse(&kit, "kit").unwrap();
        assert_eq!(identity.public_keys(), std::slice::from_ref(&key.public));
        assert!(!format!("{identity:?}{key:?}").contains(SECRET_PREFIX));
        assert!(Identity::parse("age1xyz", "that file").unwrap_err().to_string().starts_with("that file"));
    }

    #[test]
    fn a_key_is_confirmed_by_showing_the_secret_one() {
        let folder = testkit::folder();
        let file = KeyFile::in_data(folder.path());
        let (mine, other) = (NewKey::generate(), NewKey::generate());
        file.add(&mine.public).unwrap();
        file.add(&mine.public).unwrap();
        let stranger = Identity::parse(&other.secret, "").unwrap();
        assert!(file.confirm(&stranger).unwrap().is_empty());
        assert!(!file.read().unwrap()[0].confirmed);
        let owner = Identity::parse(&mine.secret, "").unwrap();
        assert_eq!(file.confirm(&owner).unwrap(), std::slice::from_ref(&mine.public));
        assert_eq!(file.read().unwrap(), [InstalledKey { recipient: mine.public.clone(), confirmed: true }]);
        assert!(file.add("age1nothing").is_err());
        assert!(file.remove(&mine.public).unwrap() && !file.remove(&mine.public).unwrap());
        assert!(file.recipients().unwrap().is_none());
    }
}
