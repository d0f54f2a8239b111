// SPDX-License-Identifier: Apache-2.0
//! A terminal without anybody in front of it.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};

/// A terminal and what was written to it.
#[derive(Debug)]
pub struct Terminal {
    line: OwnedFd,
    text: Arc<Mutex<String>>,
}

impl Terminal {
    /// One of so many columns and lines.
    ///
    /// # Panics
    /// When the kernel has no more of them.
    pub fn new(columns: u16, lines: u16) -> Self {
        let size = Winsize {
            ws_row: lines,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let OpenptyResult { master, slave } =
            openpty(Some(&size), None).expect("a pseudo terminal");
        let text = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&text);
        thread::spawn(move || {
            let mut screen = File::from(master);
            let mut bytes = [0; 4096];
            // An error is the end: nobody has it open any more.
            while let Ok(length @ 1..) = screen.read(&mut bytes) {
                let written = String::from_utf8_lossy(&bytes[..length]);
                sink.lock()
                    .expect("readers do not panic")
                    .push_str(&written);
            }
        });
        Self { line: slave, text }
    }

    /// Starts a command in it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&self, command: &mut Command) -> Child {
        let line = || Stdio::from(self.line.try_clone().expect("descriptors"));
        command.stdin(line()).stdout(line()).stderr(line());
        command
            .spawn()
            .unwrap_or_else(|e| panic!("starting {command:?}: {e}"))
    }

    /// How the terminal is set.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.line).expect("it is a terminal")
    }

    /// All that was written to it.
    pub fn text(&self) -> String {
        self.text.lock().expect("the reader did not panic").clone()
    }
}
