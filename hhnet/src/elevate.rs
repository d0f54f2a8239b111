// SPDX-License-Identifier: Apache-2.0
//! How a command of an ordinary user becomes root: by sudo, and no longer than
//! for the life of the command.
//!
//! ```text
//! hhnet vlan …  ──starts──▶  sudo -n -- hhnet MARKER vlan …  ──▶  hhnet, as root
//!      └────────── lifeline: the write end of its stdin ───────────────▲
//! ```
//! A user cannot send signals to what sudo has made root, and neither can
//! timeout(1) on his behalf. But whatever ends the user's process closes the
//! lifeline, and the process that is root reads the end of its stdin and is
//! gone; by that the agent learns that the caller is.

use std::{
    ffi::{OsStr, OsString},
    io::{self, Read},
    os::{
        fd::AsFd,
        unix::{ffi::OsStrExt, process::ExitStatusExt},
    },
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{SigHandler, Signal, kill, signal},
    unistd::{Pid, geteuid, getuid},
};

use crate::program::{self, LOG_FILTER, NO_COLOR};

/// First on the command line of the process that sudo starts; what follows `=`
/// is the log filter, as sudo drops the variable. Alone it gives no right: a
/// process that is not root refuses it, and one that is only dies sooner.
const MARKER: &str = "--elevated";

/// After the marker, where the user wants no colours: sudo drops that variable as well.
const PLAIN: &str = "--no-color";

/// Not by the caller's PATH: it may name anything.
const SUDO: [&str; 3] = ["/usr/bin/sudo", "/bin/sudo", "/usr/local/bin/sudo"];

/// Added to the exit status by the process that sudo starts: below are sudo's
/// own failures (1, sudo(8)), above are panics (101) and signals (128 + n).
const OFFSET: u8 = 32;
/// The highest exit status that is told apart from others.
const HIGHEST: u8 = 31;

/// Runs this command line as root.
///
/// Returns its exit status; 128 + n where a signal has ended it.
///
/// # Errors
/// When there is no sudo, or it does not let this user become root.
pub fn call(args: &[OsString]) -> io::Result<u8> {
    let mut child = command(args)?.spawn().map_err(at_sudo)?;
    // Taken from the child, or `wait` would let go of it.
    let lifeline = child.stdin.take();
    let status = child.wait().map_err(at_sudo)?;
    drop(lifeline);
    ended(status)
}

/// What runs this command line as root for as long as somebody holds its stdin.
///
/// # Errors
/// When there is no sudo.
pub fn command(args: &[OsString]) -> io::Result<Command> {
    let sudo = SUDO.map(Path::new).into_iter().find(|sudo| sudo.is_file());
    let sudo = sudo.ok_or_else(|| {
        let places = SUDO.join(", ");
        io::Error::other(format!("becoming root: there is no sudo ({places})"))
    })?;
    let program = program::path()?;
    // SAFETY: no handler is installed. Where the caller has children ignored
    // (it is inherited), the exit status of sudo would be lost.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
    let mut command = program::clean(sudo);
    command
        .args(["-n", "--"])
        .arg(&program)
        .arg(marker())
        .args(program::wants_no_color().then_some(PLAIN))
        .args(args)
        .stdin(Stdio::piped());
    Ok(command)
}

/// What the end of such a process means: the exit status of the command line.
///
/// # Errors
/// When sudo does not let this user become root.
pub fn ended(status: ExitStatus) -> io::Result<u8> {
    match status_of(status) {
        Some(status) => Ok(status),
        None => Err(refused(&program::path()?)),
    }
}

fn at_sudo(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("becoming root: sudo: {error}"))
}

fn marker() -> OsString {
    let mut marker = OsString::from(MARKER);
    if let Some(filter) = std::env::var_os(LOG_FILTER) {
        marker.push("=");
        marker.push(filter);
    }
    marker
}

/// The exit status to pass on; `None` when sudo has failed.
fn status_of(status: ExitStatus) -> Option<u8> {
    if let Some(signal) = status.signal() {
        return u8::try_from(128 + signal).ok();
    }
    let code = u8::try_from(status.code()?).ok()?;
    match code.checked_sub(OFFSET) {
        None => None,
        Some(own @ 0..=HIGHEST) => Some(own),
        Some(_) => Some(code),
    }
}

fn refused(program: &Path) -> io::Error {
    io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "becoming root: sudo has refused: user {} must be allowed to run {} without a password",
            getuid(),
            program.display()
        ),
    )
}

/// Takes the marker, and what comes with it, off the command line; whether it was there.
pub fn take_marker(args: &mut Vec<OsString>) -> bool {
    let Some(filter) = args.first().and_then(|first| filter_of(first)) else {
        return false;
    };
    args.remove(0);
    let is_plain = args.first().is_some_and(|first| first == PLAIN);
    if is_plain {
        args.remove(0);
    }
    let filter = (LOG_FILTER, (!filter.is_empty()).then_some(filter));
    let plain = (NO_COLOR, is_plain.then(|| "1".into()));
    for (name, value) in [filter, plain] {
        if let Some(value) = value {
            // SAFETY: first thing in the process: there is no other thread.
            unsafe { std::env::set_var(name, value) };
        }
    }
    true
}

/// The log filter that comes with the marker, if this is one.
fn filter_of(arg: &OsStr) -> Option<OsString> {
    match arg.as_bytes().strip_prefix(MARKER.as_bytes())? {
        [] => Some(OsString::new()),
        [b'=', filter @ ..] => Some(OsStr::from_bytes(filter).to_owned()),
        _ => None,
    }
}

/// Ties the life of the process that sudo has started to that of its caller.
///
/// # Errors
/// When sudo has started it as somebody else than root.
pub fn hold_lifeline() -> io::Result<()> {
    if !geteuid().is_root() {
        return Err(io::Error::other("becoming root: sudo has not made it so"));
    }
    let stdin = io::stdin();
    let mut polled = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    if poll(&mut polled, PollTimeout::ZERO)? > 0 {
        // Before anything is begun that would have to be undone.
        end_if_cut();
    }
    thread::Builder::new()
        .name("lifeline".to_owned())
        .spawn(|| {
            loop {
                end_if_cut();
            }
        })?;
    Ok(())
}

/// Waits until there is something to read, and ends with the caller. By the one
/// signal that nothing inherited or half done can hold up.
fn end_if_cut() {
    match io::stdin().read(&mut [0; 64]) {
        Ok(1..) => {}
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
        Ok(0) | Err(_) => {
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
    }
}

/// What the process that sudo has started says instead of its exit status.
pub fn reported(status: u8) -> u8 {
    OFFSET + status.min(HIGHEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sudo_says_of_itself_is_told_from_what_hhnet_says() {
        for own in [0, 1, 2, HIGHEST] {
            let raw = ExitStatus::from_raw(i32::from(reported(own)) << 8);
            assert_eq!(status_of(raw), Some(own));
        }
        assert_eq!(status_of(ExitStatus::from_raw(1 << 8)), None, "sudo's own");
        assert_eq!(
            status_of(ExitStatus::from_raw(101 << 8)),
            Some(101),
            "panic"
        );
        assert_eq!(status_of(ExitStatus::from_raw(9)), Some(137), "killed");
        assert_eq!(
            status_of(ExitStatus::from_raw(143 << 8)),
            Some(143),
            "told so"
        );
        assert_eq!(reported(200), OFFSET + HIGHEST);
    }

    #[test]
    fn only_the_marker_is_taken_off() {
        for (line, taken) in [
            (vec!["--elevated", "status"], true),
            (vec!["--elevated=", "status"], true),
            (vec!["--elevated", "--no-color"], true),
            (vec!["--no-color", "status"], false),
            (vec!["--elevatedly", "status"], false),
            (vec!["status", "--elevated"], false),
            (vec![], false),
        ] {
            let mut args: Vec<OsString> = line.iter().map(OsString::from).collect();
            assert_eq!(take_marker(&mut args), taken, "{line:?}");
            let left: &[&str] = match line[..] {
                ["--elevated", "--no-color"] => &[],
                _ => &line[usize::from(taken)..],
            };
            assert_eq!(args, left);
        }
        assert_eq!(
            filter_of("--elevated=hhnet=debug".as_ref()).unwrap(),
            "hhnet=debug"
        );
    }
}
