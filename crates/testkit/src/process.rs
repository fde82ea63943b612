//! Helper programs that run beside a test: their output is collected, and one that exits by itself is reported with
//! its exit status (or signal) and its last lines, by whatever waits for it.

use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Lines shown of a program that exited or timed out.
const MAX_SHOWN_LINES: usize = 30;

/// A running helper program; killed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Mutex<Child>,
    output: Arc<Mutex<String>>,
    errors: Arc<Mutex<String>>,
}

impl Process {
    /// Starts `command`. `name` stands for it in messages. Its standard input stays open while it runs.
    pub(crate) fn spawn(name: &'static str, mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("failed to start {name} ({command:?}): {error}; run the tests with ./test")
        });
        let output = collect(child.stdout.take().expect("a pipe"));
        let errors = collect(child.stderr.take().expect("a pipe"));
        Self { name, child: Mutex::new(child), output, errors }
    }

    /// Everything written to standard output so far.
    pub(crate) fn output(&self) -> String {
        lock(&self.output).clone()
    }

    /// Everything written to standard error so far.
    pub(crate) fn errors(&self) -> String {
        lock(&self.errors).clone()
    }

    /// The process id.
    pub(crate) fn id(&self) -> Pid {
        Pid::from_raw(i32::try_from(lock(&self.child).id()).expect("a process id"))
    }

    /// The exit status, once the program has exited.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        lock(&self.child).try_wait().expect("the state of a child process")
    }

    /// Polls `ask` until it returns a value. Panics, with the last lines of the program's output, as soon as the
    /// program exits, or when `timeout` has passed. `event` completes "exited before …": `printing its address`.
    pub(crate) async fn wait_for<T>(
        &self,
        event: &str,
        timeout: Duration,
        mut ask: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        let start = Instant::now();
        loop {
            if let Some(value) = ask().await {
                return value;
            }
            if let Some(status) = self.exit_status() {
                // What it wrote last may not have been read yet.
                tokio::time::sleep(Duration::from_millis(100)).await;
                let Some(value) = ask().await else {
                    panic!("{}", self.report(&format!("exited ({status}) before {event}")));
                };
                return value;
            }
            assert!(
                start.elapsed() < timeout,
                "{}",
                self.report(&format!("still runs without {event} after {timeout:?}"))
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.id(), signal).unwrap_or_else(|error| {
            panic!("{}", self.report(&format!("cannot be sent {signal}: {error}")));
        });
    }

    /// Kills the program and waits for its end.
    pub(crate) fn kill(&self) {
        let mut child = lock(&self.child);
        let _already_exited = child.kill();
        let _already_waited_for = child.wait();
    }

    fn report(&self, event: &str) -> String {
        let (output, errors) = (self.output(), self.errors());
        format!("{} {event}{}", self.name, last_lines(&output, &errors))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Some(status) = self.exit_status()
        {
            #[expect(clippy::print_stderr, reason = "shown by the test runner beside the failure")]
            {
                eprintln!("{}", self.report(&format!("had exited by itself ({status})")));
            }
        }
        self.kill();
    }
}

/// The last lines of both streams of a program, headed, for a message about its failure.
pub(crate) fn last_lines(output: &str, errors: &str) -> String {
    let mut shown = String::new();
    for (name, text) in [("standard output", output), ("standard error", errors)] {
        let lines: Vec<&str> = text.lines().collect();
        let lines = &lines[lines.len().saturating_sub(MAX_SHOWN_LINES)..];
        if !lines.is_empty() {
            shown += &format!("\nits last lines on {name}:\n{}", lines.join("\n"));
        }
    }
    if shown.is_empty() { "; it wrote nothing".to_owned() } else { shown }
}

/// Reads a pipe to its end on a thread, so that the program never waits for a reader.
fn collect(pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let collected = Arc::clone(&text);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let mut text = lock(&collected);
            text.push_str(&String::from_utf8_lossy(&line));
            text.push('\n');
        }
    });
    text
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn failure_of(script: &str) -> String {
        let script = script.to_owned();
        let failed = tokio::spawn(async move {
            let mut command = Command::new("sh");
            command.args(["-c", &script]);
            let process = Process::spawn("the helper", command);
            process.wait_for("printing its address", Duration::from_secs(1), async || None::<()>).await;
        });
        let failure = failed.await.expect_err("a panic").into_panic();
        *failure.downcast::<String>().expect("a message")
    }

    #[tokio::test]
    async fn a_program_that_exits_is_reported_with_its_status_and_last_lines() {
        let failure = failure_of("echo starting; echo no such model >&2; exit 3").await;
        assert!(
            failure.starts_with("the helper exited (exit status: 3) before printing its address"),
            "{failure}"
        );
        assert!(failure.contains("starting") && failure.contains("no such model"), "{failure}");
    }

    #[tokio::test]
    async fn a_program_that_is_killed_is_reported_with_the_signal() {
        let failure = failure_of("kill -ILL $$").await;
        assert!(failure.contains("(signal: 4 (SIGILL)"), "{failure}");
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_reported_with_its_last_lines() {
        let failure = failure_of("echo thinking; exec sleep 30").await;
        assert!(
            failure.starts_with("the helper still runs without printing its address after 1s"),
            "{failure}"
        );
        assert!(failure.contains("thinking"), "{failure}");
    }
}
