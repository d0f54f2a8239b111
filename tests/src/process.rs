// SPDX-License-Identifier: Apache-2.0
//! Commands with a deadline.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::wait;

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Everything it wrote to stdout.
    pub stdout: String,
    /// Everything it wrote to stderr.
    pub stderr: String,
    /// From start to the end of the process and of both its pipes.
    pub took: Duration,
}

impl Output {
    /// Whether it exited with 0.
    pub fn ok(&self) -> bool {
        self.status.success()
    }

    /// The exit status as a shell shows it: 128 + N for signal N.
    pub fn code(&self) -> i32 {
        code(self.status)
    }

    /// Itself, if it exited with 0.
    ///
    /// # Panics
    /// Otherwise, with all it said.
    #[track_caller]
    pub fn success(self, what: &str) -> Self {
        assert!(
            self.ok(),
            "{what}: exit {}\n{}{}",
            self.code(),
            self.stdout,
            self.stderr
        );
        self
    }
}

/// An exit status as a shell shows it: 128 + N for signal N.
pub fn code(status: ExitStatus) -> i32 {
    let signal = || 128 + status.signal().unwrap_or(0);
    status.code().unwrap_or_else(signal)
}

/// Runs `command` until it has exited *and* let go of stdout and stderr, as an
/// ssh client would wait for it.
///
/// # Panics
/// When that takes longer than `deadline`.
#[track_caller]
pub fn run(command: &mut Command, deadline: Duration) -> Output {
    run_with_stdin(command, "", deadline)
}

/// As [`run`], with a text for its stdin.
#[track_caller]
pub fn run_with_stdin(command: &mut Command, stdin: &str, deadline: Duration) -> Output {
    let start = Instant::now();
    let mut child = spawn_piped(command);
    let mut pipe = child.stdin.take().expect("stdin is piped");
    // A command that does not read its stdin breaks the pipe, which is its right.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let stdout = collect(child.stdout.take().expect("stdout is piped"));
    let stderr = collect(child.stderr.take().expect("stderr is piped"));
    let Ok(status) = wait_for_exit(&mut child, deadline).ok_or(()) else {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?}: still running after {deadline:?}");
    };
    let grace = grace(deadline, start);
    let (Ok(stdout), Ok(stderr)) = (stdout.recv_timeout(grace), stderr.recv_timeout(grace)) else {
        panic!("{command:?}: exited ({status}), but something still holds its stdout or stderr");
    };
    Output {
        status,
        stdout,
        stderr,
        took: start.elapsed(),
    }
}

/// How long the pipes of a process that has exited may stay open: as long as the
/// process might have run, and time for a busy machine to read them.
fn grace(deadline: Duration, start: Instant) -> Duration {
    let remaining = deadline.saturating_sub(start.elapsed());
    remaining.max(Duration::from_secs(1))
}

fn spawn_piped(command: &mut Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
        .spawn()
        .unwrap_or_else(|e| panic!("starting {command:?}: {e}"))
}

fn wait_for_exit(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    wait::poll(deadline, || {
        child.try_wait().expect("own child can be waited for")
    })
}

fn collect(mut pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = pipe.read_to_end(&mut bytes);
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receiver
}

/// A command that keeps running until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Followed,
    stderr: Followed,
}

impl Running {
    /// Starts `command` and begins to collect what it says.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let mut child = spawn_piped(command);
        let stdout = follow(child.stdout.take().expect("stdout is piped"));
        let stderr = follow(child.stderr.take().expect("stderr is piped"));
        Self {
            child,
            stdout,
            stderr,
        }
    }

    /// What it wrote to stdout so far.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.child.id().try_into().expect("a process id fits")
    }

    /// Its exit status, if it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("own child can be waited for")
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it has exited and all it said is here.
    ///
    /// # Panics
    /// When that takes longer than `deadline`; for what is still on its way in
    /// the pipes there is a second in any case.
    #[track_caller]
    pub fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let start = Instant::now();
        let status = wait_for_exit(&mut self.child, deadline)
            .unwrap_or_else(|| panic!("{:?}: still running after {deadline:?}", self.child));
        let grace = grace(deadline, start);
        wait::until("the end of its stdout and stderr", grace, || {
            self.stdout.is_whole() && self.stderr.is_whole()
        });
        status
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a thread reads from a pipe, line by line.
#[derive(Debug)]
struct Followed {
    text: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
}

impl Followed {
    /// All that was read so far.
    fn text(&self) -> String {
        self.text.lock().expect("reader did not panic").clone()
    }

    /// Whether nobody can write any more.
    fn is_whole(&self) -> bool {
        self.reader.is_finished()
    }
}

fn follow(pipe: impl Read + Send + 'static) -> Followed {
    let text = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&text);
    let reader = thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            sink.lock()
                .expect("readers do not panic")
                .push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
    Followed { text, reader }
}
