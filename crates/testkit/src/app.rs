//! An installation of the program under test: a data folder, a database, settings, and the commands run on them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::programs::{Run, run_to_end};
use crate::{Database, Server};

const MAX_RUN_TIME: Duration = Duration::from_mins(3);

/// A data folder and a database with the program that uses them; removed when this value is dropped.
#[derive(Debug)]
pub struct TestApp {
    program: PathBuf,
    folder: TempDir,
    database: Option<Database>,
    settings: BTreeMap<&'static str, String>,
    /// An API key with all scopes, created with the first server.
    key: tokio::sync::OnceCell<String>,
}

impl TestApp {
    /// An installation with a database of its own on the tests' PostgreSQL server, without semantic search. `program` is
    /// `env!("CARGO_BIN_EXE_wenyuan")`.
    pub async fn new(program: &str) -> Self {
        Self::with_database(program, Some(Database::migrated(Path::new(program)).await))
    }

    /// An installation with an empty database, which its first command migrates.
    pub async fn with_empty_database(program: &str) -> Self {
        Self::with_database(program, Some(Database::new().await))
    }

    /// An installation that runs the embedded PostgreSQL.
    pub fn with_own_postgres(program: &str) -> Self {
        Self::with_database(program, None)
    }

    fn with_database(program: &str, database: Option<Database>) -> Self {
        let folder = crate::folder();
        // As root, the embedded PostgreSQL runs as another user, who must be able to enter.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))
            .expect("permissions of a temporary folder");
        std::fs::create_dir(folder.path().join("files")).expect("a folder of files");
        let app = Self {
            program: program.into(),
            folder,
            database,
            settings: BTreeMap::new(),
            key: tokio::sync::OnceCell::new(),
        };
        let url = app.database.as_ref().map(Database::url).unwrap_or_default();
        let owner_url = app.database.as_ref().map(Database::owner_url).unwrap_or_default();
        let data = app.data().display().to_string();
        app.set("DATABASE_URL", url)
            .set("WENYUAN_OWNER_DATABASE_URL", owner_url)
            .set("WENYUAN_DATA_DIR", data)
            .set("WENYUAN_EMBEDDING", "none")
            .set("WENYUAN_LISTEN", "127.0.0.1:0")
            // Not the configuration file of this machine.
            .set("WENYUAN_CONFIG", "/dev/null")
            .set("WENYUAN_POSTGRES", crate::variable("WENYUAN_POSTGRES"))
    }

    /// Sets an environment variable of the program.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.insert(name, value.into());
        self
    }

    /// Enables semantic search with the bundled embedding model.
    #[must_use]
    pub fn with_model(self) -> Self {
        let model = crate::variable("WENYUAN_MODEL");
        self.set("WENYUAN_EMBEDDING", "local").set("WENYUAN_MODEL", model)
    }

    /// Path of the data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Path of a folder for files to upload.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// Writes a file under [`Self::files`] and returns its path.
    pub fn file(&self, path: &str, bytes: impl AsRef<[u8]>) -> String {
        let file = self.files().join(path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        std::fs::write(&file, bytes).expect("a file");
        file.display().to_string()
    }

    /// The database on the tests' PostgreSQL server.
    pub fn database(&self) -> &Database {
        self.database.as_ref().expect("a database on the tests' PostgreSQL server")
    }

    /// Process id of the embedded PostgreSQL, if it is running.
    pub fn postmaster(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(self.data().join("postgres/data/postmaster.pid")).ok()?;
        let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?);
        is_running(pid).then_some(pid)
    }

    /// Starts the server and waits until it is ready. Its requests carry an API key of the library's owner with all
    /// scopes. Panics with the server's log if it does not start.
    pub async fn serve(&self) -> Server {
        let server = Server::start(self.command(&["serve"])).await;
        let scopes = ["--scope", "write,notes,chats", "--rate", "1000000"];
        let key = self.key.get_or_init(|| self.create_key("tests", &scopes)).await;
        server.with_key(key)
    }

    /// Creates an API key with `wenyuan key create --name NAME …` and returns it.
    pub async fn create_key(&self, name: &str, options: &[&str]) -> String {
        let run = self.run(&[&["key", "create", "--json", "--name", name], options].concat()).await;
        assert_eq!(run.code, 0, "{run:?}");
        run.json()["key"].as_str().expect("a key").to_owned()
    }

    /// Runs a command until it exits.
    pub async fn run(&self, arguments: &[&str]) -> Run {
        self.run_with_input(arguments, b"").await
    }

    /// Runs a command with this standard input until it exits.
    pub async fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Run {
        run_to_end(Command::from(self.command(arguments)), input, MAX_RUN_TIME).await
    }

    /// Starts a command and kills it (SIGKILL) after `delay`. Returns whether it was still running then.
    pub async fn run_and_kill(&self, arguments: &[&str], delay: Duration) -> bool {
        let mut command = Command::from(self.command(arguments));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the program");
        tokio::time::sleep(delay).await;
        let was_running = child.try_wait().expect("the state of a child process").is_none();
        child.kill().await.expect("a killed program");
        was_running
    }

    /// Starts a command and asks it to stop (SIGTERM) after `delay`. Returns its exit code; `None` if a signal has ended it.
    pub async fn run_and_stop(&self, arguments: &[&str], delay: Duration) -> Option<i32> {
        let mut command = Command::from(self.command(arguments));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program");
        tokio::time::sleep(delay).await;
        if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
            let _gone = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        child.wait().await.expect("an exit code").code()
    }

    /// Runs `wenyuan add PATH --library … --version … --json`. Returns the exit code and the summary.
    pub async fn add(&self, path: &str, library: &str, version: &str) -> (i32, Value) {
        let run = self.run(&["add", path, "--library", library, "--version", version, "--json"]).await;
        (run.code, run.json())
    }

    /// Path of the program under test.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The complete environment of the program. Nothing is inherited from the tests' environment.
    pub fn environment(&self) -> BTreeMap<&'static str, String> {
        let mut environment = self.settings.clone();
        environment.insert("PATH", "/usr/bin:/bin".to_owned());
        environment.insert("HOME", self.folder.path().display().to_string());
        environment
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.env_clear().envs(self.environment()).args(arguments).current_dir(self.folder.path());
        command
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // An embedded PostgreSQL never outlives its test.
        let Some(pid) = self.postmaster() else { return };
        let _gone = kill(pid, Signal::SIGQUIT);
        for _ in 0..250 {
            if !is_running(pid) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _gone = kill(pid, Signal::SIGKILL);
    }
}

/// Whether a process is running. A zombie is not.
fn is_running(pid: Pid) -> bool {
    if kill(pid, None).is_err() {
        return false;
    }
    let stat = Path::new("/proc").join(pid.to_string()).join("stat");
    std::fs::read_to_string(stat).map_or(true, |stat| !stat.contains(") Z "))
}

/// Returns the processes that a process has started, in the order of their start.
pub fn children(parent: Pid) -> Vec<Pid> {
    let list =
        Path::new("/proc").join(parent.to_string()).join("task").join(parent.to_string()).join("children");
    let text = std::fs::read_to_string(list).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok().map(Pid::from_raw)).collect()
}

/// Kills a process (SIGKILL) and waits until it is gone.
pub async fn kill_process(pid: Pid) {
    kill(pid, Signal::SIGKILL).expect("a process");
    crate::eventually("the end of a process", async || (!is_running(pid)).then_some(())).await;
}
