//! Third-party programs that `./test` fetches, such as official clients. Each runs in a folder of its own, without the
//! environment of its caller.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::process::last_lines;
use crate::variable;

const MAX_RUN_TIME: Duration = Duration::from_mins(10);

/// A third-party program to run.
#[derive(Debug)]
pub struct Program {
    command: Command,
    home: TempDir,
}

/// The outcome of a command that has exited.
#[derive(Debug)]
pub struct Run {
    /// Exit code; -1 if a signal ended the program.
    pub code: i32,
    /// Exit code or signal.
    pub status: ExitStatus,
    /// Standard output.
    pub output: String,
    /// Standard error.
    pub errors: String,
}

impl Program {
    /// A script for Node.
    pub fn node(script: &Path) -> Self {
        let mut program = Self::new(variable("WENYUAN_TEST_NODE"));
        program.command.arg(script);
        program
    }

    /// A script of an npm package, by its path under `node_modules`.
    pub fn node_package(script: &str) -> Self {
        Self::node(&node_modules().join(script))
    }

    /// Like [`Self::node_package`], but Node imports `module` before the script.
    pub fn node_package_after(module: &Path, script: &str) -> Self {
        let mut program = Self::new(variable("WENYUAN_TEST_NODE"));
        program.command.arg("--import").arg(module).arg(node_modules().join(script));
        program
    }

    /// A script for Node that drives a browser.
    pub fn browser(script: &Path) -> Self {
        Self::node(script).set("WENYUAN_TEST_CHROMIUM", &variable("WENYUAN_TEST_CHROMIUM"))
    }

    /// Python with these arguments. It can import the fetched packages.
    pub fn python(arguments: &[&str]) -> Self {
        Self::new("python3".to_owned()).with(arguments)
    }

    fn new(program: String) -> Self {
        let home = crate::folder();
        let mut command = Command::new(program);
        // PATH is kept, since Python is found through it.
        command.env_clear().env("PATH", variable("PATH")).env("HOME", home.path()).current_dir(home.path());
        command
            .env("WENYUAN_TEST_NODE_CLIENTS", variable("WENYUAN_TEST_NODE_CLIENTS"))
            .env("PYTHONPATH", variable("WENYUAN_TEST_PYTHON_CLIENTS"))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        Self { command, home }
    }

    /// Adds arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// The working directory and home of the program, removed after the run.
    pub fn folder(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// Runs it until it exits. Panics after ten minutes, which the longest take on a busy machine.
    pub async fn run(self) -> Run {
        let Self { command, home: _removed_after_the_run } = self;
        run_to_end(command, b"", MAX_RUN_TIME).await
    }
}

/// Runs a command with `input` on its standard input until it exits. Panics with its last lines after `timeout`.
pub(crate) async fn run_to_end(mut command: Command, input: &[u8], timeout: Duration) -> Run {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("failed to start {command:?}: {error}"));
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let mut stdin = child.stdin.take().expect("a pipe");
    let ended = tokio::time::timeout(timeout, async {
        let feed = async {
            // A program that exits without reading its input is fine.
            let _not_read = stdin.write_all(input).await;
            drop(stdin);
        };
        let (read_output, read_errors) = (
            read_all(child.stdout.take().expect("a pipe"), &mut output),
            read_all(child.stderr.take().expect("a pipe"), &mut errors),
        );
        let (status, (), (), ()) = tokio::join!(child.wait(), feed, read_output, read_errors);
        status.expect("the exit status of a child process")
    })
    .await;
    let (output, errors) =
        (String::from_utf8_lossy(&output).into_owned(), String::from_utf8_lossy(&errors).into_owned());
    let Ok(status) = ended else {
        let lines = last_lines(&output, &errors);
        panic!("{:?} took longer than {timeout:?}{lines}", command.as_std());
    };
    Run { code: status.code().unwrap_or(-1), status, output, errors }
}

async fn read_all(mut pipe: impl AsyncRead + Unpin, bytes: &mut Vec<u8>) {
    pipe.read_to_end(bytes).await.expect("the output of a child process");
}

impl Run {
    /// Asserts success and returns standard output.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert!(self.status.success(), "{}{}", self.status, last_lines(&self.output, &self.errors));
        self.output
    }

    /// Asserts exit code 1, which `wenyuan` uses for errors shown to the user, and returns standard error.
    #[track_caller]
    pub fn failed(self) -> String {
        assert_eq!(self.code, 1, "{}{}", self.status, last_lines(&self.output, &self.errors));
        self.errors
    }

    /// Parses standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.output).unwrap_or_else(|error| {
            panic!("{error} in {:?}; {}; errors: {}", self.output, self.status, self.errors)
        })
    }
}

fn node_modules() -> PathBuf {
    Path::new(&variable("WENYUAN_TEST_NODE_CLIENTS")).join("node_modules")
}
