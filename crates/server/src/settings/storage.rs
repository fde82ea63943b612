//! `[storage]`: the data directory and the keys that seal secrets.

use std::path::{Path, PathBuf};

use clap::Args;
use store::secrets::SecretConfig;
use zeroize::Zeroizing;

use super::{Group, Secret};

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Storage")]
pub(crate) struct StorageSettings {
    /// Directory of the library's data [default: /var/lib/wenyuan as root, the platform's data directory
    /// otherwise]
    #[arg(id = "storage.data_dir", long = "data-dir", env = "WENYUAN_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// File with the master keys, one per line, newest first [default: secret.key in the data directory,
    /// created at the first start]
    #[arg(
        id = "storage.secret_key_file",
        long = "secret-key-file",
        env = "WENYUAN_SECRET_KEY_FILE",
        value_name = "FILE"
    )]
    secret_key_file: Option<PathBuf>,

    /// Master keys, instead of a file: 32 bytes in base64 or hexadecimal; several separated by commas, newest
    /// first
    #[arg(id = "storage.secret_key", long = "secret-key", env = "WENYUAN_SECRET_KEY", value_name = "KEYS")]
    secret_key: Option<Secret>,
}

impl StorageSettings {
    /// Directory of the library's data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        if let Some(directory) = self.data_dir.as_ref().filter(|path| !path.as_os_str().is_empty()) {
            // Children and the database server run in other working directories: the path must hold there too.
            return std::path::absolute(directory).unwrap_or_else(|_unreadable| directory.clone());
        }
        // The built-in PostgreSQL runs as another user then, who cannot enter root's home.
        if nix::unistd::Uid::effective().is_root() {
            return PathBuf::from("/var/lib/wenyuan");
        }
        directories::ProjectDirs::from("", "", "wenyuan")
            .map_or_else(|| PathBuf::from("wenyuan-data"), |directories| directories.data_dir().to_owned())
    }

    /// Content of the file with the master keys, if they are in one that can be read.
    pub(crate) fn master_keys(&self) -> Option<Vec<u8>> {
        let config = self.secrets();
        if config.keys.is_some() {
            return None;
        }
        std::fs::read(config.file.unwrap_or(config.default_file)).ok()
    }

    /// Settings for a copy of the library in another directory. Keys that are not in a file of the data directory are the same.
    pub(super) fn for_copy(&self, data_dir: &Path) -> Self {
        Self {
            data_dir: Some(data_dir.to_owned()),
            secret_key_file: None,
            secret_key: self.secret_key.clone(),
        }
    }

    /// Source of the master keys.
    pub(crate) fn secrets(&self) -> SecretConfig {
        SecretConfig {
            keys: Secret::reveal(self.secret_key.as_ref()).map(Zeroizing::new),
            file: self.secret_key_file.clone().filter(|file| !file.as_os_str().is_empty()),
            default_file: self.data_dir().join("secret.key"),
        }
    }
}

impl Group for StorageSettings {
    fn computed_defaults(&self, data_dir: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("storage.data_dir", data_dir.display().to_string()),
            ("storage.secret_key_file", data_dir.join("secret.key").display().to_string()),
        ]
    }
}
