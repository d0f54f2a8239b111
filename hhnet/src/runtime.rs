// SPDX-License-Identifier: Apache-2.0
//! The runtime directory: what exists only while hhnet is at work, or has left
//! something to be cleaned up.

use std::{fs, io, os::unix::fs::DirBuilderExt, path::Path};

use crate::fault;

/// The directory itself, root's alone to write.
pub const DIRECTORY: &str = "/run/hhnet";
/// The agent listens here.
pub const SOCKET: &str = "/run/hhnet/agent.sock";
/// Whoever holds a lock on it is the agent.
pub const LOCK: &str = "/run/hhnet/agent.lock";
/// See [`crate::session::record`].
pub const LEASES: &str = "/run/hhnet/leases";
/// See [`crate::journal`].
pub const JOURNAL: &str = "/run/hhnet/journal.json";

/// Makes the directory.
///
/// # Errors
/// When it cannot be made, or the name is taken by something else.
pub fn create() -> io::Result<()> {
    fault::step("making the runtime directory");
    match fs::DirBuilder::new().mode(0o755).create(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            // Not a link to somewhere else.
            if fs::symlink_metadata(DIRECTORY)?.is_dir() {
                Ok(())
            } else {
                Err(io::Error::new(error.kind(), "it is not a directory"))
            }
        }
        other => other,
    }
}

/// Removes a file; one that is not there is no error.
///
/// # Errors
/// As of the file system.
pub fn remove(file: impl AsRef<Path>) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
