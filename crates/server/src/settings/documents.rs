//! `[documents]`: limits on adding and parsing documents.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::Group;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Documents")]
pub(crate) struct DocumentSettings {
    /// Maximum size of a document, in MiB
    #[arg(
        id = "documents.max_document_mib",
        long = "max-document-mib",
        env = "WENYUAN_MAX_DOCUMENT_MIB",
        default_value_t = 256,
        value_name = "MIB"
    )]
    max_document_mib: usize,

    /// Maximum size of all that one person has on its way into the library at a time, in MiB: uploads and imports
    #[arg(
        id = "documents.max_staged_mib",
        long = "max-staged-mib",
        env = "WENYUAN_MAX_STAGED_MIB",
        default_value_t = 2048,
        value_name = "MIB",
        value_parser = clap::value_parser!(u64).range(1..=1 << 30)
    )]
    max_staged_mib: u64,

    /// Time limit for parsing a document, in seconds
    #[arg(
        id = "documents.read_seconds",
        long = "read-seconds",
        env = "WENYUAN_READ_SECONDS",
        default_value_t = 120,
        value_name = "SECONDS"
    )]
    read_seconds: u64,

    /// Memory limit for parsing a document, in MiB
    #[arg(
        id = "documents.read_memory_mib",
        long = "read-memory-mib",
        env = "WENYUAN_READ_MEMORY_MIB",
        default_value_t = 3072,
        value_name = "MIB"
    )]
    read_memory_mib: u64,

    /// Number of documents parsed in parallel, 1 to 64; half as many workers compute vectors [default: the
    /// number of processors]
    #[arg(id = "documents.readers", long = "readers", env = "WENYUAN_READERS", value_name = "NUMBER")]
    readers: Option<usize>,
}

impl DocumentSettings {
    /// Maximum size of a document, in bytes.
    pub(crate) fn max_bytes(&self) -> usize {
        self.max_document_mib << 20
    }

    /// Maximum size of what one person has on its way into the library at a time, in bytes.
    pub(crate) fn max_staged_bytes(&self) -> u64 {
        self.max_staged_mib << 20
    }

    /// Time limit for parsing a document.
    pub(crate) fn read_timeout(&self) -> Duration {
        Duration::from_secs(self.read_seconds)
    }

    /// Memory limit for parsing a document, in bytes.
    pub(crate) fn read_memory_bytes(&self) -> u64 {
        self.read_memory_mib << 20
    }

    /// Number of documents parsed in parallel, 1 to 64.
    pub(crate) fn readers(&self) -> usize {
        self.readers
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(2, std::num::NonZero::get))
            .clamp(1, 64)
    }
}

impl Group for DocumentSettings {
    fn computed_defaults(&self, _data_dir: &Path) -> Vec<(&'static str, String)> {
        vec![("documents.readers", self.readers().to_string())]
    }
}
