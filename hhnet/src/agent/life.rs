// SPDX-License-Identifier: Apache-2.0
//! How an agent comes to be the only one, and makes room for the next.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::Path,
};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::{
        resource::{Resource, getrlimit, setrlimit},
        stat::{major, minor},
    },
    unistd::Pid,
};
use tokio::net::UnixListener;
use tracing::{info, warn};

use crate::{fault, file, link::LinkError, runtime};

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
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o600);
    let file = file::open(Path::new(runtime::LOCK), &mut options).map_err(at)?;
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

/// The process that is the agent, as seen from here: whom to name, or to end, when it
/// cannot even be connected to. None where the lock may be somebody else's, or `/proc` is
/// of other processes than ours.
pub fn holder() -> Option<Pid> {
    runtime::check().ok()?;
    let lock = file::open(Path::new(runtime::LOCK), OpenOptions::new().read(true)).ok()?;
    let own = fs::read_link("/proc/self").ok()?;
    if own != Path::new(&Pid::this().to_string()) {
        return None;
    }
    let locks = fs::read_to_string("/proc/locks").ok()?;
    holder_of(&locks, &lock.metadata().ok()?)
}

/// Reads `lock_get_status` in fs/locks.c: `1: FLOCK  ADVISORY  WRITE PID MAJ:MIN:INODE 0 EOF`.
/// The device is that of the file on a tmpfs, as /run is; not so on btrfs.
fn holder_of(locks: &str, file: &impl MetadataExt) -> Option<Pid> {
    let (dev, inode) = (file.dev(), file.ino());
    let file = format!("{:02x}:{:02x}:{inode}", major(dev), minor(dev));
    let held_by = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        // One that waits has an arrow in the second place.
        [_, "FLOCK", _, _, pid, of, ..] if of == file => pid.parse().ok(),
        _ => None,
    };
    locks.lines().find_map(held_by).map(Pid::from_raw)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_is_who_has_the_lock_not_who_waits_for_it() {
        let file = tempfile();
        let about = file.metadata().expect("it is open");
        let lock = Flock::lock(file, FlockArg::LockExclusive).expect("nobody else has it");
        let locks = fs::read_to_string("/proc/locks").expect("/proc");
        assert_eq!(holder_of(&locks, &about), Some(Pid::this()));
        let waiting = locks.replace(": FLOCK", ": -> FLOCK");
        assert_eq!(holder_of(&waiting, &about), None);
        drop(lock);
        let locks = fs::read_to_string("/proc/locks").expect("/proc");
        assert_eq!(holder_of(&locks, &about), None);
    }

    /// A file without a name.
    fn tempfile() -> File {
        let mut options = OpenOptions::new();
        options.write(true).custom_flags(libc::O_TMPFILE);
        options.open("/dev/shm").expect("a tmpfs")
    }
}
