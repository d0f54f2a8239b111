// SPDX-License-Identifier: Apache-2.0
//! Where the facts come from: a process that is root, and writes them line by line.

use std::{
    ffi::OsString,
    io::{self, BufRead as _, BufReader, Read as _},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nix::unistd::geteuid;
use tokio::sync::mpsc::UnboundedSender;

use super::{Input, facts::Facts};
use crate::{
    client, elevate, offline, program,
    watch::{Between, watch},
};

/// The command line of that process.
const FEED: [&str; 2] = ["top", "--feed"];

/// Flows that are passed on for each order: more than any screen has lines.
const ROOM: usize = 200;

/// After a feed has ended, before the next one is started.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes the facts to stdout each second, until nobody reads them any more. Returns
/// the exit status.
///
/// # Errors
/// When the agent refuses, or the kernel cannot be asked.
pub fn feed() -> io::Result<u8> {
    let mut before: Option<Facts> = None;
    watch(Between::Nothing, move |_| {
        let mut facts = gather()?;
        if let Some(before) = &before {
            facts.compare(before);
        }
        // Rates need all of them.
        before = Some(facts.clone());
        facts.shorten(ROOM);
        Ok(serde_json::to_string(&facts)? + "\n")
    })
}

fn gather() -> io::Result<Facts> {
    let args = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
    let Some(status) = client::ask(&args("status --json"))? else {
        return Ok(Facts {
            status: offline::status()?,
            ..Facts::default()
        });
    };
    Ok(Facts {
        status,
        // As watched, which leaves out what takes a while.
        flows: client::ask(&args("flows --watch --json"))?.unwrap_or_default(),
        dups: client::ask(&args("dups --watch --json"))?.unwrap_or_default(),
        new_copies: None,
    })
}

/// Starts a feed, and another one whenever it has ended, beside everything else.
pub(super) fn follow(inputs: UnboundedSender<Input>) {
    thread::spawn(move || {
        while !inputs.is_closed() {
            let ended = start().and_then(|child| pass_on(child, &inputs));
            if let Err(error) = ended {
                let _ = inputs.send(Input::Trouble(error));
            }
            thread::sleep(PAUSE);
        }
    });
}

fn start() -> io::Result<Child> {
    let args = FEED.map(OsString::from);
    let mut command = if geteuid().is_root() {
        own(&args)?
    } else {
        elevate::command(&args)?
    };
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn()
}

/// This program again. It ends when its reader has.
fn own(args: &[OsString]) -> io::Result<Command> {
    let mut command = program::clean(&program::path()?);
    command.args(args).stdin(Stdio::null());
    Ok(command)
}

/// Passes facts on until there are no more of them.
fn pass_on(mut child: Child, inputs: &UnboundedSender<Input>) -> io::Result<()> {
    // What ends the child, if it is root: closed when this is over.
    let _lifeline = child.stdin.take();
    let complaint = child.stderr.take().map(|mut stderr| {
        thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        })
    });
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let facts = serde_json::from_str(&line?)?;
            if inputs.send(Input::Facts(Box::new(facts))).is_err() {
                return Ok(());
            }
        }
    }
    let status = child.wait()?;
    // sudo says of itself why, but to people who know it.
    let refused = (!geteuid().is_root())
        .then(|| elevate::ended(status))
        .and_then(Result::err);
    if let Some(refused) = refused {
        return Err(refused);
    }
    let complaint = complaint.and_then(|reader| reader.join().ok());
    let complaint = complaint.unwrap_or_default();
    let line = complaint.lines().last().unwrap_or_default();
    let reason = match line.trim_start_matches("Error: ") {
        "" => format!("the process that asks the agent: {status}"),
        reason => reason.to_owned(),
    };
    Err(io::Error::other(reason))
}
