// SPDX-License-Identifier: Apache-2.0
//! How an agent comes to be the only one, and makes room for the next.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::resource::{Resource, getrlimit, setrlimit},
};
use tokio::net::UnixListener;
use tracing::{info, warn};

use crate::{fault, link::LinkError, runtime};

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another one has the lock: not a failure, that one is as good.
    #[error("another agent is running")]
    Another,
    /// The runtime directory, the lock or the socket cannot be made.
    #[error("{0}: {1}")]
    Runtime(&'static str, io::Error),
    /// No netlink.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Takes the lock that makes this process the agent.
///
/// # Errors
/// [`StartError::Another`] where there is one, else as of the file system.
pub fn take_lock() -> Result<Flock<File>, StartError> {
    fault::step("taking the lock");
    let at = |error| StartError::Runtime(runtime::LOCK, error);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(runtime::LOCK)
        .map_err(at)?;
    let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((_, nix::Error::EWOULDBLOCK)) => return Err(StartError::Another),
        Err((_, error)) => return Err(at(error.into())),
    };
    // An agent that left between our opening and our locking has removed the
    // file: a lock on nothing keeps nobody out.
    let ours = lock.metadata().map_err(at)?.ino();
    match fs::metadata(runtime::LOCK) {
        Ok(named) if named.ino() == ours => Ok(lock),
        _ => Err(StartError::Another),
    }
}

/// Lets go of everything inherited from the command that started us: its
/// session, its descriptors but for the pipe it waits on.
pub fn detach() {
    // Fails for a session leader, as systemd makes one of us: as good.
    let _ = nix::unistd::setsid();
    // SAFETY: called first thing in the process; nothing of ours is open yet.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
}

/// Has the process be what an agent has to be, whoever has started it.
pub fn prepare() {
    // What is written must be readable: the log, resolv.conf.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    // A leased interface takes three descriptors, and there may be thousands.
    // Where this fails, the limit stays what it is.
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// Only the holder of the lock comes here, so an old socket is a dead one's.
pub(super) fn listen() -> io::Result<UnixListener> {
    fault::step("binding the socket");
    runtime::remove(runtime::SOCKET)?;
    let mask = nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(runtime::SOCKET);
    nix::sys::stat::umask(mask);
    listener
}

/// Makes room for the next agent, and leaves no trace when there is nothing to
/// be cleaned up. Files go while the lock is held: without it they would be
/// the next agent's.
pub fn leave(lock: Flock<File>) {
    // Else systemd, asked to start us right after a cleanup, would say that we run.
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Stopping]) {
        warn!("notifying systemd: {error}");
    }
    for file in [runtime::SOCKET, runtime::LOCK] {
        fault::step("leaving");
        if let Err(error) = runtime::remove(file) {
            warn!("removing {file}: {error}");
        }
    }
    fault::step("leaving");
    // Fails while a journal is in it, as it should.
    let _ = fs::remove_dir(runtime::DIRECTORY);
    drop(lock);
    info!("agent leaves");
}

/// Tells whoever started us that we listen: systemd by its socket, a command
/// by letting go of the pipe it waits on.
pub fn say_ready() {
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        warn!("notifying systemd: {error}");
    }
    let _ = io::stdout().flush();
    match File::options().write(true).open("/dev/null") {
        Ok(null) => {
            if let Err(error) = nix::unistd::dup2_stdout(null.as_fd()) {
                warn!("letting go of stdout: {error}");
            }
        }
        Err(error) => warn!("/dev/null: {error}"),
    }
}
