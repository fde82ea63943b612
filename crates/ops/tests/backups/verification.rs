//! Verification of damaged backups: each way of damage is found and named. The database is a real one, with a table of its own.

use std::path::PathBuf;

use ops::backup::{self, Source};
use ops::keys::Recipients;
use ops::manifest::Manifest;
use ops::progress::Progress;
use ops::repository::Repository;
use ops::verify::{Outcome, Report, State};
use sqlx::Executor as _;
use store::objects::Hash;
use store::{Database, migrations};

use crate::library::{Library, Nothing, config};

/// Asserts that a check has failed with these words.
#[track_caller]
fn fails(report: &Report, check: &str, words: &[&str]) {
    assert_eq!(report.state, State::Failed, "{report:?}");
    let found = report.checks.iter().find(|found| found.outcome == Outcome::Failed).expect("a failed check");
    assert_eq!(found.name, check, "{report:?}");
    for word in words {
        assert!(found.detail.contains(word), "{word:?} is not in {found:?}");
    }
}

/// Changes a file of a repository and returns what undoes that.
struct Damage {
    file: PathBuf,
    before: Vec<u8>,
}

impl Damage {
    fn of(repository: &Repository, path: &str, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let file = repository.folder().join(path);
        let before = std::fs::read(&file).unwrap();
        let mut bytes = before.clone();
        change(&mut bytes);
        std::fs::write(&file, bytes).unwrap();
        Self { file, before }
    }

    fn removal(repository: &Repository, path: &str) -> Self {
        let file = repository.folder().join(path);
        let before = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        Self { file, before }
    }
}

impl Drop for Damage {
    fn drop(&mut self) {
        std::fs::write(&self.file, &self.before).unwrap();
    }
}

/// Writes a manifest that says something else, with the hash that it then has: as a program would that was wrong from the start.
fn rewrite(repository: &Repository, manifest: &Manifest, change: impl FnOnce(&mut Manifest)) -> Damage {
    let mut changed = manifest.clone();
    change(&mut changed);
    let bytes = changed.to_bytes().unwrap();
    Damage::of(repository, &format!("backups/{}/manifest.json", manifest.id), |file| *file = bytes)
}

#[tokio::test]
async fn damage_of_a_repository_is_found_and_named() {
    let library = Library::new().await;
    let repository = Repository::create(&library.path("repository")).await.unwrap();
    let manifest = library.back_up(&repository).await;
    assert!(manifest.tables_are_exact);
    assert_eq!((manifest.tables["sample.items"], manifest.objects.count), (500, 3));
    let report = library.verify(&repository).await;
    assert_eq!(report.state, State::Verified, "{report:?}");

    let list = repository.object_list(&manifest).await.unwrap();
    let (piece, object, segment) =
        (&manifest.database[0].path, &list[0].piece.path, &manifest.wal.segments[0].piece.path);
    let half = |file: &mut Vec<u8>| file.truncate(file.len() / 2);
    let flip = |file: &mut Vec<u8>| {
        let middle = file.len() / 2;
        file[middle] ^= 1;
    };
    {
        let _truncated = Damage::of(&repository, piece, half);
        fails(&library.verify(&repository).await, "files", &[piece, "bytes instead of"]);
    }
    for path in [piece, object, segment] {
        let _flipped = Damage::of(&repository, path, flip);
        fails(&library.verify(&repository).await, "files", &[path, "SHA-256 differs"]);
    }
    for path in [piece, object, segment] {
        let _missing = Damage::removal(&repository, path);
        fails(&library.verify(&repository).await, "files", &[path, "it is missing"]);
    }
    for change in [&half as &dyn Fn(&mut Vec<u8>), &flip] {
        let _unreadable =
            Damage::of(&repository, &format!("backups/{}/manifest.json", manifest.id), |file| change(file));
        let error = repository.find("latest").await.unwrap_err().to_string();
        assert!(error.contains("manifest.json is damaged"), "{error}");
    }
    {
        // The list of objects and the manifest agree with each other, and not with what was there.
        let _shorter = rewrite(&repository, &manifest, |manifest| manifest.objects.count += 1);
        fails(&library.verify(&repository).await, "files", &["3 objects instead of 4"]);
    }
    {
        let _last_piece_lost = rewrite(&repository, &manifest, |manifest| drop(manifest.database.pop()));
        let report = library.verify(&repository).await;
        assert_eq!((report.state, report.checks[0].name.as_str()), (State::Failed, "files"), "{report:?}");
    }
    {
        let _last_segment_lost =
            rewrite(&repository, &manifest, |manifest| drop(manifest.wal.segments.pop()));
        let report = library.verify(&repository).await;
        assert_eq!(report.state, State::Failed, "{report:?}");
    }
    assert_eq!(library.verify(&repository).await.state, State::Verified);
    library.database.close().await;
}

#[tokio::test]
async fn a_copy_that_lacks_rows_is_not_verified() {
    let library = Library::new().await;
    let repository = Repository::create(&library.path("repository")).await.unwrap();
    let whole = library.back_up(&repository).await;
    // From here on, backups of a library that has lost something say that it had everything.
    let claim = |manifest: &Manifest| {
        rewrite(&repository, manifest, |manifest| manifest.tables = whole.tables.clone())
    };

    library.execute("delete from sample.items where id = 500").await;
    let fewer = library.back_up(&repository).await;
    drop_undo(claim(&fewer));
    fails(&library.verify(&repository).await, "rows", &["sample.items has 499 rows instead of 500"]);
    library.execute("insert into sample.items values (500, 'again')").await;

    // A reference without a row, which only a damaged database has.
    library.execute("alter table sample.items disable trigger all").await;
    library.execute("update sample.items set id = 1000 where id = 50").await;
    let dangling = library.back_up(&repository).await;
    drop_undo(claim(&dangling));
    fails(&library.verify(&repository).await, "foreign_keys", &["parts_item_fkey: 1 rows"]);
    library.execute("update sample.items set id = 50 where id = 1000").await;

    // One block of a table is full of zeros, which PostgreSQL takes for a new, empty one.
    let pool = library.pool().await;
    let file: String =
        sqlx::query_scalar("select pg_relation_filepath('sample.items')").fetch_one(&pool).await.unwrap();
    pool.execute("vacuum sample.items").await.unwrap();
    pool.close().await;
    let Library { folder, database, objects } = library;
    database.close().await;
    let data = folder.path().join("data");
    let path = data.join("postgres/data").join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[..8192].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let database = Database::open(&config(&data)).await.unwrap();
    let library = Library { folder, database, objects };
    let zeroed = library.back_up(&repository).await;
    drop_undo(claim(&zeroed));
    fails(&library.verify(&repository).await, "rows", &["sample.items has ", "instead of 500"]);

    library.execute("drop schema sample cascade").await;
    let dropped = library.back_up(&repository).await;
    drop_undo(claim(&dropped));
    fails(&library.verify(&repository).await, "rows", &["sample.items is missing, with 500 rows"]);

    // No table at all, and a list that agrees.
    let schemas =
        migrations::schemas().iter().fold("drop table public._sqlx_migrations".to_owned(), |text, name| {
            format!("drop schema if exists {name} cascade; {text}")
        });
    let pool = library.pool().await;
    pool.execute("create table public.kept (version int8, success bool)").await.unwrap();
    pool.execute(sqlx::AssertSqlSafe(schemas)).await.unwrap();
    pool.execute("alter table public.kept rename to _sqlx_migrations").await.unwrap();
    pool.close().await;
    let empty = library.back_up(&repository).await;
    drop_undo(rewrite(&repository, &empty, |manifest| manifest.tables.clear()));
    fails(&library.verify(&repository).await, "rows", &["the database has no tables"]);
    library.database.close().await;
}

/// Leaves a file as it was changed.
fn drop_undo(damage: Damage) {
    std::mem::forget(damage);
}

#[tokio::test]
async fn counts_are_exact_while_others_write() {
    let library = Library::new().await;
    let repository = Repository::create(&library.path("repository")).await.unwrap();
    let pool = library.pool().await;
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    // One transaction after another, each of them open for a while: there is hardly a moment without one.
    let writer = tokio::spawn(async move {
        for id in 10_000.. {
            let mut transaction = pool.begin().await.unwrap();
            sqlx::query("insert into sample.items values ($1, 'new')")
                .bind(id)
                .execute(&mut *transaction)
                .await
                .unwrap();
            let pause = tokio::time::timeout(std::time::Duration::from_millis(5), stopped.changed());
            let is_over = pause.await.is_ok();
            transaction.commit().await.unwrap();
            if is_over {
                break;
            }
        }
        pool.close().await;
    });
    let manifest = library.back_up(&repository).await;
    stop.send(true).unwrap();
    writer.await.unwrap();
    assert!(manifest.tables_are_exact && manifest.tables["sample.items"] > 500, "{:?}", manifest.tables);
    let report = library.verify(&repository).await;
    assert_eq!(report.state, State::Verified, "{report:?}");
    library.database.close().await;
}

#[tokio::test]
async fn two_backups_at_once_are_refused_and_objects_are_held() {
    let library = Library::new().await;
    let repository = Repository::create(&library.path("repository")).await.unwrap();
    let lock = repository.lock().unwrap();
    let source = Source { database: &library.database, objects: &library.objects, model: None };
    let progress = Progress::default();
    let run = async || backup::run(&repository, &source, &Recipients::none(), &Nothing, &progress).await;
    assert!(matches!(run().await, Err(ops::Error::Busy)));
    drop(lock);
    let pool = library.pool().await;
    let mut connection = pool.acquire().await.unwrap();
    assert!(store::objects::hold(&mut connection).await.unwrap());
    assert!(matches!(run().await, Err(ops::Error::Busy)));
    let other = library.pool().await;
    let mut deleting = other.begin().await.unwrap();
    assert!(!store::objects::may_delete(&mut deleting).await.unwrap());
    connection.close().await.unwrap();
    assert!(repository.backups().await.unwrap().is_empty());
    deleting.rollback().await.unwrap();
    run().await.unwrap();
    // A damaged object of the library is left out, and named.
    let name = Hash::of(b"one").to_string();
    let file = library.path("data/objects").join(&name[..2]).join(&name);
    std::fs::write(file, "other").unwrap();
    let fresh = Repository::create(&library.path("fresh")).await.unwrap();
    let manifest = library.back_up(&fresh).await;
    assert_eq!(
        (manifest.objects.count, manifest.objects.damaged.as_slice()),
        (2, std::slice::from_ref(&name))
    );
    let report = library.verify(&fresh).await;
    assert_eq!(report.state, State::Degraded, "{report:?}");
    library.database.close().await;
}
