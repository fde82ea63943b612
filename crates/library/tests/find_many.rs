//! Look-ups of many ids, on a real database: one statement, in the order of the ids, by the access rule of one id.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Once;

use kernel::actor::{Actor, Role, Scope, UserId};
use library::access::{Level, Visibility};
use library::catalogue::{self, find_versions};
use library::documents::{self, NewDocument, Target, find_revisions};
use library::grants;
use library::ids::{DocumentId, DocumentVersionId, VersionId};
use library::search::{find_passage, find_passages};
use sqlx::{PgConnection, PgPool};
use store::migrations;
use store::objects::{Hash, Stored};
use testkit::Database;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use uuid::Uuid;

/// One document in a library of its own.
struct Row {
    document: DocumentId,
    revision: DocumentVersionId,
    version: VersionId,
    passage: Uuid,
}

/// Libraries of each visibility, and a private one with a grant for a user.
struct Fixture {
    database: Database,
    public: Row,
    team: Row,
    private: Row,
    granted: Row,
    user: Actor,
}

impl Fixture {
    async fn new() -> Self {
        let database = Database::new().await;
        migrations::up(database.pool()).await.expect("migrations");
        let user = UserId::new();
        sqlx::query("insert into identity.users (id, username) values ($1, 'ada')")
            .bind(user.0)
            .execute(database.pool())
            .await
            .expect("a user");
        let pool = database.pool();
        let public = add(pool, "public", Visibility::Public, None).await;
        let team = add(pool, "team", Visibility::Team, None).await;
        let private = add(pool, "private", Visibility::Private, None).await;
        let granted = add(pool, "granted", Visibility::Private, Some(user)).await;
        let user = Actor::user(user, "ada", Role::User, None);
        Self { database, public, team, private, granted, user }
    }

    /// Ids in mixed visibility, with one that is repeated, and one that does not exist.
    fn ids<Id: Copy>(&self, id: impl Fn(&Row) -> Id, absent: Id) -> [Id; 7] {
        [&self.granted, &self.private, &self.team, &self.public, &self.granted, &self.private]
            .map(id)
            .iter()
            .copied()
            .chain([absent])
            .collect::<Vec<Id>>()
            .try_into()
            .unwrap_or_else(|_wrong_length| unreachable!("seven ids"))
    }

    /// Actors, with the names of the libraries whose rows they get for [`Fixture::ids`].
    fn actors(&self) -> Vec<(Actor, Vec<&'static str>)> {
        let key = |libraries: Option<&str>| {
            let libraries = libraries.map(|name| [name.to_owned()].into());
            self.user.clone().with_key(None, "key", BTreeSet::from([Scope::Read]), libraries)
        };
        vec![
            (Actor::anonymous(), vec!["public"]),
            (self.user.clone(), vec!["granted", "team", "public", "granted"]),
            (key(None), vec!["granted", "team", "public", "granted"]),
            (key(Some("team")), vec!["team"]),
            (key(Some("private")), vec![]),
            (Actor::owner(), vec!["granted", "private", "team", "public", "granted", "private"]),
        ]
    }

    async fn connection(&self) -> sqlx::pool::PoolConnection<sqlx::Postgres> {
        self.database.pool().acquire().await.expect("a connection")
    }
}

async fn add(pool: &PgPool, name: &str, visibility: Visibility, user: Option<UserId>) -> Row {
    let owner = Actor::owner();
    let target = Target::new(name.parse().expect("a name"), "1".parse().expect("a label"));
    let file = Stored { hash: Hash::of(name.as_bytes()), size: 1 };
    sqlx::query("insert into library.objects (sha256, size) values ($1, 1)")
        .bind(file.hash.0.as_slice())
        .execute(pool)
        .await
        .expect("an object");
    let mut transaction = pool.begin().await.expect("a transaction");
    let new = NewDocument { path: "a.md".parse().expect("a path"), declared_type: None, file };
    let added =
        documents::add(&mut transaction, &owner, &target, &[new]).await.expect("a document").remove(0);
    let catalogue = catalogue::read(&mut transaction).await.expect("a catalogue");
    let library = catalogue.library(&owner, &target.library).expect("the library");
    grants::set_visibility(&mut transaction, &owner, library, visibility).await.expect("a visibility");
    if let Some(user) = user {
        grants::set(&mut transaction, &owner, library, user, Some(Level::Read)).await.expect("a grant");
    }
    let revision = added.document_version_id.id();
    let passage = kernel::id::new();
    sqlx::query(
        "insert into library.search_indices (id, document_version_id, passage_number, content, content_type,
           line_from, line_to, character_from, character_to, sha256)
         values ($1, $2, 0, 'text', 'text', 1, 1, 0, 4, sha256('text'))",
    )
    .bind(passage)
    .bind(revision.0)
    .execute(&mut *transaction)
    .await
    .expect("a passage");
    transaction.commit().await.expect("a commit");
    Row { document: added.document_id, revision, version: library.versions[0].id, passage }
}

thread_local! {
    /// Statements that sqlx has run on this thread, which is the only one of a test.
    static STATEMENTS: Cell<usize> = const { Cell::new(0) };
}

/// Counts the statements that sqlx runs.
struct StatementCounter;

impl Subscriber for StatementCounter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sqlx::query"
    }

    fn new_span(&self, _attributes: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _span: &Id, _values: &Record<'_>) {}

    fn record_follows_from(&self, _span: &Id, _follows: &Id) {}

    fn event(&self, _event: &Event<'_>) {
        STATEMENTS.set(STATEMENTS.get() + 1);
    }

    fn enter(&self, _span: &Id) {}

    fn exit(&self, _span: &Id) {}
}

/// Runs a look-up and returns its result and the number of its statements.
async fn counted<T>(
    connection: &mut PgConnection,
    look_up: impl AsyncFnOnce(&mut PgConnection) -> T,
) -> (T, usize) {
    // One for all tests, because whether an event is enabled is cached for the whole process.
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        tracing::subscriber::set_global_default(StatementCounter).expect("no other subscriber");
    });
    let before = STATEMENTS.get();
    let result = look_up(connection).await;
    (result, STATEMENTS.get() - before)
}

#[tokio::test]
async fn many_documents_are_one_statement_in_order_and_as_visible_as_one() {
    let fixture = Fixture::new().await;
    let mut connection = fixture.connection().await;
    let ids = fixture.ids(|row| row.document, DocumentId::new());
    for (actor, expected) in fixture.actors() {
        let (found, statements) =
            counted(&mut connection, async |connection| documents::find_many(connection, &actor, &ids).await)
                .await;
        let found = found.expect("documents");
        assert_eq!(
            found.iter().map(|document| document.library.as_str()).collect::<Vec<_>>(),
            expected,
            "{actor:?}"
        );
        assert_eq!(statements, 1);
        let mut one_by_one = Vec::new();
        for id in ids {
            one_by_one.extend(documents::find(&mut connection, &actor, id).await.expect("a document"));
        }
        assert_eq!(
            one_by_one.iter().map(|document| document.id).collect::<Vec<_>>(),
            found.iter().map(|document| document.id).collect::<Vec<_>>(),
        );
    }
    assert!(documents::find_many(&mut connection, &Actor::owner(), &[]).await.expect("none").is_empty());
}

#[tokio::test]
async fn many_passages_are_one_statement_in_order_and_as_visible_as_one() {
    let fixture = Fixture::new().await;
    let mut connection = fixture.connection().await;
    let ids = fixture.ids(|row| row.passage, kernel::id::new());
    for (actor, expected) in fixture.actors() {
        let (found, statements) =
            counted(&mut connection, async |connection| find_passages(connection, &actor, &ids).await).await;
        let found = found.expect("passages");
        assert_eq!(
            found.iter().map(|passage| passage.library.as_str()).collect::<Vec<_>>(),
            expected,
            "{actor:?}"
        );
        assert_eq!(statements, 1);
        let mut one_by_one = Vec::new();
        for id in ids {
            one_by_one.extend(find_passage(&mut connection, &actor, id).await.expect("a passage"));
        }
        assert_eq!(one_by_one, found);
    }
}

#[tokio::test]
async fn many_versions_are_one_statement_in_order_and_as_visible_as_their_libraries() {
    let fixture = Fixture::new().await;
    let mut connection = fixture.connection().await;
    let ids = fixture.ids(|row| row.version, VersionId::new());
    for (actor, expected) in fixture.actors() {
        let (found, statements) =
            counted(&mut connection, async |connection| find_versions(connection, &actor, &ids).await).await;
        let found = found.expect("versions");
        assert_eq!(
            found.iter().map(|version| version.library.as_str()).collect::<Vec<_>>(),
            expected,
            "{actor:?}"
        );
        assert_eq!(statements, 1);
        let catalogue = catalogue::read(&mut connection).await.expect("a catalogue");
        for found in found {
            let library = catalogue.library(&actor, &found.library).expect("a visible library");
            assert_eq!(library.version(found.version.id), Some(&found.version));
        }
    }
}

#[tokio::test]
async fn many_revisions_are_one_statement_in_order_and_as_visible_as_their_documents() {
    let fixture = Fixture::new().await;
    let mut connection = fixture.connection().await;
    let ids = fixture.ids(|row| row.revision, DocumentVersionId::new());
    let documents = [
        (&fixture.public, "public"),
        (&fixture.team, "team"),
        (&fixture.private, "private"),
        (&fixture.granted, "granted"),
    ];
    for (actor, expected) in fixture.actors() {
        let (found, statements) =
            counted(&mut connection, async |connection| find_revisions(connection, &actor, &ids).await).await;
        let found = found.expect("revisions");
        let libraries = found.iter().filter_map(|revision| {
            documents.iter().find(|(row, _)| row.document == revision.document_id).map(|(_, name)| *name)
        });
        assert_eq!(libraries.collect::<Vec<_>>(), expected, "{actor:?}");
        assert_eq!(statements, 1);
        for revision in found {
            let all =
                documents::revisions(&mut connection, &actor, revision.document_id).await.expect("revisions");
            assert!(all.iter().any(|one| one.id == revision.id));
        }
    }
}
