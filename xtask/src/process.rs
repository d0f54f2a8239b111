// SPDX-License-Identifier: Apache-2.0
//! Running other programs, with errors that name the command.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::progress::{self, Step};

/// How much of a failed command's output is shown.
const TAIL_LINES: usize = 40;

/// Runs a command the user watches, such as cargo, whose own output is the progress.
pub(crate) fn visible(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting {}", describe(command)))?;
    check(command, status, "")
}

/// Standard output of a command; its standard error is only shown when it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", describe(command)))?;
    check(
        command,
        output.status,
        &String::from_utf8_lossy(&output.stderr),
    )?;
    String::from_utf8(output.stdout)
        .with_context(|| format!("{}: output is not UTF-8", describe(command)))
}

/// Runs a command the user watches, and keeps what it wrote to its standard output.
pub(crate) fn watched(command: &mut Command) -> Result<(ExitStatus, String)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", describe(command)))?;
    let stdout = child.stdout.take().context("the child has no stdout")?;
    let kept = progress::relay(stdout).context("relaying output")?;
    let status = child
        .wait()
        .with_context(|| format!("waiting for {}", describe(command)))?;
    Ok((status, kept))
}

/// Runs a command within `step`: its newest line is the step's progress, and its last
/// lines are in the error if it fails.
pub(crate) fn within(step: &Step, command: &mut Command) -> Result<()> {
    let (reader, writer) = io::pipe().context("creating a pipe")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("duplicating a pipe")?)
        .stderr(writer)
        .spawn()
        .with_context(|| format!("starting {}", describe(command)))?;
    // The command still holds the writing ends; without them the reader sees the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let mut tail = VecDeque::new();
    for line in BufReader::new(reader).split(b'\n') {
        let line = String::from_utf8_lossy(&line.context("reading a pipe")?).into_owned();
        step.progress(line.trim());
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(line);
    }
    let status = child
        .wait()
        .with_context(|| format!("waiting for {}", describe(command)))?;
    check(command, status, &Vec::from(tail).join("\n"))
}

fn check(command: &Command, status: ExitStatus, details: &str) -> Result<()> {
    if !status.success() {
        bail!("{}: {status}\n{}", describe(command), details.trim_end());
    }
    Ok(())
}

/// The command line as one would type it, good enough for messages.
fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    format!(
        "`{}`",
        words
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    )
}
