//! Private PostgreSQL cluster: created, started, shared, watched and stopped by the programs that use it.
//!
//! Several programs can use one data folder at once (`wenyuan serve`, and `wenyuan add` beside it). Each holds a shared lock on
//! `users.lock`; a program that can lock it exclusively on leaving is the last one and stops the server. The kernel releases the lock
//! of a killed program, so nothing stays locked, and a server that was left running is joined by the next program.
//!
//! Where this program is root, PostgreSQL runs as the system user `wenyuan`. The cluster's folder is root's then, so that this user
//! can replace nothing in it; `data` and `socket` inside belong to the user. See [`files`] for what root does in them.

mod files;
mod user;

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use kernel::chain::Chain;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::{Pid, Uid};
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use files::{Owner, create_folder, open_file, read_file};
use user::{allow_ancestors, tool_command, unprivileged_user};

/// Major version of the programs; a data folder of another one is refused.
pub const MAJOR_VERSION: &str = "18";
/// Name of the library's database in the cluster.
const DATABASE: &str = "wenyuan";
/// Role that owns and migrates the database.
pub(super) const OWNER_ROLE: &str = "wenyuan";
/// System user that PostgreSQL runs as where this program is root.
const SYSTEM_USER: &str = "wenyuan";
/// Role that the server connects as; `privileges` sets what it can do.
const SERVER_ROLE: &str = "wenyuan_server";
/// Maximum length of the socket's folder in bytes: the shortest limit of the supported platforms, less the socket's name.
const MAX_SOCKET_FOLDER_BYTES: usize = 103 - "/.s.PGSQL.5432".len();
/// Index of the line of `postmaster.pid` that holds the status (`ready` once connections are accepted).
const PID_FILE_STATUS_LINE: usize = 7;
/// Bytes of the end of the log that are looked at when a program failed.
const LOG_TAIL_BYTES: u64 = 4000;
/// Time within which the server has to start, including recovery after a crash.
const START_TIMEOUT: Duration = Duration::from_mins(2);
/// Time for which the remains of a killed server can block the next.
const REMAINS_TIMEOUT: Duration = Duration::from_secs(20);

/// Configuration of the cluster.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Folder of the data, the socket, the log and the locks.
    pub folder: PathBuf,
    /// Folder of the PostgreSQL programs (`bin/postgres` …).
    pub programs: PathBuf,
    /// Additional settings of `postgresql.conf`.
    pub settings: Vec<(String, String)>,
    /// Whether the server keeps running when the last program leaves, for tests, which start and end by the hundred.
    pub keep_running: bool,
    /// Time within which the server has to start, including recovery.
    pub start_timeout: Duration,
}

impl ClusterConfig {
    /// Creates the default configuration.
    pub fn new(folder: PathBuf, programs: PathBuf) -> Self {
        Self { folder, programs, settings: Vec::new(), keep_running: false, start_timeout: START_TIMEOUT }
    }

    /// Folder of the data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Stops a server that was left running in this folder by a program that was killed. Does nothing if none runs.
    ///
    /// # Errors
    ///
    /// Fails when the server does not stop.
    pub async fn stop_leftover(&self) -> Result<(), Error> {
        if !self.data().is_dir() {
            return Ok(());
        }
        let owner = unprivileged_user(self)?;
        let users_lock = open_file(&self.folder.join("users.lock"), None)?;
        let sockets = socket_folder(&self.folder);
        let shared = Shared { config: self.clone(), owner, sockets, users_lock };
        if shared.server_process()?.is_none() {
            return Ok(());
        }
        match shared.stop().await {
            // It was ending by itself.
            Err(_) if shared.server_process()?.is_none() => Ok(()),
            stopped => stopped,
        }
    }
}

/// Error of the private cluster. Each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The PostgreSQL programs are missing.
    #[error(
        "the built-in PostgreSQL is not in {0}: start with ./run, which fetches it, or set DATABASE_URL to use a server of yours"
    )]
    NoPrograms(PathBuf),
    /// The data folder is of another major version.
    #[error(
        "the data in {folder} belong to PostgreSQL {found}, and this program runs {MAJOR_VERSION}: use the release that made them, or restore a backup"
    )]
    OtherMajor { folder: PathBuf, found: String },
    /// This program is root, and there is no user to run the server as.
    #[error(
        "PostgreSQL does not run as root, and there is no system user {SYSTEM_USER} to run it as: create it (useradd --system \
         --no-create-home --shell /usr/sbin/nologin {SYSTEM_USER}), or run this as an ordinary user"
    )]
    NoUser,
    /// A folder of the cluster belongs to another user, who could replace what is in it.
    #[error("{0} belongs to another user: remove it, or choose another data folder (WENYUAN_DATA_DIR)")]
    ForeignFolder(PathBuf),
    /// A file of the cluster is a link, no regular file, or another user's.
    #[error(
        "{0} is a link, no regular file, or belongs to another user than PostgreSQL's, and root does not use such files: look \
         who put it there, and remove it"
    )]
    SuspiciousFile(PathBuf),
    /// The server's user cannot enter a folder above the data.
    #[error(
        "PostgreSQL does not run as root, and the user it runs as cannot enter {0}: choose a data folder elsewhere \
         (WENYUAN_DATA_DIR), or run this as an ordinary user"
    )]
    InaccessibleFolder(PathBuf),
    /// A file or folder cannot be used.
    #[error("cannot use {path}")]
    Io { path: PathBuf, source: io::Error },
    /// One of the programs failed; `output` holds its messages and the end of the log.
    #[error("{program} failed: {output}")]
    Program { program: &'static str, output: String },
    /// The server does not answer.
    #[error("the built-in PostgreSQL does not answer; its log is {log}")]
    Unresponsive { log: PathBuf, source: sqlx::Error },
}

/// Running private cluster, used by this program and perhaps by others.
#[derive(Debug, Clone)]
pub struct Cluster {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ClusterConfig,
    owner: Owner,
    sockets: PathBuf,
    /// Held while this program uses the cluster.
    users_lock: File,
}

impl Cluster {
    /// Creates the cluster if there is none, starts it if it does not run, and joins its users.
    ///
    /// # Errors
    ///
    /// Fails when the programs, a usable user or access to the folder is missing, or when the server does not start.
    pub async fn open(config: &ClusterConfig) -> Result<Self, Error> {
        if !config.programs.join("bin/postgres").is_file() {
            return Err(Error::NoPrograms(config.programs.clone()));
        }
        let owner = unprivileged_user(config)?;
        // The server trusts everyone who reaches its socket, so only its user can enter the folders of the data and the socket.
        create_folder(&config.folder, None, if owner.is_some() { 0o711 } else { 0o700 })?;
        allow_ancestors(&config.folder, owner)?;
        let sockets = socket_folder(&config.folder);
        create_folder(&sockets, owner, 0o700)?;
        let users_lock = open_file(&config.folder.join("users.lock"), None)?;
        let shared = Shared { config: config.clone(), owner, sockets, users_lock };
        {
            // One program at a time decides whether the server runs.
            let _start_lock = lock_exclusively(shared.config.folder.join("start.lock")).await?;
            shared.users_lock.lock_shared().map_err(|source| shared.io("users.lock", source))?;
            shared.create_cluster().await?;
            let deadline = Instant::now() + REMAINS_TIMEOUT;
            while let Err(error) = shared.start_with_database().await {
                // A server that another program was just starting, when it was killed, gives up beside the remains of the one before.
                let has_given_up =
                    matches!(error, Error::Unresponsive { .. }) && shared.server_process()?.is_none();
                if !has_given_up || Instant::now() > deadline {
                    return Err(error);
                }
            }
        }
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Returns the connection options of the owner of the library's database.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.shared.connect_options(DATABASE)
    }

    /// Returns the connection options of the server's role, which owns nothing.
    pub fn server_options(&self) -> PgConnectOptions {
        self.shared.connect_options(DATABASE).username(SERVER_ROLE)
    }

    /// Returns the owner's connection options for another database of the cluster.
    pub fn connect_options_to(&self, database: &str) -> PgConnectOptions {
        self.shared.connect_options(database)
    }

    /// Configuration of this cluster.
    pub fn config(&self) -> &ClusterConfig {
        &self.shared.config
    }

    /// Builds the command of a PostgreSQL program that connects to this server as the owner, to its database where the program
    /// takes one by `--dbname`.
    pub fn client(&self, program: &str) -> Command {
        let mut command = self.shared.command(program);
        command.arg("--host").arg(&self.shared.sockets).args(["--port=5432", "--username", OWNER_ROLE]);
        command
    }

    /// Name of the library's database.
    pub fn database_name(&self) -> &'static str {
        DATABASE
    }

    /// Restarts the server whenever it is gone (killed, out of memory), until the task is aborted.
    pub fn spawn_watch(&self) -> tokio::task::JoinHandle<()> {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            loop {
                sleep(Duration::from_secs(1)).await;
                let restarted = match shared.server_process() {
                    Ok(Some(_)) if !shared.is_cut_off() => continue,
                    Ok(Some(_)) => {
                        tracing::warn!("socket of the built-in PostgreSQL is gone, restarting it");
                        shared.restart().await
                    }
                    Ok(None) => {
                        tracing::warn!("built-in PostgreSQL is gone, restarting it");
                        shared.restart().await
                    }
                    Err(error) => Err(error),
                };
                if let Err(error) = restarted {
                    tracing::error!(error = %Chain(&error), "failed to restart the built-in PostgreSQL");
                    sleep(Duration::from_secs(1)).await;
                }
            }
        })
    }

    /// Leaves the cluster, and stops it if this program was its last user. A server that cannot be stopped is joined by the next
    /// program.
    pub async fn close(self) {
        if let Err(error) = self.shared.leave().await {
            tracing::warn!(error = %Chain(&error), "failed to stop the built-in PostgreSQL");
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
            .username(OWNER_ROLE)
            .database(database)
    }

    /// Runs initdb in a folder beside the data, renamed when complete, so that an interrupted initdb leaves no partial cluster.
    async fn create_cluster(&self) -> Result<(), Error> {
        if let Some(version) = read_file(&self.data().join("PG_VERSION"), self.owner)? {
            let found = version.trim().to_owned();
            return if found == MAJOR_VERSION {
                Ok(())
            } else {
                Err(Error::OtherMajor { folder: self.data(), found })
            };
        }
        tracing::info!(folder = %self.config.folder.display(), "creating the library's database");
        let unfinished = self.config.folder.join("data.unfinished");
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished).map_err(|source| self.io("data.unfinished", source))?;
        }
        create_folder(&unfinished, self.owner, 0o700)?;
        let mut command = self.command("initdb");
        command.arg("--pgdata").arg(&unfinished).args([
            "--username",
            OWNER_ROLE,
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

    async fn start_with_database(&self) -> Result<(), Error> {
        self.start().await?;
        self.create_database().await
    }

    /// Starts the server if it does not run.
    async fn start(&self) -> Result<(), Error> {
        if self.server_process()?.is_some() {
            if !self.is_cut_off() {
                return self.wait_until_ready().await;
            }
            self.stop().await?;
        }
        self.remove_misleading_pid_file()?;
        self.write_settings()?;
        // `pg_ctl` opens the log as the unprivileged user, who can create nothing in this folder.
        open_file(&self.log(), self.owner)?;
        let deadline = Instant::now() + REMAINS_TIMEOUT;
        loop {
            let mut command = self.command("pg_ctl");
            command
                .args(["start", "--wait", "--silent", "--timeout"])
                .arg(self.config.start_timeout.as_secs().to_string());
            command.arg("--pgdata").arg(self.data()).arg("--log").arg(self.log());
            match self.run("pg_ctl", command).await {
                Ok(()) => return Ok(()),
                // After kill -9 of the postmaster its children hold the shared memory a moment longer, and its process id is taken
                // until it is waited for.
                Err(_) if Instant::now() < deadline && self.is_blocked_by_dead_server() => {
                    sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn restart(&self) -> Result<(), Error> {
        let _start_lock = lock_exclusively(self.config.folder.join("start.lock")).await?;
        self.start().await
    }

    async fn leave(&self) -> Result<(), Error> {
        if self.config.keep_running {
            return Ok(());
        }
        let _start_lock = lock_exclusively(self.config.folder.join("start.lock")).await?;
        self.users_lock.unlock().map_err(|source| self.io("users.lock", source))?;
        if self.users_lock.try_lock().is_err() {
            return Ok(());
        }
        if self.server_process()?.is_none() { Ok(()) } else { self.stop().await }
    }

    /// Stops the server. `pg_ctl` asks by a signal and waits for the process, so that this needs no socket.
    async fn stop(&self) -> Result<(), Error> {
        let mut command = self.command("pg_ctl");
        command.args(["stop", "--wait", "--silent", "--mode=fast"]).arg("--pgdata").arg(self.data());
        self.run("pg_ctl", command).await
    }

    /// Writes the built-in settings to a file of their own at each start, so that `postgresql.conf` stays the operator's.
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
        let io = |source| Error::Io { path: path.clone(), source };
        let mut file = open_file(&path, self.owner)?;
        file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).map_err(io)?;
        let path = self.data().join("postgresql.conf");
        let configuration = read_file(&path, self.owner)?.unwrap_or_default();
        if !configuration.contains("include_if_exists = 'wenyuan.conf'") {
            let mut file = open_file(&path, self.owner)?;
            file.seek(SeekFrom::End(0))
                .and_then(|_| file.write_all(b"\ninclude_if_exists = 'wenyuan.conf'\n"))
                .map_err(|source| Error::Io { path, source })?;
        }
        Ok(())
    }

    /// Returns the running postmaster: the process that `postmaster.pid` names, if it is of this cluster. A file that cannot be read
    /// for another reason than its absence (no free descriptor) is an error, and no sign of a dead server.
    fn server_process(&self) -> Result<Option<Pid>, Error> {
        match self.pid_file()? {
            PidFile::Names(pid) if is_running(pid) && self.is_our_postmaster(pid)? => Ok(Some(pid)),
            _ => Ok(None),
        }
    }

    fn pid_file(&self) -> Result<PidFile, Error> {
        let text = read_file(&self.data().join("postmaster.pid"), self.owner)?;
        Ok(text.map_or(PidFile::Absent, |text| PidFile::parse(&text)))
    }

    /// Whether a process is the postmaster of this cluster, which works in its data folder. Without `/proc`, any running process is
    /// taken for it.
    fn is_our_postmaster(&self, pid: Pid) -> Result<bool, Error> {
        let path = PathBuf::from(format!("/proc/{pid}/stat"));
        let stat = match std::fs::read_to_string(&path) {
            Ok(stat) => stat,
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(!Path::new("/proc/self/stat").exists());
            }
            // The process ended while its file was read.
            Err(source) if source.raw_os_error() == Some(Errno::ESRCH as i32) => return Ok(false),
            Err(source) => return Err(Error::Io { path, source }),
        };
        // `12 (postgres) S …`; a zombie has ended and was not waited for yet.
        if !stat.contains("(postgres)") || stat.contains(") Z ") {
            return Ok(false);
        }
        Ok(match (std::fs::read_link(format!("/proc/{pid}/cwd")), self.data().canonicalize()) {
            (Ok(folder), Ok(data)) => folder == data,
            _ => true,
        })
    }

    /// Removes a pid file whose process id another program has taken since, or that a power cut left empty or garbled, which
    /// PostgreSQL refuses to start beside. PostgreSQL itself recognises other stale pid files, and checks that no orphan of the dead
    /// server still uses its memory.
    fn remove_misleading_pid_file(&self) -> Result<(), Error> {
        let misleads = match self.pid_file()? {
            PidFile::Absent => false,
            PidFile::Garbled => !self.has_postmaster(),
            PidFile::Names(pid) => is_running(pid) && !self.is_our_postmaster(pid)?,
        };
        if !misleads {
            return Ok(());
        }
        let path = self.data().join("postmaster.pid");
        std::fs::remove_file(&path).map_err(|source| Error::Io { path, source })
    }

    /// Whether any process is a postmaster of this cluster, by the list of processes.
    fn has_postmaster(&self) -> bool {
        let Ok(processes) = std::fs::read_dir("/proc") else { return false };
        processes
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .any(|pid| self.is_our_postmaster(Pid::from_raw(pid)).unwrap_or(true))
    }

    /// Whether the server runs but its socket was removed or replaced, as programs that clean `/tmp` do. A lack of descriptors here,
    /// or a full backlog there, is no sign of it.
    fn is_cut_off(&self) -> bool {
        let is_ready = read_file(&self.data().join("postmaster.pid"), self.owner).is_ok_and(|text| {
            text.is_some_and(|text| {
                text.lines().nth(PID_FILE_STATUS_LINE).is_some_and(|line| line.trim() == "ready")
            })
        });
        let connected = UnixStream::connect(self.sockets.join(".s.PGSQL.5432"));
        is_ready
            && connected.is_err_and(|error| {
                matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
            })
    }

    fn is_blocked_by_dead_server(&self) -> bool {
        let tail = self.end_of_log();
        tail.contains("shared memory block")
            || (tail.contains("lock file") && tail.contains("already exists"))
    }

    /// Returns the last [`LOG_TAIL_BYTES`] of the log.
    fn end_of_log(&self) -> String {
        let mut tail = Vec::new();
        let read = open_file(&self.log(), self.owner).map(|mut log| {
            let length = log.seek(SeekFrom::End(0))?;
            log.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
            log.take(LOG_TAIL_BYTES).read_to_end(&mut tail)
        });
        drop(read);
        String::from_utf8_lossy(&tail).into_owned()
    }

    async fn wait_until_ready(&self) -> Result<(), Error> {
        let deadline = Instant::now() + self.config.start_timeout;
        loop {
            match PgConnection::connect_with(&self.connect_options("postgres")).await {
                Ok(connection) => {
                    let _closed = connection.close().await;
                    return Ok(());
                }
                Err(_) if Instant::now() < deadline && self.server_process()?.is_some() => {
                    sleep(Duration::from_millis(100)).await;
                }
                Err(source) => return Err(Error::Unresponsive { log: self.log(), source }),
            }
        }
    }

    async fn create_database(&self) -> Result<(), Error> {
        let unresponsive = |source| Error::Unresponsive { log: self.log(), source };
        let mut connection =
            PgConnection::connect_with(&self.connect_options("postgres")).await.map_err(unresponsive)?;
        let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await
            .map_err(unresponsive)?;
        if !exists {
            connection.execute("create database wenyuan").await.map_err(unresponsive)?;
        }
        // A cluster of an earlier release has no such role. The caller's start lock keeps other programs away.
        let exists: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
            .bind(SERVER_ROLE)
            .fetch_one(&mut connection)
            .await
            .map_err(unresponsive)?;
        if !exists {
            let role = "create role wenyuan_server login nosuperuser nocreatedb nocreaterole noreplication nobypassrls";
            connection.execute(role).await.map_err(unresponsive)?;
        }
        connection.close().await.map_err(unresponsive)
    }

    /// Builds the command of a program, run as the unprivileged user in a process group of its own, out of reach of Ctrl-C.
    fn command(&self, program: &str) -> Command {
        tool_command(&self.config.programs, program, self.owner)
    }

    /// Runs a program to its end. Its output goes to a file and not a pipe, because the server that `pg_ctl` leaves behind inherits
    /// it, and a pipe would stay open as long as the server runs.
    async fn run(&self, program: &'static str, mut command: Command) -> Result<(), Error> {
        let path = self.config.folder.join(format!("{program}.out"));
        let file = open_file(&path, None)?;
        file.set_len(0).map_err(|source| Error::Io { path: path.clone(), source })?;
        let stderr = file.try_clone().map_err(|source| Error::Io { path: path.clone(), source })?;
        let status =
            command.stdout(file).stderr(stderr).status().await.map_err(|source| Error::Io {
                path: self.config.programs.join("bin").join(program),
                source,
            })?;
        if status.success() {
            return Ok(());
        }
        let messages = std::fs::read_to_string(&path).unwrap_or_default();
        let log = self.end_of_log();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let mut output = messages.trim().to_owned();
        for line in last.into_iter().rev() {
            output.push_str("\n  ");
            output.push_str(line);
        }
        Err(Error::Program { program, output })
    }
}

/// Content of `postmaster.pid`.
#[derive(Debug, PartialEq, Eq)]
enum PidFile {
    Absent,
    /// Empty, or without a process id.
    Garbled,
    Names(Pid),
}

impl PidFile {
    fn parse(text: &str) -> Self {
        let pid = text.lines().next().and_then(|line| line.trim().parse().ok());
        pid.filter(|pid: &i32| *pid > 0).map_or(Self::Garbled, |pid| Self::Names(Pid::from_raw(pid)))
    }
}

fn is_running(pid: Pid) -> bool {
    matches!(kill(pid, None), Ok(()) | Err(Errno::EPERM))
}

/// Returns the folder of the socket: beside the data, or a short one derived from it where that path is too long for a socket.
/// Root's short one is where only root can create folders.
fn socket_folder(folder: &Path) -> PathBuf {
    let beside = folder.join("socket");
    if beside.as_os_str().len() <= MAX_SOCKET_FOLDER_BYTES {
        return beside;
    }
    let digest = Sha256::digest(folder.as_os_str().as_encoded_bytes());
    let root_only = Uid::effective().is_root() && Path::new("/run").is_dir();
    Path::new(if root_only { "/run" } else { "/tmp" }).join(format!("wenyuan-{}", hex::encode(&digest[..8])))
}

/// Waits for an exclusive lock without blocking the runtime. The lock is held until the file is dropped.
async fn lock_exclusively(path: PathBuf) -> Result<File, Error> {
    let file = open_file(&path, None)?;
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
        assert!(socket_folder(&long).as_os_str().len() <= MAX_SOCKET_FOLDER_BYTES);
        assert_eq!(socket_folder(&long), socket_folder(&long));
    }
}
