// SPDX-License-Identifier: Apache-2.0
//! The command's side: finds the agent, starts it when it is missing, sends it
//! the command line and passes its reply on.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::{
        signal::{Signal, kill},
        socket::{getsockopt, sockopt::PeerCredentials},
    },
    unistd::{Pid, geteuid},
};
use serde::de::DeserializeOwned;
use socket2::{Domain, SockAddr, Socket, Type};
use tracing::debug;

use crate::{
    agent, errand, fault,
    host::unit,
    program, runtime,
    wire::{self, Frame},
};

/// How long a missing agent may take to appear, or a leaving one to be gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an agent may take to say that it has heard: it does so beside
/// everything else, so one that does not is stopped or stuck.
const HEARING: Duration = Duration::from_secs(10);
/// How long an agent that was started may take to listen, or the one that was
/// faster.
const STARTING: Duration = Duration::from_secs(1);
/// Pause before looking for it again.
const RETRY: Duration = Duration::from_millis(2);

/// What to do with an agent that does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unanswered {
    /// Fail, and say so.
    Fail,
    /// End it and start another one: for `cleanup`, which must always work.
    Kill,
}

/// It does not even take our connection.
#[derive(Debug, thiserror::Error)]
#[error("the agent takes no connections")]
struct BacklogFull;

/// How an exchange ended.
enum Exchange {
    /// With this exit status.
    Done(u8),
    /// The agent left before it began: another one may be asked.
    Left,
    /// It is there and says nothing.
    Silent(Pid),
}

/// Sends a command line to the agent and hands each piece of the reply to
/// `show`. Starts an agent when there is none.
///
/// Returns the exit status of the command.
///
/// # Errors
/// When no agent can be started or reached, or `show` fails.
pub fn call(
    args: &[OsString],
    unanswered: Unanswered,
    mut show: impl FnMut(Frame) -> io::Result<()>,
) -> io::Result<u8> {
    let mut deadline = Instant::now() + PATIENCE;
    loop {
        match exchange(reach(deadline), args, &mut show)? {
            Exchange::Done(status) => return Ok(status),
            Exchange::Left if Instant::now() < deadline => thread::sleep(RETRY),
            Exchange::Left => return Err(io::ErrorKind::ConnectionReset.into()),
            // The process id of a peer in another pid namespace is zero, which
            // would mean all of us.
            Exchange::Silent(pid) if unanswered == Unanswered::Kill && pid.as_raw() > 0 => {
                kill(pid, Signal::SIGKILL)?;
                deadline = Instant::now() + PATIENCE;
            }
            Exchange::Silent(pid) => return Err(silent(pid)),
        }
    }
}

/// As [`call`], but `None` when there is no agent.
///
/// # Errors
/// When an agent is there and cannot be reached, or `show` fails.
pub fn call_running(
    args: &[OsString],
    mut show: impl FnMut(Frame) -> io::Result<()>,
) -> io::Result<Option<u8>> {
    let stream = connect();
    if matches!(&stream, Err(error) if is_absent(error)) {
        return Ok(None);
    }
    match exchange(stream, args, &mut show)? {
        Exchange::Done(status) => Ok(Some(status)),
        Exchange::Left => Ok(None),
        Exchange::Silent(pid) => Err(silent(pid)),
    }
}

/// What the agent answers to a command line that asks for JSON; `None` without one.
///
/// # Errors
/// When the agent refuses, with its reason, or says what is no JSON of this sort.
pub fn ask<R: DeserializeOwned>(args: &[OsString]) -> io::Result<Option<R>> {
    let (mut answer, mut complaint) = (Vec::new(), String::new());
    let status = call_running(args, |frame| {
        match frame {
            Frame::Stdout(text) => answer.extend(text),
            Frame::Stderr(text) => complaint += &String::from_utf8_lossy(&text),
            Frame::Heard
            | Frame::Accepted
            | Frame::Progress(_)
            | Frame::Errand(_)
            | Frame::Exit(_) => {}
        }
        Ok(())
    })?;
    match status {
        None => Ok(None),
        Some(0) => Ok(Some(serde_json::from_slice(&answer)?)),
        Some(_) => {
            let reason = complaint.trim_start_matches("Error: ").trim_end();
            Err(io::Error::other(reason.to_owned()))
        }
    }
}

fn silent(pid: Pid) -> io::Error {
    io::Error::other(format!(
        "the agent, process {pid}, does not answer; hhnet cleanup replaces it"
    ))
}

fn is_backlog_full(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(|inner| inner.is::<BacklogFull>())
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            // Something else has our directory's name: starting an agent says so.
            | io::ErrorKind::NotADirectory
    )
}

/// Whoever listens there has to be who we are: only root can have made the socket,
/// and what he says is believed.
///
/// One that is stopped takes no connections: once its backlog is full, the kernel lets
/// us wait for as long as a write may take (`unix_stream_connect` in net/unix).
fn connect() -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_write_timeout(Some(HEARING))?;
    match socket.connect(&SockAddr::unix(runtime::SOCKET)?) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            return Err(io::Error::other(BacklogFull));
        }
        other => other?,
    }
    let stream = UnixStream::from(OwnedFd::from(socket));
    let uid = getsockopt(&stream, PeerCredentials)?.uid();
    if uid == geteuid().as_raw() {
        return Ok(stream);
    }
    let reason = format!("{}: user {uid} listens there, not root", runtime::SOCKET);
    Err(io::Error::new(io::ErrorKind::PermissionDenied, reason))
}

/// A connection to the agent, which is started if there is none.
fn reach(deadline: Instant) -> io::Result<UnixStream> {
    loop {
        match connect() {
            Err(error) if Instant::now() > deadline => return Err(error),
            Err(error) if is_absent(&error) => start()?,
            other => return other,
        }
        // The new agent listens before its start is over, but it may have lost
        // the race against another one that is not that far yet.
        let soon = Instant::now() + STARTING;
        while Instant::now() < soon {
            match connect() {
                Err(error) if is_absent(&error) => thread::sleep(RETRY),
                other => return other,
            }
        }
    }
}

fn exchange(
    connection: io::Result<UnixStream>,
    args: &[OsString],
    show: &mut impl FnMut(Frame) -> io::Result<()>,
) -> io::Result<Exchange> {
    let mut stream = match connection {
        Err(error) if is_backlog_full(&error) => {
            return agent::holder().map(Exchange::Silent).ok_or(error);
        }
        other => other?,
    };
    fault::step("sending the request");
    stream.set_read_timeout(Some(HEARING))?;
    if wire::write_request(&mut stream, args).is_err() {
        return Ok(Exchange::Left);
    }
    let mut accepted = false;
    loop {
        fault::step("reading the reply");
        match Frame::read(&mut stream) {
            // What is asked may take long.
            Ok(Frame::Heard) => stream.set_read_timeout(None)?,
            Ok(Frame::Accepted) => accepted = true,
            Ok(Frame::Exit(status)) => return Ok(Exchange::Done(status)),
            Ok(Frame::Errand(errand)) => {
                let answer = wire::encode_answer(&errand::run(&errand));
                // One that has gone meanwhile is noticed by the next read.
                let _ = stream.write_all(&answer);
            }
            Ok(frame) => show(frame)?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let pid = getsockopt(&stream, PeerCredentials)?.pid();
                return Ok(Exchange::Silent(Pid::from_raw(pid)));
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(io::Error::other("the agent's reply makes no sense"));
            }
            Err(_) if !accepted => return Ok(Exchange::Left),
            Err(_) => return Err(io::Error::other("the agent died while it was at work")),
        }
    }
}

/// Starts an agent and waits until it listens or has found another one.
fn start() -> io::Result<()> {
    let program = program::path()?;
    if unit::is_possible() {
        let listens = || !matches!(connect(), Err(error) if is_absent(&error));
        match unit::start(&program, listens) {
            Ok(()) => return Ok(()),
            Err(error) => debug!("the agent as a unit: {error}; now as a plain process"),
        }
    }
    start_process(&program)
}

/// As a process that keeps nothing of ours. It holds a pipe until it is ready,
/// and writes to it only why it could not become so.
fn start_process(program: &Path) -> io::Result<()> {
    let mut command = program::clean(program);
    command
        .arg("agent")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    for name in program::PASSED {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    fault::step("starting the agent");
    let mut agent = command.spawn()?;
    fault::step("the agent was started");
    let mut complaint = String::new();
    if let Some(mut pipe) = agent.stdout.take() {
        pipe.read_to_string(&mut complaint)?;
    }
    match complaint.trim() {
        "" => Ok(()),
        complaint => Err(io::Error::other(complaint)),
    }
}
