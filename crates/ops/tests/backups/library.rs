//! A library of its own for each test: a real PostgreSQL with a few tables, and objects.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use ops::backup::{self, Extras, Source};
use ops::keys::Recipients;
use ops::manifest::Manifest;
use ops::progress::Progress;
use ops::repository::Repository;
use ops::restore::{Moment, Request};
use ops::verify::{self, Check, Questions, Report};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor as _, PgPool};
use store::objects::{Hash, Objects};
use store::{Database, DatabaseConfig, migrations};
use tempfile::TempDir;

/// A library with rows and objects, on a PostgreSQL of its own.
pub(crate) struct Library {
    pub(crate) folder: TempDir,
    pub(crate) database: Database,
    pub(crate) objects: Objects,
}

/// Nothing is saved with a backup, and nothing asked of a copy.
pub(crate) struct Nothing;

impl Extras for Nothing {
    async fn collect(&self, _consistent_at: DateTime<Utc>) -> Result<BTreeMap<String, Vec<u8>>, ops::Error> {
        Ok(BTreeMap::from([("note".to_owned(), b"hello".to_vec())]))
    }
}

impl Questions for Nothing {
    async fn ask(&self, folder: &Path, extras: &BTreeMap<String, Vec<u8>>) -> Vec<Check> {
        assert!(folder.join("postgres").is_dir() && extras["note"] == b"hello");
        Vec::new()
    }
}

impl Library {
    pub(crate) async fn new() -> Self {
        Self::with_settings(&[]).await
    }

    /// A library whose PostgreSQL has these settings, too.
    pub(crate) async fn with_settings(settings: &[(&str, &str)]) -> Self {
        let folder = testkit::folder();
        // As root, PostgreSQL runs as another user, who must be able to enter.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o711)).unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let mut config = config(&data);
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        config.cluster.settings.extend(settings);
        let database = Database::open(&config).await.unwrap();
        migrations::migrate(&database).await.unwrap();
        let objects = Objects::in_folder(&data.join("objects")).unwrap();
        let library = Self { folder, database, objects };
        library.execute("create schema sample").await;
        library.execute("create table sample.items (id int primary key, body text not null)").await;
        library
            .execute("insert into sample.items select n, repeat('item ' || n, 20) from generate_series(1, 500) as n")
            .await;
        library.execute("create table sample.parts (item int references sample.items)").await;
        library.execute("insert into sample.parts select n from generate_series(1, 100) as n").await;
        for text in ["one", "two", "three"] {
            library
                .objects
                .put(Hash::of(text.as_bytes()), Bytes::from_static(text.as_bytes()))
                .await
                .unwrap();
        }
        library
    }

    /// Opens a library that was restored into a subfolder.
    pub(crate) async fn in_folder(folder: TempDir, data: &Path) -> Self {
        let database = Database::open(&config(data)).await.unwrap();
        let objects = Objects::in_folder(&data.join("objects")).unwrap();
        Self { folder, database, objects }
    }

    pub(crate) async fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(1)
            .connect_with(self.database.owner_options().clone())
            .await
            .unwrap()
    }

    pub(crate) async fn execute(&self, statement: &'static str) {
        let pool = self.pool().await;
        pool.execute(statement).await.unwrap();
        pool.close().await;
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn back_up(&self, repository: &Repository) -> Manifest {
        self.back_up_to(repository, &Recipients::none()).await
    }

    pub(crate) async fn back_up_to(&self, repository: &Repository, recipients: &Recipients) -> Manifest {
        let source = Source { database: &self.database, objects: &self.objects, model: None };
        backup::run(repository, &source, recipients, &Nothing, &Progress::default()).await.unwrap()
    }

    /// Verifies the newest backup of a repository.
    pub(crate) async fn verify(&self, repository: &Repository) -> Report {
        let manifest = repository.find("latest").await.unwrap();
        let request = Request {
            repository,
            manifest,
            moment: Moment::Backup,
            identity: None,
            data: self.path("scratch"),
            programs: testkit::postgres_programs(),
        };
        let report = verify::run(&request, &Nothing, &Progress::default()).await.unwrap();
        assert!(!self.path("scratch").exists());
        assert_eq!(repository.report(&report.backup).await.unwrap(), Some(report.clone()));
        report
    }
}

pub(crate) fn config(data: &Path) -> DatabaseConfig {
    DatabaseConfig::embedded(data, testkit::postgres_programs())
}
