// SPDX-License-Identifier: Apache-2.0
//! What somebody in front of a terminal sees: tmux keeps the screen, and shells in it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::namespace::{Namespace, unprivileged};
use crate::process;
use crate::wait::{self, PATIENCE};

/// What the shell asks with, if it takes it.
const PROMPT: &str = "$ ";

/// A terminal with a shell in it, for as long as somebody looks.
#[derive(Debug)]
pub struct Screen<'a> {
    machine: &'a Namespace,
    socket: PathBuf,
    is_nobody: bool,
}

impl<'a> Screen<'a> {
    /// Of root.
    ///
    /// # Panics
    /// When there is no tmux.
    pub fn of_root(machine: &'a Namespace, columns: u16, lines: u16) -> Self {
        Self::new(machine, columns, lines, false)
    }

    /// Of a user without any right.
    ///
    /// # Panics
    /// When there is no tmux.
    pub fn of_nobody(machine: &'a Namespace, columns: u16, lines: u16) -> Self {
        Self::new(machine, columns, lines, true)
    }

    fn new(machine: &'a Namespace, columns: u16, lines: u16, is_nobody: bool) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("hhnet-screen-{}-{number}", std::process::id());
        let screen = Self {
            machine,
            socket: std::env::temp_dir().join(name),
            is_nobody,
        };
        let size = [columns.to_string(), lines.to_string()];
        let [columns, lines] = size.each_ref();
        #[rustfmt::skip]
        screen.tmux(&[
            "new-session", "-d", "-x", columns, "-y", lines, "sh", ";",
            "set-option", "-g", "status", "off", ";",
            "resize-window", "-x", columns, "-y", lines,
        ]);
        // Where sh is bash, root's prompt is not ours.
        screen.expect("a prompt", |text| !text.trim().is_empty());
        screen
    }

    /// Its size from now on.
    pub fn resize(&self, columns: u16, lines: u16) {
        let (columns, lines) = (columns.to_string(), lines.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &lines]);
    }

    /// Types keys, by tmux's names of them: `q`, `Tab`, `C-c`.
    pub fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Types a command line into the shell.
    pub fn run(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.press("Enter");
    }

    /// All lines, those below the last one that has text as well.
    pub fn text(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be.
    ///
    /// # Panics
    /// When it is not in time.
    #[track_caller]
    pub fn expect(&self, what: &str, mut seen: impl FnMut(&str) -> bool) {
        let found = wait::poll(PATIENCE, || seen(&self.text()).then_some(()));
        assert!(
            found.is_some(),
            "{what}: not on the screen:\n{}",
            self.text()
        );
    }

    #[track_caller]
    fn tmux(&self, arguments: &[&str]) -> String {
        let mut tmux: Command = self.machine.command("tmux");
        tmux.args(["-u", "-f", "/dev/null", "-S"]).arg(&self.socket);
        tmux.args(arguments);
        // Of the user's own there may be anything.
        tmux.env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("TERM", "xterm");
        tmux.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        tmux.env("PS1", PROMPT)
            .env("HOME", "/")
            .env("SHELL", "/bin/sh");
        if self.is_nobody {
            unprivileged(&mut tmux);
        }
        let done = process::run(&mut tmux, PATIENCE);
        done.success(&format!("tmux {}", arguments.join(" ")))
            .stdout
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // Of a test that fails, there may be no server any more.
        let mut tmux = self.machine.command("tmux");
        tmux.arg("-S").arg(&self.socket).arg("kill-server");
        process::run(&mut tmux, PATIENCE);
        let _ = std::fs::remove_file(&self.socket);
    }
}
