// SPDX-License-Identifier: Apache-2.0
//! The runtime directory: what exists only while hhnet is at work, or has left
//! something to be cleaned up.

use std::{fs, io, os::unix::fs::DirBuilderExt, path::Path};

use crate::{fault, file};

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
/// When it cannot be made, or as [`check`].
pub fn create() -> io::Result<()> {
    fault::step("making the runtime directory");
    match fs::DirBuilder::new().mode(0o755).create(DIRECTORY) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check(),
        other => other,
    }
}

/// Whether nobody else can have put anything into the directory.
///
/// # Errors
/// When the name is taken by something else, by a link to somewhere else too, when the
/// directory is somebody else's, or others may write to it.
pub fn check() -> io::Result<()> {
    match fs::symlink_metadata(DIRECTORY) {
        Ok(about) if !about.is_dir() => {
            let kind = io::ErrorKind::NotADirectory;
            Err(io::Error::new(kind, "it is not a directory"))
        }
        Ok(about) => file::is_owned(&about).and_then(|()| file::is_private(&about)),
        // What is not there has nothing in it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes a file, or whatever else has its name; what a link leads to stays. One that
/// is not there is no error.
///
/// # Errors
/// As of the file system.
pub fn remove(file: impl AsRef<Path>) -> io::Result<()> {
    match fs::remove_file(&file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::remove_dir_all(file),
        other => other,
    }
}
