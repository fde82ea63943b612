//! The private PostgreSQL: made, started, shared, watched and stopped by the programs that use it.
//!
//! Several programs may use one data folder at once (`wenyuan serve`, and `wenyuan add` beside it). Each holds a shared
//! lock on `users.lock`; whoever can take it exclusively on leaving was the last and stops the server. The kernel
//! gives a lock back when its program is killed, so nothing is ever left locked, and a server that was left running is
//! simply joined by the next program.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use kernel::chain::Chain;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Gid, Pid, Uid, User, chown};
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

/// The major version whose programs are used; a data folder of another one is refused.
const MAJOR: &str = "18";
/// The database in the cluster that holds the library.
const DATABASE: &str = "wenyuan";
/// The role that owns it and migrates it.
pub(super) const ROLE: &str = "wenyuan";
/// The role that the server uses it as; what it may do is set by `privileges`.
const SERVER_ROLE: &str = "wenyuan_server";
/// The longest path a Unix socket may have on every supported platform, less the name of the socket itself.
const LONGEST_SOCKET_FOLDER: usize = 103 - "/.s.PGSQL.5432".len();
/// How long a server may take to start; recovery after a crash is part of it.
const START_TIMEOUT: Duration = Duration::from_mins(2);

/// How long what a killed server leaves behind may be in the way of the next.
const REMAINS_TIMEOUT: Duration = Duration::from_secs(20);

/// Where the cluster lies and what runs it.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// The folder that holds the data, the socket, the log and the locks.
    pub folder: PathBuf,
    /// The folder of the PostgreSQL programs (`bin/postgres` …).
    pub programs: PathBuf,
    /// The user to run as when this program is root, which PostgreSQL refuses: the first of these that exists.
    pub users: Vec<String>,
    /// Further lines of `postgresql.conf`.
    pub settings: Vec<(String, String)>,
    /// Leave the server running when the last program goes: for tests, which come and go by the hundred.
    pub keep_running: bool,
}

impl ClusterConfig {
    /// The usual configuration.
    pub fn new(folder: PathBuf, programs: PathBuf) -> Self {
        let users = ["wenyuan", "postgres", "nobody"].map(str::to_owned).to_vec();
        Self { folder, programs, users, settings: Vec::new(), keep_running: false }
    }
}

/// Why the private cluster cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The programs are missing.
    #[error(
        "the built-in PostgreSQL is not in {0}: start with ./run, which fetches it, or set DATABASE_URL to use a server of yours"
    )]
    NoPrograms(PathBuf),
    /// The data was made by another major version.
    #[error(
        "the data in {folder} belong to PostgreSQL {found}, and this program runs {MAJOR}: use the release that made them, or restore a backup"
    )]
    OtherMajor { folder: PathBuf, found: String },
    /// Root, and nobody to run as.
    #[error(
        "PostgreSQL does not run as root and none of the users {0:?} exists: create one (useradd --system wenyuan)"
    )]
    NoUser(Vec<String>),
    /// The user that PostgreSQL runs as cannot get to the data.
    #[error(
        "PostgreSQL does not run as root, and the user it runs as cannot enter {0}: choose a data folder elsewhere \
         (WENYUAN_DATA_DIR), or run this as an ordinary user"
    )]
    ClosedFolder(PathBuf),
    /// A file or folder cannot be used.
    #[error("cannot use {path}")]
    Io { path: PathBuf, source: io::Error },
    /// One of the programs failed; its own words are in `output`.
    #[error("{program} failed: {output}")]
    Program { program: &'static str, output: String },
    /// The server does not answer.
    #[error("the built-in PostgreSQL does not answer; its log is {log}")]
    Silent { log: PathBuf, source: sqlx::Error },
}

/// A running private cluster, used by this program and perhaps by others.
#[derive(Debug, Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ClusterConfig,
    owner: Option<(Uid, Gid)>,
    sockets: PathBuf,
    /// Held for as long as this program uses the cluster.
    users_lock: File,
}

impl Cluster {
    /// Makes the cluster if there is none, starts it if it does not run, and joins its users.
    pub async fn open(config: &ClusterConfig) -> Result<Self, Error> {
        if !config.programs.join("bin/postgres").is_file() {
            return Err(Error::NoPrograms(config.programs.clone()));
        }
        let owner = unprivileged_user(config)?;
        make_folder(&config.folder, owner)?;
        check_way(&config.folder, owner)?;
        let sockets = socket_folder(&config.folder);
        make_folder(&sockets, owner)?;
        let users_lock = lock_file(&config.folder.join("users.lock"))?;
        let shared = Shared { config: config.clone(), owner, sockets, users_lock };
        {
            // One program at a time decides whether the server runs. Blocking, so kept off the runtime's threads.
            let turnstile = lock_file(&shared.config.folder.join("start.lock"))?;
            let _turn = hold(turnstile, shared.config.folder.join("start.lock")).await?;
            shared.users_lock.lock_shared().map_err(|source| shared.io("users.lock", source))?;
            shared.make_cluster().await?;
            shared.start().await?;
            shared.make_database().await?;
        }
        Ok(Self { shared: Arc::new(shared) })
    }

    /// How to connect to the library's database, as its owner.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.shared.connect_options(DATABASE)
    }

    /// How the server connects to it, which owns nothing.
    pub fn server_options(&self) -> PgConnectOptions {
        self.shared.connect_options(DATABASE).username(SERVER_ROLE)
    }

    /// How to connect to another database of the cluster.
    pub fn connect_options_to(&self, database: &str) -> PgConnectOptions {
        self.shared.connect_options(database)
    }

    /// Starts the server again whenever it is gone: killed, or out of memory. Ends when the task is aborted.
    pub fn spawn_watch(&self) -> tokio::task::JoinHandle<()> {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                if shared.server_process().is_some() {
                    continue;
                }
                tracing::warn!("the built-in PostgreSQL is gone; starting it again");
                if let Err(error) = shared.restart().await {
                    tracing::error!(error = %Chain(&error), "the built-in PostgreSQL does not start");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        })
    }

    /// Leaves the cluster, and stops it if this program was its last user. Ends with the program too: a server
    /// that could not be stopped is joined by the next program.
    pub async fn close(self) {
        if let Err(error) = self.shared.leave().await {
            tracing::warn!(error = %Chain(&error), "the built-in PostgreSQL was left running");
        }
    }
}

impl Shared {
    fn data(&self) -> PathBuf {
        self.config.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.config.folder.join("postgres.log")
    }

    fn io(&self, name: &str, source: io::Error) -> Error {
        Error::Io { path: self.config.folder.join(name), source }
    }

    fn connect_options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.sockets)
            .port(5432)
            .username(ROLE)
            .database(database)
    }

    /// initdb into a folder beside, renamed when complete: an interrupted initdb leaves nothing half made.
    async fn make_cluster(&self) -> Result<(), Error> {
        let version_file = self.data().join("PG_VERSION");
        match std::fs::read_to_string(&version_file) {
            Ok(version) if version.trim() == MAJOR => return Ok(()),
            Ok(version) => {
                let found = version.trim().to_owned();
                return Err(Error::OtherMajor { folder: self.data(), found });
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Error::Io { path: version_file, source }),
        }
        tracing::info!(folder = %self.config.folder.display(), "making the library's database");
        let unfinished = self.config.folder.join("data.unfinished");
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished).map_err(|source| self.io("data.unfinished", source))?;
        }
        let mut command = self.command("initdb");
        command.arg("--pgdata").arg(&unfinished).args([
            "--username",
            ROLE,
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
            "--data-checksums",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
        ]);
        self.run("initdb", command).await?;
        std::fs::rename(&unfinished, self.data()).map_err(|source| self.io("data", source))
    }

    /// Starts the server unless it runs.
    async fn start(&self) -> Result<(), Error> {
        if self.server_process().is_some() {
            return self.wait_until_it_answers().await;
        }
        self.remove_misleading_pid_file()?;
        self.write_settings()?;
        let deadline = Instant::now() + REMAINS_TIMEOUT;
        loop {
            let mut command = self.command("pg_ctl");
            command
                .args(["start", "--wait", "--silent", "--timeout"])
                .arg(START_TIMEOUT.as_secs().to_string());
            command.arg("--pgdata").arg(self.data()).arg("--log").arg(self.log());
            match self.run("pg_ctl", command).await {
                Ok(()) => return Ok(()),
                // After kill -9 of the postmaster its children hold the shared memory for a moment longer, and it holds
                // its number until it is waited for.
                Err(_) if Instant::now() < deadline && self.remains_of_the_dead_are_in_the_way() => {
                    sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn restart(&self) -> Result<(), Error> {
        let path = self.config.folder.join("start.lock");
        let _turn = hold(lock_file(&path)?, path).await?;
        self.start().await
    }

    async fn leave(&self) -> Result<(), Error> {
        if self.config.keep_running {
            return Ok(());
        }
        let path = self.config.folder.join("start.lock");
        let _turn = hold(lock_file(&path)?, path).await?;
        self.users_lock.unlock().map_err(|source| self.io("users.lock", source))?;
        if self.users_lock.try_lock().is_err() {
            return Ok(());
        }
        if self.server_process().is_none() {
            return Ok(());
        }
        let mut command = self.command("pg_ctl");
        command.args(["stop", "--wait", "--silent", "--mode=fast"]).arg("--pgdata").arg(self.data());
        self.run("pg_ctl", command).await
    }

    /// Our settings lie in a file of their own, written at each start, so that `postgresql.conf` stays the
    /// operator's.
    fn write_settings(&self) -> Result<(), Error> {
        let sockets = self.sockets.display().to_string();
        let mut settings = vec![
            ("listen_addresses", String::new()),
            ("port", "5432".to_owned()),
            ("unix_socket_directories", sockets),
            ("unix_socket_permissions", "0700".to_owned()),
            ("shared_preload_libraries", "pg_stat_statements".to_owned()),
            ("summarize_wal", "on".to_owned()),
            ("shared_buffers", "256MB".to_owned()),
            ("maintenance_work_mem", "256MB".to_owned()),
            ("max_connections", "200".to_owned()),
            ("timezone", "UTC".to_owned()),
            ("log_timezone", "UTC".to_owned()),
        ];
        settings.extend(self.config.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
        let mut text =
            String::from("# Written by wenyuan at each start; put your own settings into postgresql.conf.\n");
        for (name, value) in settings {
            let value = value.replace('\'', "''");
            text += &format!("{name} = '{value}'\n");
        }
        let path = self.data().join("wenyuan.conf");
        std::fs::write(&path, text).map_err(|source| Error::Io { path: path.clone(), source })?;
        self.give(&path)?;
        let main = self.data().join("postgresql.conf");
        let mut configuration =
            std::fs::read_to_string(&main).map_err(|source| Error::Io { path: main.clone(), source })?;
        if !configuration.contains("include_if_exists = 'wenyuan.conf'") {
            configuration.push_str("\ninclude_if_exists = 'wenyuan.conf'\n");
            std::fs::write(&main, configuration).map_err(|source| Error::Io { path: main, source })?;
        }
        Ok(())
    }

    /// The postmaster, if it lives: the process that `postmaster.pid` names, provided that it is ours.
    fn server_process(&self) -> Option<Pid> {
        self.named_process().filter(|pid| self.is_our_postmaster(*pid))
    }

    /// The living process that `postmaster.pid` names, whatever it is.
    fn named_process(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?);
        matches!(kill(pid, None), Ok(()) | Err(Errno::EPERM)).then_some(pid)
    }

    /// A postmaster works in its data folder. Where there is no `/proc`, a living process is taken for it.
    fn is_our_postmaster(&self, pid: Pid) -> bool {
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            return !Path::new("/proc/self/stat").exists();
        };
        // `12 (postgres) S …`; a zombie has ended but has not been waited for.
        if !stat.contains("(postgres)") || stat.contains(") Z ") {
            return false;
        }
        match (std::fs::read_link(format!("/proc/{pid}/cwd")), self.data().canonicalize()) {
            (Ok(works_in), Ok(data)) => works_in == data,
            _ => true,
        }
    }

    /// PostgreSQL sees by itself that a pid file is stale, and checks that no orphan of the dead server still uses
    /// its memory; only a file whose number another program has got since must be taken out of its way.
    fn remove_misleading_pid_file(&self) -> Result<(), Error> {
        if self.named_process().is_none_or(|pid| self.is_our_postmaster(pid)) {
            return Ok(());
        }
        let path = self.data().join("postmaster.pid");
        std::fs::remove_file(&path).map_err(|source| Error::Io { path, source })
    }

    fn remains_of_the_dead_are_in_the_way(&self) -> bool {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(1000)..]).into_owned();
        tail.contains("shared memory block")
            || (tail.contains("lock file") && tail.contains("already exists"))
    }

    async fn wait_until_it_answers(&self) -> Result<(), Error> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match PgConnection::connect_with(&self.connect_options("postgres")).await {
                Ok(connection) => {
                    let _closed = connection.close().await;
                    return Ok(());
                }
                Err(_) if Instant::now() < deadline && self.server_process().is_some() => {
                    sleep(Duration::from_millis(100)).await;
                }
                Err(source) => return Err(Error::Silent { log: self.log(), source }),
            }
        }
    }

    async fn make_database(&self) -> Result<(), Error> {
        let silent = |source| Error::Silent { log: self.log(), source };
        let mut connection =
            PgConnection::connect_with(&self.connect_options("postgres")).await.map_err(silent)?;
        let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await
            .map_err(silent)?;
        if !exists {
            connection.execute("create database wenyuan").await.map_err(silent)?;
        }
        // A cluster of an earlier release has no such role. No other program is here: the caller holds the turnstile.
        let exists: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
            .bind(SERVER_ROLE)
            .fetch_one(&mut connection)
            .await
            .map_err(silent)?;
        if !exists {
            let role = "create role wenyuan_server login nosuperuser nocreatedb nocreaterole noreplication nobypassrls";
            connection.execute(role).await.map_err(silent)?;
        }
        connection.close().await.map_err(silent)
    }

    /// One of the programs, to be run as the unprivileged user, deaf to the keyboard's Ctrl-C.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.config.programs.join("bin").join(program));
        // The working folder must be one that the unprivileged user can read.
        command.current_dir("/").stdin(Stdio::null()).process_group(0);
        // Only what the programs need: a PGHOST or PGDATA of the caller must not lead them elsewhere.
        command.env_clear().env("LC_ALL", "C").env("PATH", "/usr/bin:/bin").env("TZ", "UTC");
        if let Some((uid, gid)) = self.owner {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        command
    }

    /// Runs a program to its end. Its output goes to a file, not a pipe: the server that `pg_ctl` leaves behind
    /// inherits it, and a pipe would stay open as long as the server runs.
    async fn run(&self, program: &'static str, mut command: Command) -> Result<(), Error> {
        let path = self.config.folder.join(format!("{program}.out"));
        let file = File::create(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let again = file.try_clone().map_err(|source| Error::Io { path: path.clone(), source })?;
        let status =
            command.stdout(file).stderr(again).status().await.map_err(|source| Error::Io {
                path: self.config.programs.join("bin").join(program),
                source,
            })?;
        if status.success() {
            return Ok(());
        }
        let said = std::fs::read_to_string(&path).unwrap_or_default();
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let mut output = said.trim().to_owned();
        for line in last.into_iter().rev() {
            output.push_str("\n  ");
            output.push_str(line);
        }
        Err(Error::Program { program, output })
    }

    fn give(&self, path: &Path) -> Result<(), Error> {
        give(path, self.owner)
    }
}

/// The user to run as: only asked for when this program is root.
fn unprivileged_user(config: &ClusterConfig) -> Result<Option<(Uid, Gid)>, Error> {
    if !Uid::effective().is_root() {
        return Ok(None);
    }
    config
        .users
        .iter()
        .find_map(|name| User::from_name(name).ok().flatten())
        .map(|user| Some((user.uid, user.gid)))
        .ok_or_else(|| Error::NoUser(config.users.clone()))
}

/// Makes a folder that only its owner may enter: whoever reaches the socket is trusted by the server.
fn make_folder(path: &Path, owner: Option<(Uid, Gid)>) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(io)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(io(source)),
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).map_err(io)?;
    give(path, owner)
}

/// Checks that the unprivileged user may enter every folder on the way to the data.
fn check_way(folder: &Path, owner: Option<(Uid, Gid)>) -> Result<(), Error> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    for above in folder.ancestors().skip(1) {
        let Ok(metadata) = std::fs::metadata(above) else { continue };
        let (mode, by_user, by_group) =
            (metadata.mode(), metadata.uid() == uid.as_raw(), metadata.gid() == gid.as_raw());
        let may_enter =
            mode & 0o001 != 0 || (by_user && mode & 0o100 != 0) || (by_group && mode & 0o010 != 0);
        if !may_enter {
            return Err(Error::ClosedFolder(above.to_owned()));
        }
    }
    Ok(())
}

fn give(path: &Path, owner: Option<(Uid, Gid)>) -> Result<(), Error> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    chown(path, Some(uid), Some(gid))
        .map_err(|errno| Error::Io { path: path.to_owned(), source: io::Error::from(errno) })
}

/// The folder of the socket: beside the data, or, where that path is too long for a socket, a short one that is
/// derived from it.
fn socket_folder(folder: &Path) -> PathBuf {
    let beside = folder.join("socket");
    if beside.as_os_str().len() <= LONGEST_SOCKET_FOLDER {
        return beside;
    }
    let digest = Sha256::digest(folder.as_os_str().as_encoded_bytes());
    Path::new("/tmp").join(format!("wenyuan-{}", hex::encode(&digest[..8])))
}

fn lock_file(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// Waits for an exclusive lock without blocking the runtime; the lock is held until the file is dropped.
async fn hold(file: File, path: PathBuf) -> Result<File, Error> {
    let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
    match locked {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(source)) => Err(Error::Io { path, source }),
        Err(join) => Err(Error::Io { path, source: io::Error::other(join) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_is_never_too_long() {
        let short = Path::new("/var/lib/wenyuan/postgres");
        assert_eq!(socket_folder(short), short.join("socket"));
        let long = Path::new("/").join("x".repeat(200));
        assert!(socket_folder(&long).as_os_str().len() <= LONGEST_SOCKET_FOLDER);
        assert_eq!(socket_folder(&long), socket_folder(&long));
    }
}
