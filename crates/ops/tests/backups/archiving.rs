//! Continuous archiving and recovery to a moment, on a real PostgreSQL: what was written before is there, what came after is not, and a log
//! that is damaged, incomplete or given up is named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use ops::Error;
use ops::archive::{Archiver, Round};
use ops::keys::{Identity, NewKey, Recipients};
use ops::progress::Progress;
use ops::prune::Policy;
use ops::repository::Repository;
use ops::restore::{self, Moment, Request};
use ops::verify::{Outcome, State};
use sqlx::{Connection as _, PgConnection};
use store::objects::{Hash, Objects};
use store::postgres::{Cluster, ClusterConfig};

use crate::library::Library;

impl Library {
    fn archiver(&self) -> Archiver {
        Archiver::new(self.database.cluster().unwrap().clone(), self.objects.clone())
    }

    async fn now(&self) -> DateTime<Utc> {
        let mut connection = PgConnection::connect_with(self.database.owner_options()).await.unwrap();
        let now = sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        now
    }

    async fn put(&self, text: &'static str) {
        self.objects.put(Hash::of(text.as_bytes()), Bytes::from_static(text.as_bytes())).await.unwrap();
    }

    /// Restores a moment into a new folder and returns it.
    async fn recover(
        &self,
        repository: &Repository,
        moment: Moment,
        identity: Option<Identity>,
        name: &str,
    ) -> Result<PathBuf, Error> {
        let manifest = restore::choose(repository, None, moment).await?;
        let (data, programs) = (self.path(name), testkit::postgres_programs());
        let request = Request { repository, manifest, moment, identity, data: data.clone(), programs };
        restore::plan(&request, true, &Progress::default()).await?;
        restore::prepare(&request, &Progress::default()).await?.finish()?;
        Ok(data)
    }
}

/// Stores what was written since, and returns until when it is stored and the number of segments.
async fn round(
    archiver: &mut Archiver,
    repository: &Repository,
    recipients: &Recipients,
) -> (DateTime<Utc>, u64) {
    archiver.keep().await.unwrap();
    match archiver.round(repository, recipients).await.unwrap() {
        Round::Archived { until, segments, lost: None } => (until, segments),
        other => panic!("{other:?}"),
    }
}

/// Bodies of the rows that a test has added to a restored library, and its timeline.
async fn added_rows(data: &Path) -> (Vec<String>, i32) {
    let cluster = open(data).await;
    let mut connection = PgConnection::connect_with(&cluster.connect_options()).await.unwrap();
    let statement = "select body from sample.items where id >= 1000 order by id";
    let rows = sqlx::query_scalar(statement).fetch_all(&mut connection).await.unwrap();
    let statement = "select timeline_id from pg_control_checkpoint()";
    let timeline = sqlx::query_scalar(statement).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    cluster.close().await;
    (rows, timeline)
}

async fn open(data: &Path) -> Cluster {
    let config = ClusterConfig::new(data.join("postgres"), testkit::postgres_programs());
    Cluster::open(&config).await.unwrap()
}

/// Stored files of segments by the segment.
fn segments(repository: &Repository) -> BTreeMap<String, Vec<PathBuf>> {
    let mut found: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    let mut folders = vec![repository.folder().join("wal")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap().split('.').next().unwrap().to_owned();
            if name.len() == 24 {
                found.entry(name).or_default().push(path);
            }
        }
    }
    found
}

#[tokio::test]
async fn a_library_is_recovered_to_a_moment_between_two_transactions() {
    let library = Library::new().await;
    let key = NewKey::generate();
    let recipients = Recipients::parse([key.public.as_str()]).unwrap();
    let identity = || Some(Identity::parse(&key.secret, "").unwrap());
    let repository = Repository::create(&library.path("repository")).await.unwrap();
    let mut archiver = library.archiver();
    archiver.keep().await.unwrap();
    // Without a backup the log leads nowhere, and is kept for it.
    assert_eq!(archiver.round(&repository, &recipients).await.unwrap(), Round::NoBackup);
    let backup = library.back_up_to(&repository, &recipients).await;
    round(&mut archiver, &repository, &recipients).await;

    library.put("came with the first").await;
    library.execute("insert into sample.items values (1000, 'first')").await;
    let (first, _) = round(&mut archiver, &repository, &recipients).await;
    let between = library.now().await;
    assert!(first < between);
    library.execute("insert into sample.items values (1001, 'second')").await;
    // An archiver that is killed before it has stored anything is followed by another.
    drop(archiver);
    let mut archiver = library.archiver();
    let (until, stored) = round(&mut archiver, &repository, &recipients).await;
    assert!(stored > 0 && until > between);
    // Nothing was written since, and nothing is stored.
    assert_eq!(round(&mut archiver, &repository, &recipients).await.1, 0);
    assert!(segments(&repository).values().all(|files| files.len() == 1), "{:?}", segments(&repository));

    let moment = Moment::Time(between);
    let data = library.recover(&repository, moment, identity(), "between").await.unwrap();
    assert_eq!(added_rows(&data).await, (vec!["first".to_owned()], 2));
    let objects = Objects::in_folder(&data.join("objects")).unwrap();
    assert!(objects.exists(Hash::of(b"came with the first")).await.unwrap());
    // A commit at that very time is in it.
    let data = library.recover(&repository, Moment::Time(backup.consistent_at), identity(), "backup").await;
    assert_eq!(added_rows(&data.unwrap()).await.0, Vec::<String>::new());
    let data = library.recover(&repository, Moment::Latest, identity(), "latest").await.unwrap();
    let both = vec!["first".to_owned(), "second".to_owned()];
    assert_eq!(added_rows(&data).await.0, both);
    let data = library.recover(&repository, Moment::Time(until), identity(), "until").await.unwrap();
    assert_eq!(added_rows(&data).await.0, both);

    for wrong in [backup.consistent_at - TimeDelta::seconds(1), until + TimeDelta::seconds(1)] {
        let error = library.recover(&repository, Moment::Time(wrong), identity(), "wrong").await.unwrap_err();
        let shown = until.format("%Y-%m-%dT%H:%M:%S").to_string();
        assert!(error.to_string().contains(&format!("to {shown}")), "{error}");
        assert!(!library.path("wrong").exists());
    }
    let error = library.recover(&repository, moment, None, "locked").await.unwrap_err();
    assert!(matches!(error, Error::KeyMissing), "{error}");

    // A second backup shares the segments, and pruning leaves those that it needs.
    library.execute("insert into sample.items values (1002, 'third')").await;
    let (_, stored) = round(&mut archiver, &repository, &recipients).await;
    assert!(stored > 0);
    library.back_up_to(&repository, &recipients).await;
    library.execute("insert into sample.items values (1003, 'fourth')").await;
    let (until, _) = round(&mut archiver, &repository, &recipients).await;
    assert!(segments(&repository).values().all(|files| files.len() == 1), "{:?}", segments(&repository));
    let before = segments(&repository).len();
    let policy = Policy { all_days: 0, daily_days: 0, wal_days: 0 };
    let plan = ops::prune::run(&repository, policy, until, false).await.unwrap();
    assert_eq!(plan.removed, [backup.id]);
    assert!(segments(&repository).len() < before);
    let data = library.recover(&repository, Moment::Time(until), identity(), "pruned").await.unwrap();
    assert_eq!(added_rows(&data).await.0, ["first", "second", "third", "fourth"]);
    assert!(library.recover(&repository, moment, identity(), "gone").await.is_err());
    library.database.close().await;
}

#[tokio::test]
async fn damage_and_gaps_of_the_log_are_named() {
    let library = Library::new().await;
    let plain = Recipients::none();
    let repository = Repository::create(&library.path("repository")).await.unwrap();
    let mut archiver = library.archiver();
    archiver.keep().await.unwrap();
    library.back_up(&repository).await;
    let mut times = Vec::new();
    for statement in [
        "insert into sample.items values (1000, 'first')",
        "insert into sample.items values (1001, 'second')",
        "insert into sample.items values (1002, 'third')",
    ] {
        library.execute(statement).await;
        times.push(round(&mut archiver, &repository, &plain).await.0);
    }
    let check = async || {
        let report = library.verify(&repository).await;
        (report.state, report.checks.into_iter().find(|check| check.name == "log").unwrap())
    };
    let (state, log) = check().await;
    assert_eq!((state, log.outcome), (State::Verified, Outcome::Passed), "{log:?}");
    let files = segments(&repository);
    let (name, paths) = files.iter().nth_back(1).unwrap();
    let whole = std::fs::read(&paths[0]).unwrap();

    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    std::fs::write(&paths[0], flipped).unwrap();
    let (state, log) = check().await;
    assert_eq!(state, State::Degraded, "{log:?}");
    assert!(log.detail.contains(name) && log.detail.contains("SHA-256 differs"), "{log:?}");
    let error = library.recover(&repository, Moment::Latest, None, "damaged").await.unwrap_err();
    assert!(error.to_string().contains(name.as_str()), "{error}");
    // Before it, nothing is lost.
    let data = library.recover(&repository, Moment::Time(times[0]), None, "before").await.unwrap();
    assert_eq!(added_rows(&data).await.0, ["first"]);

    std::fs::remove_file(&paths[0]).unwrap();
    let (state, log) = check().await;
    assert_eq!(state, State::Degraded, "{log:?}");
    assert!(log.detail.contains(&format!("from {name}")) && log.detail.contains("is missing"), "{log:?}");
    let error = library.recover(&repository, Moment::Time(times[2]), None, "behind").await.unwrap_err();
    assert!(matches!(error, Error::OutOfRange { .. }), "{error}");
    let data = library.recover(&repository, Moment::Latest, None, "gap").await.unwrap();
    assert_eq!(added_rows(&data).await.0, ["first"]);

    std::fs::write(&paths[0], whole).unwrap();
    assert_eq!(check().await.0, State::Verified);
    library.database.close().await;
}

#[tokio::test]
async fn a_restored_library_goes_on_with_a_timeline_of_its_own() {
    let library = Library::new().await;
    let plain = Recipients::none();
    let repository = Repository::create(&library.path("repository")).await.unwrap();
    let mut archiver = library.archiver();
    archiver.keep().await.unwrap();
    library.back_up(&repository).await;
    library.execute("insert into sample.items values (1000, 'first')").await;
    let (time, _) = round(&mut archiver, &repository, &plain).await;
    let data = library.recover(&repository, Moment::Time(time), None, "restored").await.unwrap();
    library.execute("insert into sample.items values (1001, 'lost')").await;
    round(&mut archiver, &repository, &plain).await;
    let Library { folder, database, objects } = library;
    database.close().await;
    drop(objects);

    let restored = Library::in_folder(folder, &data).await;
    let mut archiver = restored.archiver();
    archiver.keep().await.unwrap();
    // Its log does not continue the backups of before.
    assert_eq!(archiver.round(&repository, &plain).await.unwrap(), Round::NoBackup);
    let backup = restored.back_up(&repository).await;
    assert_eq!(backup.wal.timeline, 2);
    restored.execute("insert into sample.items values (1002, 'again')").await;
    let (time, _) = round(&mut archiver, &repository, &plain).await;
    let data = restored.recover(&repository, Moment::Time(time), None, "again").await.unwrap();
    assert_eq!(added_rows(&data).await, (vec!["first".to_owned(), "again".to_owned()], 3));
    restored.database.close().await;
}

#[tokio::test]
async fn the_log_does_not_pile_up_while_the_repository_is_away() {
    let library = Library::with_settings(&[
        ("max_slot_wal_keep_size", "128MB"),
        ("max_wal_size", "64MB"),
        ("min_wal_size", "32MB"),
    ])
    .await;
    let plain = Recipients::none();
    let repository = Repository::create(&library.path("repository")).await.unwrap();
    let mut archiver = library.archiver();
    archiver.keep().await.unwrap();
    library.back_up(&repository).await;
    let (until, _) = round(&mut archiver, &repository, &plain).await;
    let away = library.path("away");
    std::fs::rename(repository.folder(), &away).unwrap();
    library.execute("insert into sample.items values (1000, 'while it is away')").await;
    archiver.round(&repository, &plain).await.unwrap_err();
    for _ in 0..20 {
        library.execute("select pg_logical_emit_message(true, 'test', repeat('x', 15000000))").await;
        library.execute("checkpoint").await;
    }
    let log: u64 = {
        let folder = library.path("data/postgres/data/pg_wal");
        let files = std::fs::read_dir(folder).unwrap().flatten();
        files
            .map(|file| file.metadata().unwrap())
            .filter(std::fs::Metadata::is_file)
            .map(|file| file.len())
            .sum()
    };
    assert!(log <= 224 << 20, "{log} bytes are kept");

    std::fs::rename(&away, repository.folder()).unwrap();
    archiver.keep().await.unwrap();
    let found = archiver.round(&repository, &plain).await.unwrap();
    assert!(matches!(&found, Round::Archived { lost: Some(_), .. }), "{found:?}");
    let report = library.verify(&repository).await;
    let check = report.checks.iter().find(|check| check.name == "log").unwrap();
    assert!(check.outcome == Outcome::Degraded && check.detail.contains("is missing"), "{check:?}");
    let error =
        library.recover(&repository, Moment::Time(library.now().await), None, "lost").await.unwrap_err();
    assert!(error.to_string().contains(&format!("to {}", until.format("%Y-%m-%dT%H:%M:%S"))), "{error}");
    // The next backup begins anew.
    library.back_up(&repository).await;
    library.execute("insert into sample.items values (1001, 'later')").await;
    let (time, _) = round(&mut archiver, &repository, &plain).await;
    let data = library.recover(&repository, Moment::Time(time), None, "anew").await.unwrap();
    assert_eq!(added_rows(&data).await.0, ["while it is away", "later"]);
    library.database.close().await;
}
