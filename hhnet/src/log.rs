// SPDX-License-Identifier: Apache-2.0
//! `/var/log/hhnet.log`: readable by everyone and never large, because the
//! harness collects it from every server.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Mutex,
};

use tracing_subscriber::{EnvFilter, fmt::writer::MakeWriterExt};

const FILE: &str = "/var/log/hhnet.log";
/// Bytes after which the file is put aside; with the one put aside before, it
/// stays under a megabyte.
const LIMIT: u64 = 480 << 10;

/// Sends what the agent logs to the file, from level info on, and to stderr if
/// there is somebody who reads it there, as journald does.
pub fn to_file(and_stderr: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_target(false);
    let file: Box<dyn Write + Send> = match Rotated::open(Path::new(FILE), LIMIT) {
        Ok(file) => Box::new(file),
        // A machine without a writable /var/log is no reason to fail.
        Err(_) => Box::new(io::sink()),
    };
    let file = Mutex::new(file);
    if and_stderr {
        log.with_writer(file.and(io::stderr)).init();
    } else {
        log.with_writer(file).init();
    }
}

/// Sends what a command logs to stderr, if `RUST_LOG` asks for anything.
pub fn to_stderr() {
    if let Ok(filter) = EnvFilter::try_from_default_env() {
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_ansi(io::stderr().is_terminal())
            .with_writer(io::stderr)
            .init();
    }
}

/// A file that is put aside when it has grown to its limit.
struct Rotated {
    path: PathBuf,
    file: File,
    size: u64,
    limit: u64,
}

impl Rotated {
    fn open(path: &Path, limit: u64) -> io::Result<Rotated> {
        // Not through a link somebody left in its place.
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o644)
            .custom_flags(libc::O_NOFOLLOW)
            .open(path)?;
        // The harness collects it as an ordinary user.
        file.set_permissions(fs::Permissions::from_mode(0o644))?;
        let size = file.metadata()?.len();
        Ok(Rotated {
            path: path.to_owned(),
            file,
            size,
            limit,
        })
    }
}

impl Write for Rotated {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.size >= self.limit {
            // Somebody may have removed it; there is a new one all the same.
            let _ = fs::rename(&self.path, self.path.with_extension("log.1"));
            *self = Rotated::open(&self.path, self.limit)?;
        }
        let written = self.file.write(line)?;
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_never_grows_past_its_limit_by_more_than_a_line() {
        let path = std::env::temp_dir().join(format!("hhnet-log-{}.log", std::process::id()));
        let mut log = Rotated::open(&path, 100).unwrap();
        for _ in 0..50 {
            log.write_all(&[b'x'; 30]).unwrap();
            assert!(fs::metadata(&path).unwrap().len() <= 130);
        }
        fs::remove_file(&path).unwrap();
        for _ in 0..5 {
            log.write_all(&[b'x'; 30]).unwrap();
        }
        assert!(path.exists(), "it is there again after somebody removed it");
        let aside = path.with_extension("log.1");
        assert!(fs::metadata(&aside).unwrap().len() <= 130);
        fs::remove_file(path).unwrap();
        fs::remove_file(aside).unwrap();
    }
}
