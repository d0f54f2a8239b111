// SPDX-License-Identifier: Apache-2.0
//! A terminal without anybody in front of it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};

use crate::wait::{self, PATIENCE};

/// A terminal and what was written to it.
#[derive(Debug)]
pub struct Terminal {
    line: OwnedFd,
    keyboard: File,
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
        let mut screen = File::from(master);
        let keyboard = screen.try_clone().expect("descriptors");
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // An error is the end: nobody has it open any more.
            while let Ok(length @ 1..) = screen.read(&mut bytes) {
                let written = String::from_utf8_lossy(&bytes[..length]);
                sink.lock()
                    .expect("readers do not panic")
                    .push_str(&written);
            }
        });
        Self {
            line: slave,
            keyboard,
            text,
        }
    }

    /// The terminal, for one of a command's three.
    ///
    /// # Panics
    /// When there are no descriptors left.
    pub fn line(&self) -> Stdio {
        Stdio::from(self.line.try_clone().expect("descriptors"))
    }

    /// Starts a command in it.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn start(&self, command: &mut Command) -> Child {
        command
            .stdin(self.line())
            .stdout(self.line())
            .stderr(self.line());
        command
            .spawn()
            .unwrap_or_else(|e| panic!("starting {command:?}: {e}"))
    }

    /// Starts a command as a login shell is started: the terminal is the one its
    /// signals come from.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn log_in(&self, command: &mut Command) -> Child {
        let take = || {
            nix::unistd::setsid()?;
            // SAFETY: TIOCSCTTY takes a number; stdin is this terminal by then.
            match unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        };
        // SAFETY: the closure only makes system calls, allowed between fork and exec.
        unsafe { command.pre_exec(take) };
        self.start(command)
    }

    /// Types something.
    ///
    /// # Panics
    /// When the terminal does not take it.
    pub fn type_in(&self, keys: &str) {
        let mut keyboard = &self.keyboard;
        keyboard.write_all(keys.as_bytes()).expect("a keyboard");
    }

    /// How the terminal is set.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.line).expect("it is a terminal")
    }

    /// All that was written to it, once its last line ends with `last`.
    ///
    /// # Panics
    /// When it does not.
    pub fn text_until(&self, last: &str) -> String {
        let ended = wait::poll(PATIENCE, || {
            Some(self.text()).filter(|text| text.ends_with('\n') && text.trim_end().ends_with(last))
        });
        ended.unwrap_or_else(|| panic!("not at {last:?}: {:?}", self.text()))
    }

    /// All that was written to it.
    pub fn text(&self) -> String {
        self.text.lock().expect("the reader did not panic").clone()
    }
}
