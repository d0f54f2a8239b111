// SPDX-License-Identifier: Apache-2.0
//! Files that are ours alone: opened by their own name, without following links, and
//! refused where somebody else has, or may have, put something in their place.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use nix::{libc, unistd::geteuid};

use crate::runtime;

/// Bits of a mode by which others than the owner may write.
const OTHERS_WRITE: u32 = 0o022;

/// Opens a file, or makes it.
///
/// # Errors
/// As of the file system; and for what is a link, no file, somebody else's, or has a
/// second name somewhere.
pub fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Without waiting for the other end, if it is a FIFO.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = match options.custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) => return Err(named(error)),
    };
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(refused("it is no file"));
    }
    if about.nlink() > 1 {
        return Err(refused("it has a second name"));
    }
    is_owned(&about)?;
    Ok(file)
}

/// What the system's numbers mean here.
fn named(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(libc::ELOOP) => refused("it is a symbolic link"),
        // A directory; a FIFO that nobody reads, or a socket.
        Some(libc::EISDIR | libc::ENXIO) => refused("it is no file"),
        _ => error,
    }
}

fn refused(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, reason.into())
}

/// Whether something is ours.
///
/// # Errors
/// When it is not, with the user it belongs to.
pub fn is_owned(about: &Metadata) -> io::Result<()> {
    match about.uid() {
        uid if uid == geteuid().as_raw() => Ok(()),
        uid => Err(refused(format!("it belongs to user {uid}"))),
    }
}

/// Whether nobody else may write to something.
///
/// # Errors
/// When somebody may.
pub fn is_private(about: &Metadata) -> io::Result<()> {
    if about.mode() & OTHERS_WRITE == 0 {
        Ok(())
    } else {
        Err(refused("others may write to it"))
    }
}

/// All of a file that nobody else can have written.
///
/// # Errors
/// As [`open`], and when others may write to it.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = open(path, OpenOptions::new().read(true))?;
    is_private(&file.metadata()?)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Makes a file, in the place of whatever has its name.
///
/// # Errors
/// As of the file system.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    runtime::remove(path)?;
    // Never through a link that was made since.
    let mut options = OpenOptions::new();
    // Ours alone to write, also for who has another mask.
    options.write(true).create_new(true).mode(0o644);
    let mut file = options.open(path)?;
    file.write_all(bytes.as_ref())
}

/// Gives a file another name, in the place of whatever has that.
///
/// # Errors
/// As of the file system.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            runtime::remove(to)?;
            fs::rename(from, to)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::fs::{PermissionsExt as _, symlink},
        path::PathBuf,
    };

    use nix::{sys::stat::Mode, unistd::mkfifo};

    use super::*;

    /// A directory with a file in it.
    fn scratch(test: &str) -> (PathBuf, PathBuf) {
        let directory = std::env::temp_dir().join(format!("hhnet-{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let theirs = directory.join("theirs");
        fs::write(&theirs, "secret").unwrap();
        (directory, theirs)
    }

    #[test]
    fn what_is_no_file_of_ours_is_not_read() {
        let (directory, theirs) = scratch("file-read");
        let [link, fifo, twin, open] = ["link", "fifo", "twin", "open"].map(|n| directory.join(n));
        symlink(&theirs, &link).unwrap();
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        fs::hard_link(&theirs, &twin).unwrap();
        fs::write(&open, "").unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o666)).unwrap();
        for (path, reason) in [
            (&link, "it is a symbolic link"),
            (&fifo, "it is no file"),
            (&twin, "it has a second name"),
            (&open, "others may write to it"),
            (&directory, "it is no file"),
        ] {
            assert_eq!(read(path).unwrap_err().to_string(), reason);
        }
        fs::remove_file(twin).unwrap();
        assert_eq!(read(&theirs).unwrap(), b"secret");
        if geteuid().is_root() {
            std::os::unix::fs::chown(&theirs, Some(65534), None).unwrap();
            let refused = read(&theirs).unwrap_err();
            assert_eq!(refused.to_string(), "it belongs to user 65534");
        }
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn what_is_written_replaces_the_name_and_not_what_it_leads_to() {
        let (directory, theirs) = scratch("file-write");
        let [link, full] = ["link", "full"].map(|name| directory.join(name));
        symlink(&theirs, &link).unwrap();
        fs::create_dir_all(full.join("sub")).unwrap();
        symlink(&theirs, full.join("link")).unwrap();
        for path in [&link, &full] {
            write(path, "ours").unwrap();
            assert_eq!(read(path).unwrap(), b"ours");
        }
        let taken = directory.join("taken");
        fs::create_dir_all(taken.join("sub")).unwrap();
        for from in [&link, &full] {
            rename(from, &taken).unwrap();
            assert_eq!(read(&taken).unwrap(), b"ours");
        }
        assert_eq!(fs::read_to_string(theirs).unwrap(), "secret");
        fs::remove_dir_all(directory).unwrap();
    }
}
