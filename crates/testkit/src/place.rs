//! Where a library lives: a data folder and a database, and the program that is run on them.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::{Database, Server};

/// How long a command may take.
const LONGEST_RUN: Duration = Duration::from_mins(3);

/// A data folder and a database, gone at the end of the test.
#[derive(Debug)]
pub struct Place {
    program: PathBuf,
    folder: TempDir,
    database: Option<Database>,
    settings: BTreeMap<&'static str, String>,
    /// A key with all scopes, made with the first server.
    key: tokio::sync::OnceCell<String>,
}

/// A command that has ended.
#[derive(Debug)]
pub struct Run {
    /// Its exit code; -1 where a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub output: String,
    /// What it wrote to standard error.
    pub errors: String,
}

impl Place {
    /// A place with a database of its own on the tests' server, and without search by meaning. `program` is
    /// `env!("CARGO_BIN_EXE_wenyuan")`.
    pub async fn new(program: &str) -> Self {
        Self::at(program, Some(Database::new().await))
    }

    /// A place whose PostgreSQL is the built-in one.
    pub fn with_own_postgres(program: &str) -> Self {
        Self::at(program, None)
    }

    fn at(program: &str, database: Option<Database>) -> Self {
        let folder = crate::folder();
        // The built-in PostgreSQL runs as another user where the tests run as root: it must get through.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711))
            .expect("permissions of a temporary folder");
        std::fs::create_dir(folder.path().join("files")).expect("a folder of files");
        let place = Self {
            program: program.into(),
            folder,
            database,
            settings: BTreeMap::new(),
            key: tokio::sync::OnceCell::new(),
        };
        let url = place.database.as_ref().map(Database::url).unwrap_or_default();
        let owner_url = place.database.as_ref().map(Database::owner_url).unwrap_or_default();
        let data = place.data().display().to_string();
        place
            .set("DATABASE_URL", url)
            .set("WENYUAN_OWNER_DATABASE_URL", owner_url)
            .set("WENYUAN_DATA_DIR", data)
            .set("WENYUAN_EMBEDDING", "none")
            .set("WENYUAN_LISTEN", "127.0.0.1:0")
            // Not the configuration file of this machine.
            .set("WENYUAN_CONFIG", "/dev/null")
            .set("WENYUAN_POSTGRES", crate::variable("WENYUAN_POSTGRES"))
    }

    /// Sets an option of the program, by the name of its variable.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings.insert(name, value.into());
        self
    }

    /// Lets the program search by meaning, with the real model.
    #[must_use]
    pub fn with_model(self) -> Self {
        let model = crate::variable("WENYUAN_MODEL");
        self.set("WENYUAN_EMBEDDING", "local").set("WENYUAN_MODEL", model)
    }

    /// The library's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A folder for files to be added.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }

    /// Writes a file under [`Self::files`] and says where it is.
    pub fn file(&self, path: &str, bytes: impl AsRef<[u8]>) -> String {
        let file = self.files().join(path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        std::fs::write(&file, bytes).expect("a file");
        file.display().to_string()
    }

    /// Its database on the tests' server.
    pub fn database(&self) -> &Database {
        self.database.as_ref().expect("a database on the tests' server")
    }

    /// The process of its own PostgreSQL, if its pid file names one that lives.
    pub fn postmaster(&self) -> Option<Pid> {
        let text = std::fs::read_to_string(self.data().join("postgres/data/postmaster.pid")).ok()?;
        let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?);
        is_running(pid).then_some(pid)
    }

    /// Starts the server and waits until it is ready; it is asked with a key of the library's owner that has all scopes.
    /// Panics with its log when it does not start.
    pub async fn serve(&self) -> Server {
        let server = Server::start(self.command(&["serve"])).await;
        let scopes = ["--scope", "write,notes,chats", "--rate", "1000000"];
        let key = self.key.get_or_init(|| self.make_key("tests", &scopes)).await;
        server.with_key(key)
    }

    /// `wenyuan key create --name NAME …`: the key.
    pub async fn make_key(&self, name: &str, options: &[&str]) -> String {
        let run = self.run(&[&["key", "create", "--json", "--name", name], options].concat()).await;
        assert_eq!(run.code, 0, "{run:?}");
        run.json()["key"].as_str().expect("a key").to_owned()
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Run {
        self.run_with_input(arguments, b"").await
    }

    /// Runs a command to its end, with this on its standard input.
    pub async fn run_with_input(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut command = Command::from(self.command(arguments));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program");
        let mut standard_input = child.stdin.take().expect("a pipe");
        let input = input.to_vec();
        let feeding = tokio::spawn(async move {
            // A program that does not read its input is none the worse.
            let _not_read = standard_input.write_all(&input).await;
        });
        let ended = tokio::time::timeout(LONGEST_RUN, child.wait_with_output()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{arguments:?} took longer than {LONGEST_RUN:?}"));
        let ended = ended.expect("its output");
        feeding.abort();
        Run {
            code: ended.status.code().unwrap_or(-1),
            output: String::from_utf8_lossy(&ended.stdout).into_owned(),
            errors: String::from_utf8_lossy(&ended.stderr).into_owned(),
        }
    }

    /// `wenyuan add PATH --library … --version … --json`, whose summary is returned with its exit code.
    pub async fn add(&self, path: &str, library: &str, version: &str) -> (i32, Value) {
        let run = self.run(&["add", path, "--library", library, "--version", version, "--json"]).await;
        (run.code, run.json())
    }

    /// The program under test, for others that start it.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// The environment it is run in. Nothing of the caller's is in it.
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

impl Drop for Place {
    fn drop(&mut self) {
        // Whatever the test did, no PostgreSQL of its own outlives it.
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

impl Run {
    /// Its output, provided that it succeeded.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert_eq!(self.code, 0, "{}\n{}", self.output, self.errors);
        self.output
    }

    /// What it said to the person, provided that it failed with exit code 1.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.code, 1, "{}\n{}", self.output, self.errors);
        self.errors
    }

    /// Its output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.output)
            .unwrap_or_else(|error| panic!("{error} in {:?}; errors: {}", self.output, self.errors))
    }
}

/// Whether a process runs; one that has ended and was not waited for does not.
fn is_running(pid: Pid) -> bool {
    if kill(pid, None).is_err() {
        return false;
    }
    let stat = Path::new("/proc").join(pid.to_string()).join("stat");
    std::fs::read_to_string(stat).map_or(true, |stat| !stat.contains(") Z "))
}

/// Ends a process at once, as `kill -9` does, and waits until it has.
pub async fn kill_process(pid: Pid) {
    kill(pid, Signal::SIGKILL).expect("a process");
    crate::eventually("the end of a process", async || (!is_running(pid)).then_some(())).await;
}
