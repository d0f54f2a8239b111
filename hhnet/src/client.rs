// SPDX-License-Identifier: Apache-2.0
//! The command's side: finds the agent, starts it when it is missing, sends it
//! the command line and passes its reply on.

use std::{
    ffi::OsString,
    io::{self, Read},
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    runtime,
    wire::{self, Frame},
};

/// How long a missing agent may take to appear, or a leaving one to be gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pause before looking for it again.
const RETRY: Duration = Duration::from_millis(2);

/// Sends a command line to the agent and hands each piece of the reply to
/// `show`. Starts an agent when there is none.
///
/// Returns the exit status of the command.
///
/// # Errors
/// When no agent can be started or reached.
pub fn call(args: &[OsString], mut show: impl FnMut(Frame)) -> io::Result<u8> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stream = match connect() {
            Ok(stream) => stream,
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(_) => {
                start()?;
                connect_soon(deadline)?
            }
        };
        // An agent that was just leaving closes without having begun, so the
        // next one is asked.
        match exchange(stream, args, &mut show)? {
            Some(status) => return Ok(status),
            None if Instant::now() < deadline => thread::sleep(RETRY),
            None => return Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

/// As [`call`], but `None` when there is no agent.
///
/// # Errors
/// When an agent is there and cannot be reached.
pub fn call_running(args: &[OsString], mut show: impl FnMut(Frame)) -> io::Result<Option<u8>> {
    match connect() {
        Ok(stream) => exchange(stream, args, &mut show),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
    )
}

fn connect() -> io::Result<UnixStream> {
    UnixStream::connect(runtime::SOCKET)
}

/// The new agent listens before its start is over, but it may have lost the
/// race against another one that is not that far yet.
fn connect_soon(deadline: Instant) -> io::Result<UnixStream> {
    loop {
        match connect() {
            Err(error) if is_absent(&error) && Instant::now() < deadline => {
                thread::sleep(RETRY);
            }
            other => return other,
        }
    }
}

/// Returns the exit status, or `None` if the agent left before it began.
fn exchange(
    mut stream: UnixStream,
    args: &[OsString],
    show: &mut impl FnMut(Frame),
) -> io::Result<Option<u8>> {
    if wire::write_request(&mut stream, args).is_err() {
        return Ok(None);
    }
    let mut accepted = false;
    loop {
        match Frame::read(&mut stream) {
            Ok(Frame::Accepted) => accepted = true,
            Ok(Frame::Exit(status)) => return Ok(Some(status)),
            Ok(frame) => show(frame),
            Err(_) if !accepted => return Ok(None),
            Err(_) => return Err(io::Error::other("it died while it was at work")),
        }
    }
}

/// Starts an agent and waits until it listens or has found another one.
fn start() -> io::Result<()> {
    let program = std::env::current_exe()?;
    if Path::new("/run/systemd/system").is_dir() && start_unit(&program) {
        return Ok(());
    }
    start_process(&program)
}

/// As a transient unit of its own, else the agent would belong to the ssh
/// session of whoever called first and die with it. The unit is started when
/// the agent says so (`sd_notify`).
fn start_unit(program: &Path) -> bool {
    let unit = format!("--unit=hhnet-agent-{}", std::process::id());
    let options = ["--quiet", "--collect", "--service-type=notify", &unit, "--"];
    Command::new("systemd-run")
        .args(options)
        .arg(program)
        .arg("agent")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// As a process that keeps nothing of ours. It holds a pipe until it is ready,
/// and writes to it only why it could not become so.
fn start_process(program: &Path) -> io::Result<()> {
    let mut agent = Command::new(program)
        .arg("agent")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut complaint = String::new();
    if let Some(mut pipe) = agent.stdout.take() {
        pipe.read_to_string(&mut complaint)?;
    }
    match complaint.trim() {
        "" => Ok(()),
        complaint => Err(io::Error::other(complaint)),
    }
}
