// SPDX-License-Identifier: Apache-2.0
//! The file this program was started from, and what it may be started with.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::fault;

/// Where programs are looked for by what we start, whatever the caller's is.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A variable that may pass: what is logged.
pub const LOG_FILTER: &str = "RUST_LOG";

/// What an agent that is started by a command gets of the command's.
pub const PASSED: &[&str] = if cfg!(feature = "fault") {
    &[LOG_FILTER, fault::VARIABLE]
} else {
    &[LOG_FILTER]
};

/// The other one: somebody does not want colours (<https://no-color.org>).
pub const NO_COLOR: &str = "NO_COLOR";

/// What the kernel appends to the path of a file that is no more (proc(5)).
const DELETED: &str = " (deleted)";

/// The path to start this program by, also when its file was replaced since:
/// then it is the new one.
///
/// # Errors
/// When there is no file any more.
pub fn path() -> io::Result<PathBuf> {
    let path = env::current_exe()?;
    present(&path).ok_or_else(|| {
        let gone = format!("{}: the file of this program is gone", path.display());
        io::Error::new(io::ErrorKind::NotFound, gone)
    })
}

/// A command whose environment has nothing of the caller's.
pub fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH);
    command
}

/// Whether the user does not want colours.
pub fn wants_no_color() -> bool {
    env::var_os(NO_COLOR).is_some_and(|value| !value.is_empty())
}

fn present(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path.to_owned());
    }
    let replaced = PathBuf::from(path.to_str()?.strip_suffix(DELETED)?);
    replaced.is_file().then_some(replaced)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_that_was_replaced_is_found_and_one_that_is_gone_is_not() {
        let dir = env::temp_dir().join(format!("hhnet-program-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (file, deleted) = (dir.join("hhnet"), dir.join("hhnet (deleted)"));
        assert_eq!(present(&deleted), None);
        fs::write(&file, "new").unwrap();
        assert_eq!(present(&deleted), Some(file.clone()));
        assert_eq!(present(&file), Some(file));
        // A name like any other.
        fs::write(&deleted, "odd").unwrap();
        assert_eq!(present(&deleted), Some(deleted));
        fs::remove_dir_all(dir).unwrap();
    }
}
