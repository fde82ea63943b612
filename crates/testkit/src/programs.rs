//! Other people's programs, which `./test` fetches: run in a folder of their own, without the caller's environment.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;

use crate::{Run, variable};

/// How long such a program may take.
const LONGEST_RUN: Duration = Duration::from_mins(5);

/// A program to be run.
#[derive(Debug)]
pub struct Program {
    command: Command,
    home: TempDir,
}

impl Program {
    /// A script for Node.
    pub fn node(script: &Path) -> Self {
        let mut program = Self::new(variable("WENYUAN_TEST_NODE"));
        program.command.arg(script);
        program
    }

    /// A script of a package for Node, by its path under `node_modules`.
    pub fn node_package(script: &str) -> Self {
        Self::node(&node_modules().join(script))
    }

    /// The same, with this module run before it.
    pub fn node_package_after(module: &Path, script: &str) -> Self {
        let mut program = Self::new(variable("WENYUAN_TEST_NODE"));
        program.command.arg("--import").arg(module).arg(node_modules().join(script));
        program
    }

    /// A script for Node that drives a browser.
    pub fn browser(script: &Path) -> Self {
        Self::node(script).set("WENYUAN_TEST_CHROMIUM", &variable("WENYUAN_TEST_CHROMIUM"))
    }

    /// Python with these arguments; the packages can be imported.
    pub fn python(arguments: &[&str]) -> Self {
        Self::new("python3".to_owned()).with(arguments)
    }

    fn new(program: String) -> Self {
        let home = crate::folder();
        let mut command = Command::new(program);
        // Python may be found through the caller's PATH; nothing else of the caller's reaches it.
        command.env_clear().env("PATH", variable("PATH")).env("HOME", home.path()).current_dir(home.path());
        command
            .env("WENYUAN_TEST_NODE_CLIENTS", variable("WENYUAN_TEST_NODE_CLIENTS"))
            .env("PYTHONPATH", variable("WENYUAN_TEST_PYTHON_CLIENTS"))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        Self { command, home }
    }

    /// Adds arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// The folder it runs in, gone with it.
    pub fn folder(&self) -> PathBuf {
        self.home.path().to_owned()
    }

    /// Runs it to its end.
    pub async fn run(mut self) -> Run {
        let child = self.command.spawn().unwrap_or_else(|error| panic!("{error}: {:?}", self.command));
        let ended = tokio::time::timeout(LONGEST_RUN, child.wait_with_output()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{:?} took longer than {LONGEST_RUN:?}", self.command));
        let ended = ended.expect("its output");
        Run {
            code: ended.status.code().unwrap_or(-1),
            output: String::from_utf8_lossy(&ended.stdout).into_owned(),
            errors: String::from_utf8_lossy(&ended.stderr).into_owned(),
        }
    }
}

fn node_modules() -> PathBuf {
    Path::new(&variable("WENYUAN_TEST_NODE_CLIENTS")).join("node_modules")
}
