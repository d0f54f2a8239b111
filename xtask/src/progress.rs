// SPDX-License-Identifier: Apache-2.0
//! What the user sees while we work; everything xtask prints goes through here.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "xtask talks to its user"
)]

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};

/// A piece of work that takes noticeable time: a spinner on a terminal, else a line
/// when it starts and a line when it ends.
pub(crate) struct Step {
    name: String,
    started: Instant,
    spinner: ProgressBar,
}

impl Step {
    /// Shows the newest thing the step did; only on a terminal.
    pub(crate) fn progress(&self, message: &str) {
        self.spinner.set_message(message.to_owned());
    }
}

/// Runs `work` as an announced step.
pub(crate) fn step<T>(name: &str, work: impl FnOnce(&Step) -> Result<T>) -> Result<T> {
    // A ProgressBar draws nothing at all when stderr is not a terminal.
    let spinner = ProgressBar::new_spinner()
        .with_style(style())
        .with_prefix(name.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(100));
    let step = Step {
        name: name.to_owned(),
        started: Instant::now(),
        spinner,
    };
    if step.spinner.is_hidden() {
        eprintln!("==> {}", step.name);
    }
    let result = work(&step);
    step.spinner.finish_and_clear();
    let outcome = if result.is_ok() { "done" } else { "FAILED" };
    eprintln!(
        "==> {}: {outcome} ({:.1} s)",
        step.name,
        step.started.elapsed().as_secs_f64()
    );
    result
}

/// One line of information.
pub(crate) fn note(message: &str) {
    eprintln!("==> {message}");
}

/// An error with its causes, innermost last.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

/// One line of a command's result.
pub(crate) fn answer(line: &str) {
    println!("{line}");
}

/// Passes a program's output on to our stdout as it comes, and keeps a copy.
pub(crate) fn relay(mut output: impl Read) -> io::Result<String> {
    let mut kept = Vec::new();
    let mut buffer = [0; 64 * 1024];
    loop {
        let length = output.read(&mut buffer)?;
        if length == 0 {
            return Ok(String::from_utf8_lossy(&kept).into_owned());
        }
        kept.extend_from_slice(&buffer[..length]);
        let mut stdout = io::stdout().lock();
        stdout.write_all(&buffer[..length])?;
        stdout.flush()?;
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {prefix} {elapsed:.dim} {wide_msg:.dim}")
        .expect("the template is a constant")
}
