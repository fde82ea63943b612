//! Revocation: cached authentication agrees with the database after every write, at once on the node that wrote and soon on
//! others, and no write drops the cached credentials of other users.
//!
//! [`STATEMENTS`] names every statement that writes what is cached. A new one fails `every_statement_is_listed` until it is
//! listed; then the write that contains it belongs into [`WRITES`], or the reason why it invalidates nothing beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use identity::keys::{self, NewKey};
use identity::sign_in::{self, ClientInfo, SessionTokens};
use identity::users::{self, NewUser, UserUpdate};
use identity::{
    Authenticator, Credential, Error, PasswordHasher, Preferences, TokenSigner, links, preferences, sessions,
};
use kernel::actor::{Actor, KeyId, Role, Scope, UserId};
use kernel::secret::Token;
use store::cache::Caches;
use store::listener::spawn_listener;
use store::secrets::{Sealer, SecretConfig};
use testkit::{Database, eventually};
use tokio::task::JoinHandle;

const PASSWORD: &str = "correct horse battery staple";
const NEW_PASSWORD: &str = "another horse, another battery";

/// Statements that write users, sessions or API keys, each with the write of [`WRITES`] that executes it or the reason why no
/// cached entry becomes outdated.
const STATEMENTS: &[(&str, &str)] = &[
    ("keys.create", "no entry: the hash is new and random"),
    ("keys.delete", "delete a key"),
    ("keys.delete_all", "deactivate the user"),
    ("keys.enable", "disable a key"),
    ("keys.note_used", "no cached column"),
    ("preferences.choose", "change the theme"),
    ("sessions.begin", "no entry: the tokens are new and random"),
    ("sessions.end", "end a session"),
    ("sessions.end_all", "end the other sessions"),
    ("sessions.make_room", "sign in with too many sessions"),
    ("sessions.note_login", "no cached column"),
    ("sessions.note_used", "an entry past its expiry is loaded again"),
    ("sessions.renew", "an entry past its expiry is loaded again"),
    ("sessions.sweep", "an entry past its expiry is not used"),
    ("users.change", "deactivate the user"),
    ("users.delete", "delete the user"),
    ("users.insert", "no entry: there are no sessions and keys yet"),
    ("users.set_password", "no cached column; the sessions end by sessions.end_all"),
];

/// Writes to check, each for a user of its own.
const WRITES: &[&str] = &[
    "change the theme",
    "end a session",
    "end the other sessions",
    "end all sessions",
    "sign in with too many sessions",
    "change the role",
    "deactivate the user",
    "delete the user",
    "disable a key",
    "enable a key",
    "delete a key",
    "change the password",
    "set the password with a link",
];

/// A process with caches of its own.
struct Node {
    caches: Caches,
    authenticator: Authenticator,
    listener: JoinHandle<()>,
}

/// A user with two sessions and two keys, of which the second is disabled if the write enables it.
struct Subject {
    id: UserId,
    name: String,
    sessions: [SessionTokens; 2],
    keys: [(KeyId, Token); 2],
}

struct Stage {
    database: Database,
    passwords: PasswordHasher,
    password_hash: String,
    signer: TokenSigner,
}

impl Node {
    async fn start(stage: &Stage) -> Self {
        let caches = caches();
        let authenticator = Authenticator::new(stage.database.pool().clone(), stage.signer.clone(), &caches);
        let listener = spawn_listener(stage.database.pool().clone(), Vec::new(), caches.clone());
        eventually("listening", async || caches.is_listening().then_some(())).await;
        Self { caches, authenticator, listener }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Subject {
    /// Results of authenticating every credential, by its name.
    async fn authenticate(&self, authenticator: &Authenticator) -> BTreeMap<String, String> {
        let mut results = BTreeMap::new();
        for (number, session) in self.sessions.iter().enumerate() {
            let cookie = Credential::Cookie(session.token.reveal());
            results.insert(format!("cookie {number}"), outcome(authenticator, cookie).await);
            let token = Credential::Bearer(&session.access_token);
            results.insert(format!("access token {number}"), outcome(authenticator, token).await);
        }
        for (number, (_, key)) in self.keys.iter().enumerate() {
            let key = Credential::Bearer(key.reveal());
            results.insert(format!("key {number}"), outcome(authenticator, key).await);
        }
        results
    }

    fn actor(&self) -> Actor {
        self.sessions[0].actor()
    }
}

async fn outcome(authenticator: &Authenticator, credential: Credential<'_>) -> String {
    match authenticator.authenticate(credential).await {
        Ok(found) => {
            let (actor, theme) = (&found.actor, found.preferences.theme);
            format!("{} {:?} {theme:?} {:?}", actor.name(), actor.role(), found.limit)
        }
        Err(Error::InvalidCredential(_)) => "invalid".to_owned(),
        Err(other) => panic!("{other}"),
    }
}

impl Stage {
    async fn new() -> Self {
        let database = Database::new().await;
        store::migrations::up(database.pool()).await.expect("the schema");
        let passwords = PasswordHasher::new(2);
        let password_hash = passwords.hash(PASSWORD).await.expect("a hash");
        let stage = Self {
            database,
            passwords,
            password_hash,
            signer: TokenSigner::new(&[[7; 32]]).expect("a hash"),
        };
        // Another administrator, so that each subject can be deleted.
        stage.create_user("root").await;
        stage
    }

    async fn create_user(&self, name: &str) -> UserId {
        let mut connection = self.database.pool().acquire().await.expect("a connection");
        let new = NewUser {
            username: name.parse().expect("a name"),
            email: None,
            role: Role::Admin,
            first_name: String::new(),
            last_name: String::new(),
            password_hash: Some(self.password_hash.clone()),
        };
        users::create(&mut connection, &Actor::owner(), new).await.expect("a user").id
    }

    async fn sign_in(&self, caches: &Caches, name: &str) -> SessionTokens {
        let (pool, client) = (self.database.pool(), ClientInfo::default());
        let signed_in =
            sign_in::with_password(pool, caches, &self.passwords, &self.signer, name, PASSWORD, &client);
        signed_in.await.expect("a session")
    }

    async fn subject(&self, name: &str) -> Subject {
        let id = self.create_user(name).await;
        let caches = caches();
        let sessions = [self.sign_in(&caches, name).await, self.sign_in(&caches, name).await];
        let mut connection = self.database.pool().acquire().await.expect("a connection");
        let mut created = Vec::new();
        for key in ["one", "other"] {
            let new = NewKey {
                name: key.to_owned(),
                scopes: [Scope::Write].into(),
                libraries: None,
                rate_limit: Some(77),
                seconds: None,
            };
            let (key, token) =
                keys::create(&mut connection, &Actor::owner(), Some(id), new).await.expect("a key");
            created.push((key.id, token));
        }
        Subject { id, name: name.to_owned(), sessions, keys: created.try_into().expect("two keys") }
    }

    /// Authenticates without a cache.
    async fn expected(&self, subject: &Subject) -> BTreeMap<String, String> {
        let pool = self.database.pool().clone();
        subject.authenticate(&Authenticator::new(pool, self.signer.clone(), &caches())).await
    }

    /// Brings the database into the state that a write starts from.
    async fn prepare(&self, write: &str, subject: &Subject) {
        let (caches, pool, owner) = (caches(), self.database.pool(), Actor::owner());
        let mut transaction = caches.begin(pool).await.expect("a transaction");
        match write {
            "enable a key" => {
                keys::enable(&mut transaction, &owner, subject.keys[1].0, false).await.expect("a write");
            }
            "sign in with too many sessions" => {
                sqlx::query(
                    "insert into identity.user_sessions (id, user_id, token_id, token_hash, last_used, expires_at)
                     select gen_random_uuid(), $1, gen_random_uuid(),
                       sha256(convert_to(gen_random_uuid()::text, 'UTF8')), now() + interval '1 minute', now() + interval '1 day'
                     from generate_series(1, 98)",
                )
                .bind(subject.id)
                .execute(&mut *transaction)
                .await
                .expect("a write");
            }
            _ => {}
        }
        transaction.commit().await.expect("a commit");
    }

    async fn write(&self, write: &str, node: &Node, subject: &Subject) {
        let (caches, pool, passwords) = (&node.caches, self.database.pool(), &self.passwords);
        let (owner, actor) = (Actor::owner(), subject.actor());
        let mut transaction = caches.begin(pool).await.expect("a transaction");
        match write {
            "change the theme" => {
                let chosen = Preferences { language: None, theme: Some("dark".to_owned()) };
                preferences::update(&mut transaction, &actor, &chosen).await.expect("a write");
            }
            "end a session" => {
                sessions::end(&mut transaction, &actor, subject.sessions[1].session).await.expect("a write");
            }
            "end the other sessions" => {
                sessions::end_all_of(&mut transaction, &actor, subject.id, true).await.expect("a write");
            }
            "end all sessions" => {
                sessions::end_all_of(&mut transaction, &owner, subject.id, false).await.expect("a write");
            }
            "sign in with too many sessions" => drop(self.sign_in(caches, &subject.name).await),
            "change the role" => {
                let update = UserUpdate { role: Some(Role::User), ..UserUpdate::default() };
                users::update(&mut transaction, &owner, subject.id, &update).await.expect("a write");
            }
            "deactivate the user" => {
                let update = UserUpdate { is_active: Some(false), ..UserUpdate::default() };
                users::update(&mut transaction, &owner, subject.id, &update).await.expect("a write");
            }
            "delete the user" => users::delete(&mut transaction, &owner, subject.id).await.expect("a write"),
            "disable a key" | "enable a key" => {
                let enabled = write == "enable a key";
                keys::enable(&mut transaction, &actor, subject.keys[1].0, enabled).await.expect("a write");
            }
            "delete a key" => {
                keys::delete(&mut transaction, &actor, subject.keys[1].0).await.expect("a write");
            }
            "change the password" => {
                let changed = users::change_password(pool, caches, passwords, &actor, PASSWORD, NEW_PASSWORD);
                changed.await.expect("a write");
            }
            "set the password with a link" => {
                let link =
                    links::create_for_user(&mut transaction, &owner, subject.id).await.expect("a link");
                transaction.commit().await.expect("a commit");
                links::set_password(pool, caches, passwords, &self.signer, &link.token, NEW_PASSWORD)
                    .await
                    .expect("a write");
                return;
            }
            other => panic!("unknown write: {other}"),
        }
        transaction.commit().await.expect("a commit");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cached_authentication_agrees_with_the_database_after_every_write() {
    let stage = Stage::new().await;
    let (one, other) = (Node::start(&stage).await, Node::start(&stage).await);
    let bystander = stage.subject("bystander").await;
    let expected = stage.expected(&bystander).await;
    assert!(expected.values().all(|result| result.starts_with("bystander")), "{expected:?}");
    for node in [&one, &other] {
        assert_eq!(bystander.authenticate(&node.authenticator).await, expected);
    }
    // From now on the bystander's credentials are valid only as long as they are cached.
    sqlx::query("delete from identity.users where id = $1")
        .bind(bystander.id)
        .execute(stage.database.pool())
        .await
        .unwrap();

    for (number, write) in WRITES.iter().enumerate() {
        let subject = stage.subject(&format!("subject{number}")).await;
        stage.prepare(write, &subject).await;
        let before = stage.expected(&subject).await;
        for node in [&one, &other] {
            assert_eq!(subject.authenticate(&node.authenticator).await, before, "{write}");
        }
        stage.write(write, &one, &subject).await;
        let after = stage.expected(&subject).await;
        assert_ne!(after, before, "{write} changes nothing");
        assert_eq!(subject.authenticate(&one.authenticator).await, after, "{write}: the node that wrote");
        eventually("the notification", async || {
            (subject.authenticate(&other.authenticator).await == after).then_some(())
        })
        .await;
        for node in [&one, &other] {
            let cached = bystander.authenticate(&node.authenticator).await;
            assert_eq!(cached, expected, "{write} drops credentials of another user");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_begins_during_a_change_is_not_cached_as_before() {
    let stage = Stage::new().await;
    let node = Node::start(&stage).await;
    let subject = stage.subject("ada").await;
    // A sign-in has written its session but not committed it.
    let mut signing_in = stage.database.pool().begin().await.unwrap();
    let token = Token::generate("ws_").unwrap();
    sqlx::query(
        "insert into identity.user_sessions (id, user_id, token_id, token_hash, expires_at)
         values ($1, $2, $1, $3, now() + interval '1 day')",
    )
    .bind(kernel::id::new())
    .bind(subject.id)
    .bind(token.hash().as_slice())
    .execute(&mut *signing_in)
    .await
    .unwrap();
    let mut transaction = node.caches.begin(stage.database.pool()).await.unwrap();
    let owner = Actor::owner();
    let update = UserUpdate { role: Some(Role::User), ..UserUpdate::default() };
    let change = users::update(&mut transaction, &owner, subject.id, &update);
    let sign_in = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        signing_in.commit().await.unwrap();
        // Caches the session with the role from before the change, which is not committed yet.
        outcome(&node.authenticator, Credential::Cookie(token.reveal())).await
    };
    let (changed, before) = tokio::join!(change, sign_in);
    assert!(before.contains("Admin"), "{before}");
    changed.unwrap();
    transaction.commit().await.unwrap();
    let after = outcome(&node.authenticator, Credential::Cookie(token.reveal())).await;
    assert!(after.contains("User"), "{after}");
}

/// Caches of a process without Redis.
fn caches() -> Caches {
    let keys = Some("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned().into());
    let config = SecretConfig { keys, file: None, default_file: "none".into() };
    Caches::new(None, &Sealer::open(&config).expect("a key")).expect("no URL")
}

#[test]
fn every_statement_is_listed() {
    let listed: BTreeSet<&str> = STATEMENTS.iter().map(|(name, _)| *name).collect();
    let mut found = BTreeSet::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let texts: Vec<String> = std::fs::read_dir(sources)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for text in &texts {
        for statement in text.split("\"-- ").skip(1) {
            let statement = statement.split('"').next().unwrap_or_default();
            let words = statement.split_whitespace().collect::<Vec<_>>().join(" ");
            let writes = ["users", "user_sessions", "mcp_api_keys"].iter().any(|table| {
                ["insert into", "update", "delete from", "merge into", "truncate"]
                    .iter()
                    .any(|verb| format!("{words} ").contains(&format!("{verb} identity.{table} ")))
            });
            if writes {
                found.insert(statement.lines().next().unwrap_or_default().trim());
            }
        }
    }
    assert_eq!(found, listed);
    for (name, write) in STATEMENTS {
        let is_reason = write.starts_with("no ") || write.starts_with("an entry");
        assert!(is_reason || WRITES.contains(write), "{name}: there is no write {write:?}");
    }
}
