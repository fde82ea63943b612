//! The opened library, and the use cases that need several crates, or bytes and a transaction. Every API calls them; they know no
//! API and no HTTP.

pub(crate) mod accounts;
pub(crate) mod address;
pub(crate) mod archives;
pub(crate) mod background;
pub(crate) mod backups;
pub(crate) mod chat_files;
pub(crate) mod community;
pub(crate) mod contents;
pub(crate) mod digests;
mod error;
pub(crate) mod guide;
pub(crate) mod history;
pub(crate) mod keys;
pub(crate) mod language_models;
pub(crate) mod libraries;
pub(crate) mod library_ids;
pub(crate) mod links;
pub(crate) mod llms_txt;
pub(crate) mod mail;
pub(crate) mod names;
pub(crate) mod operation;
pub(crate) mod passages;
pub(crate) mod personal_data;
pub(crate) mod places;
pub(crate) mod revisions;
pub(crate) mod search_endpoints;
pub(crate) mod sessions;
pub(crate) mod shares;
pub(crate) mod shutdown;
pub(crate) mod staging;
pub(crate) mod unsubscribe;
pub(crate) mod uploads;
pub(crate) mod version_changes;
pub(crate) mod watch;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chat::answer::{Answers, Resources};
use chat::models::client::Client;
use chat::worklist::{self, Occurrence};
use embedding::Model;
use extract::archive::ArchiveLimits;
use identity::{Authenticator, PasswordHasher, TokenSigner};
use library::embedder::Embedder;
use library::reader::ReaderConfig;
use library::search::{Engine, EngineConfig, ModelState, ZeroResult, ZeroResultLog};
use library::unpack::UnpackerConfig;
use social::counters::LikeCounts;
use sqlx::PgPool;
use store::cache::Caches;
use store::objects::Objects;
use store::secrets::Sealer;
use store::{Database, migrations};
use tokio::sync::Mutex;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, sleep};

pub(crate) use error::Error;

use crate::settings::Settings;
use staging::Staging;
use watch::Watchers;

/// Time that another process which writes the index gets to catch up.
const INDEX_PATIENCE: Duration = Duration::from_secs(3);
/// Folders of the data directory that hold documents.
const PRIVATE_FOLDERS: [&str; 2] = ["objects", "index"];

/// The opened library: settings, stores and services, shared by every API. Clones are cheap.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) settings: Arc<Settings>,
    pub(crate) database: Database,
    pub(crate) objects: Objects,
    /// Uploads and imports of persons that are not in the library yet.
    pub(crate) staging: Staging,
    pub(crate) engine: Arc<Engine>,
    /// Searches without results that are not recorded yet; locked by the task that records them.
    pub(crate) zero_results: Arc<Mutex<Receiver<ZeroResult>>>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) passwords: PasswordHasher,
    /// Seals and opens secrets that must be read again; keys for other purposes are derived from its key.
    pub(crate) secrets: Sealer,
    /// Client of language models.
    pub(crate) models: Client,
    /// Answers in progress.
    pub(crate) answers: Answers,
    /// Caches shared by the nodes; each crate creates its own from it.
    pub(crate) caches: Caches,
    /// Numbers of likes of posts.
    pub(crate) likes: LikeCounts,
    /// People who wait for news.
    pub(crate) watchers: Watchers,
}

impl App {
    /// Opens the library: the migrated database, the object store, the full-text index.
    ///
    /// # Errors
    ///
    /// If a setting is invalid, or the data directory, the secret keys or the database cannot be used.
    pub(crate) async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let data = settings.storage.data_dir();
        std::fs::create_dir_all(&data).with_context(|| {
            format!("failed to create the data directory {}; set WENYUAN_DATA_DIR", data.display())
        })?;
        if ops::restore::is_unfinished(&data) {
            bail!(
                "a backup is being restored into {}, or that was interrupted: wait for it, or restore again",
                data.display()
            );
        }
        let web = settings.search.web()?;
        let secrets = Sealer::open(&settings.storage.secrets())?;
        let caches = Caches::new(settings.redis.url().as_deref(), &secrets)?;
        let database = Database::open(&settings.database()).await?;
        migrations::migrate(&database).await.context("failed to migrate the database")?;
        let mut transaction = store::postgres::begin(database.pool()).await?;
        library::libraries::refresh_order(&mut transaction).await.context("failed to order the versions")?;
        transaction.commit().await?;
        let objects = Objects::in_folder(&data.join("objects"))?;
        close_to_other_users(&data)?;
        let config = EngineConfig {
            index_folder: data.join("index"),
            vector_budget_milliseconds: settings.search.vector_budget_milliseconds(),
            embedding: settings.search.embedding(),
            sealer: Some(secrets.clone()),
        };
        let model = settings.search.model().map_or_else(ModelState::Off, |_| ModelState::Loading);
        let (log, zero_results) = ZeroResultLog::new();
        let engine = Arc::new(Engine::new(database.pool().clone(), config, model).with_zero_result_log(log));
        let keys: Vec<[u8; 32]> = secrets.derive_all("access tokens").iter().map(|key| **key).collect();
        let signer = TokenSigner::new(&keys).context("no key to sign access tokens")?;
        let authenticator = Arc::new(Authenticator::new(database.pool().clone(), signer, &caches));
        // Each check takes 19 MiB of memory and a processor.
        let passwords = PasswordHasher::new(settings.documents.readers().div_ceil(2));
        let models = Client::new();
        let answers = Answers::new(Resources {
            pool: database.pool().clone(),
            engine: Arc::clone(&engine),
            secrets: secrets.clone(),
            models: models.clone(),
            web,
        });
        let likes = LikeCounts::new(&caches);
        Ok(Self {
            likes,
            watchers: Watchers::default(),
            models,
            answers,
            settings: Arc::new(settings.clone()),
            staging: Staging::new(settings.documents.max_staged_bytes()),
            database,
            objects,
            engine,
            zero_results: Arc::new(Mutex::new(zero_results)),
            authenticator,
            passwords,
            secrets,
            caches,
        })
    }

    /// Begins a transaction that can invalidate caches. Others begin with [`store::postgres::begin`].
    pub(crate) async fn begin(&self) -> Result<store::Transaction, store::postgres::Error> {
        self.caches.begin(self.pool()).await
    }

    /// Connection pool of the database.
    pub(crate) fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    /// Brings the full-text index up to date, or waits briefly for the process that does.
    ///
    /// # Errors
    ///
    /// If the index or the database fails.
    pub(crate) async fn catch_up(&self) -> Result<(), library::Error> {
        let mut follower = self.engine.follower();
        let deadline = Instant::now() + INDEX_PATIENCE;
        loop {
            let progress = follower.catch_up(|_| {}).await?;
            if progress.behind() == 0 || Instant::now() > deadline {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Makes the embedding models ready that are needed, and returns the one that answers, if there is one. If the local model cannot
    /// be loaded, it is turned off with the reason; everything else works.
    pub(crate) async fn load_model(&self) -> Option<Embedder> {
        match self.engine.models().await {
            Ok(models) => {
                let needed = [&models.answering, &models.target];
                if needed.iter().any(|model| matches!(model, ModelState::Loading)) {
                    self.load_built_in().await;
                }
            }
            Err(error) => {
                let error = kernel::chain::Chain(&error).to_string();
                tracing::warn!(error, "failed to read which embedding model answers");
            }
        }
        self.engine.model().ready()
    }

    async fn load_built_in(&self) {
        let Ok(file) = self.settings.search.model() else { return };
        let loaded = tokio::task::spawn_blocking({
            let file = file.clone();
            move || Model::load(&file)
        })
        .await;
        let state = match loaded {
            Ok(Ok(model)) => ModelState::Ready(Embedder::built_in(Arc::new(model))),
            Ok(Err(error)) => {
                let error = kernel::chain::Chain(&error).to_string();
                tracing::error!(model.file = %file.display(), error, "failed to load the embedding model");
                ModelState::Off(format!("the embedding model failed to load ({error})"))
            }
            Err(_panicked) => ModelState::Off("the embedding model failed to load".to_owned()),
        };
        self.engine.set_built_in(state);
    }

    /// Configuration of the document readers, which run this program as a child process.
    ///
    /// # Errors
    ///
    /// If the path of this program cannot be determined.
    pub(crate) fn reader_config(&self) -> anyhow::Result<ReaderConfig> {
        let program = std::env::current_exe().context("failed to find the path of this program")?;
        let defaults = extract::model::Limits::default();
        Ok(ReaderConfig {
            program,
            arguments: vec![
                "read-documents".to_owned(),
                self.settings.documents.read_memory_bytes().to_string(),
            ],
            time_limit: self.settings.documents.read_timeout(),
            limits: extract::model::Limits { input_bytes: self.settings.documents.max_bytes(), ..defaults },
        })
    }

    /// Configuration of the unpackers of archives, which run this program as a child process.
    ///
    /// # Errors
    ///
    /// If the path of this program cannot be determined.
    pub(crate) fn unpacker_config(&self, limits: ArchiveLimits) -> std::io::Result<UnpackerConfig> {
        Ok(UnpackerConfig {
            program: std::env::current_exe()?,
            arguments: vec!["unpack".to_owned(), self.settings.documents.read_memory_bytes().to_string()],
            time_limit: self.settings.documents.read_timeout(),
            limits,
        })
    }

    /// Records the searches without results so far, for the work list.
    pub(crate) async fn record_zero_results(&self, zero_results: &mut Receiver<ZeroResult>) {
        let mut occurrences: Vec<Occurrence> = Vec::new();
        while let Ok(result) = zero_results.try_recv() {
            occurrences.push(result.into());
        }
        if let Err(error) = self.record(&occurrences).await {
            tracing::warn!(error = %kernel::chain::Chain(&error), "failed to record searches without results");
        }
    }

    async fn record(&self, occurrences: &[Occurrence]) -> Result<(), chat::Error> {
        if occurrences.is_empty() {
            return Ok(());
        }
        let mut transaction = store::postgres::begin(self.pool()).await?;
        worklist::record(&mut transaction, occurrences).await?;
        Ok(transaction.commit().await?)
    }

    /// Closes the library; the built-in PostgreSQL stops unless another program uses it.
    pub(crate) async fn close(self) {
        self.answers.close().await;
        // Locked if the task that records them has not ended in time.
        if let Ok(mut zero_results) = self.zero_results.try_lock() {
            self.record_zero_results(&mut zero_results).await;
        }
        self.database.close().await;
    }
}

/// Closes the folders of documents to other users of the machine; earlier releases created them open. The data directory itself may be
/// a shared one, and stays as it is.
fn close_to_other_users(data: &Path) -> anyhow::Result<()> {
    for folder in PRIVATE_FOLDERS.map(|name| data.join(name)).iter().filter(|folder| folder.is_dir()) {
        std::fs::set_permissions(folder, Permissions::from_mode(0o700)).with_context(|| {
            format!(
                "failed to close {} to other users: it must belong to the user that runs wenyuan",
                folder.display()
            )
        })?;
    }
    Ok(())
}
