// SPDX-License-Identifier: Apache-2.0
//! Where stories are played: each command is shown behind the prompt of the server it is
//! typed on, and its real output follows.

use std::env;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Instant;

use crate::host::{Host, VERB_DEADLINE, binary};
use crate::process;

/// What the audience reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A terminal, where remarks are comments.
    Terminal,
    /// A page of documentation.
    Markdown,
}

/// A stage, with its audience.
pub struct Stage<'a> {
    out: &'a mut dyn Write,
    form: Form,
}

/// A command that was played.
#[derive(Clone, Debug)]
pub struct Shown {
    line: String,
    /// All it has said.
    pub text: String,
    /// Its exit status, as a shell shows it.
    pub code: i32,
}

impl<'a> Stage<'a> {
    /// A stage in front of `out`.
    pub fn new(out: &'a mut dyn Write, form: Form) -> Self {
        Self { out, form }
    }

    /// Begins a part of the story.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn chapter(&mut self, title: &str) -> Result<(), String> {
        self.print(&match self.form {
            Form::Terminal => format!("\n\n### {title}\n"),
            Form::Markdown => format!("\n## {title}\n"),
        })
    }

    /// Says why the next command is typed, or what happens elsewhere.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn remark(&mut self, text: &str) -> Result<(), String> {
        self.print(&match self.form {
            Form::Terminal => format!("\n# {text}\n"),
            Form::Markdown => format!("\n{text}\n"),
        })
    }

    /// Types a command on a server; its output is shown as it comes.
    ///
    /// # Errors
    /// When it does not start, or nobody listens.
    pub fn run(&mut self, server: &Host, line: &str) -> Result<Shown, String> {
        let host = server.namespace().name();
        if self.form == Form::Markdown {
            self.print("\n```console\n")?;
        }
        self.print(&format!("core@{host} ~ $ {line}\n"))?;
        let shown = self
            .stream(server, line)
            .map_err(|e| format!("{line}: {e}"))?;
        if self.form == Form::Markdown {
            self.print("```\n")?;
        }
        Ok(shown)
    }

    /// Runs the command, passing its output on as it comes.
    fn stream(&mut self, server: &Host, line: &str) -> io::Result<Shown> {
        let (reader, writer) = io::pipe()?;
        let mut command: Command = server.namespace().command_line(line);
        command.env("PATH", path()).stdin(Stdio::null());
        let mut child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
        // `command` holds the writing ends: without them the pipe ends with the child.
        drop(command);
        let (sender, lines) = mpsc::channel();
        // Ends with whoever has the pipe last.
        thread::spawn(move || {
            let mut lines = BufReader::new(reader).lines();
            lines.try_for_each(|line| sender.send(line))
        });
        let ended = self.pass_on(&lines);
        if ended.is_err() {
            child.kill()?;
        }
        let code = process::code(child.wait()?);
        let (line, text) = (line.to_owned(), ended?);
        Ok(Shown { line, text, code })
    }

    /// Shows lines until there is no more. Returns all of them.
    fn pass_on(&mut self, lines: &Receiver<io::Result<String>>) -> io::Result<String> {
        let deadline = Instant::now() + VERB_DEADLINE;
        let mut text = String::new();
        loop {
            match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let line = line? + "\n";
                    self.out.write_all(line.as_bytes())?;
                    self.out.flush()?;
                    text += &line;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(text),
                Err(RecvTimeoutError::Timeout) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    fn print(&mut self, text: &str) -> Result<(), String> {
        let written = self.out.write_all(text.as_bytes());
        written
            .and_then(|()| self.out.flush())
            .map_err(|e| e.to_string())
    }
}

impl Shown {
    /// Itself, if it ended with 0.
    ///
    /// # Errors
    /// Otherwise, with its status.
    pub fn good(self) -> Result<Self, String> {
        let code = self.code;
        self.check(code == 0, &format!("exit status {code}"))
    }

    /// Itself, if its output contains `text`.
    ///
    /// # Errors
    /// Otherwise, with what is missing.
    pub fn says(self, text: &str) -> Result<Self, String> {
        let is_there = self.text.contains(text);
        self.check(is_there, &format!("the output lacks \"{text}\""))
    }

    /// Itself, if that is so.
    ///
    /// # Errors
    /// Otherwise, with what is wrong.
    pub fn check(self, is_so: bool, wrong: &str) -> Result<Self, String> {
        if is_so {
            Ok(self)
        } else {
            Err(format!("{}: {wrong}", self.line))
        }
    }
}

/// The search path with the binary under test in front.
pub(crate) fn path() -> OsString {
    let own = binary().parent().map(ToOwned::to_owned);
    let inherited = env::var_os("PATH").unwrap_or_else(|| "/usr/sbin:/usr/bin:/sbin:/bin".into());
    let all = own.into_iter().chain(env::split_paths(&inherited));
    env::join_paths(all).unwrap_or(inherited)
}
