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

use tracing_subscriber::EnvFilter;

use crate::{file, printable};

const FILE: &str = "/var/log/hhnet.log";
/// Bytes after which the file is put aside; with the one put aside before, it
/// stays under a megabyte.
const LIMIT: u64 = 480 << 10;

/// Sends what the agent logs to the file, from level info on, and to stderr if
/// there is somebody who reads it there, as journald does, or if there is no file.
pub fn to_file(and_stderr: bool) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_target(false);
    let (file, refused): (Box<dyn Write + Send>, _) = match Rotated::open(Path::new(FILE), LIMIT) {
        Ok(file) => (Box::new(file), None),
        // A machine without a writable /var/log is no reason to fail.
        Err(error) => (Box::new(io::sink()), Some(error)),
    };
    let stderr = (and_stderr || refused.is_some()).then(io::stderr);
    log.with_writer(Mutex::new(Lines { file, stderr })).init();
    if let Some(error) = refused {
        tracing::warn!("{FILE}: {error}; nothing is logged there");
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

/// Writes what happened where it is wanted: a line for each event, whatever is in it.
struct Lines<F> {
    file: F,
    stderr: Option<io::Stderr>,
}

impl<F: Write> Write for Lines<F> {
    /// All of an event: tracing-subscriber writes it at once.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = printable::line(text.trim_end_matches('\n')) + "\n";
        if let Some(stderr) = &mut self.stderr {
            // One of them may be full.
            let _ = stderr.write_all(text.as_bytes());
        }
        self.file.write_all(text.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
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
        let mut options = OpenOptions::new();
        let file = file::open(path, options.create(true).append(true).mode(0o644))?;
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
    fn an_event_is_a_line_and_nothing_else() {
        let mut log = Lines {
            file: Vec::new(),
            stderr: None,
        };
        log.write_all(b"refused: a\nINFO forged\x1b[2J\xff\n")
            .unwrap();
        log.write_all("INFO \u{202e}next\r\n".as_bytes()).unwrap();
        assert_eq!(
            String::from_utf8(log.file).unwrap(),
            "refused: a\\u000aINFO forged\\u001b[2J\u{fffd}\nINFO \\u202enext\\u000d\n"
        );
    }

    #[test]
    fn a_million_lines_stay_under_a_megabyte() {
        let path = std::env::temp_dir().join(format!("hhnet-many-{}.log", std::process::id()));
        let aside = path.with_extension("log.1");
        let mut log = Rotated::open(&path, LIMIT).unwrap();
        let size = |path: &Path| fs::metadata(path).map_or(0, |about| about.len());
        let mut largest = 0;
        for number in 0..1_000_000_u32 {
            log.write_all(format!("{number}: a packet was dropped\n").as_bytes())
                .unwrap();
            if number % 10_000 == 0 {
                largest = largest.max(size(&path) + size(&aside));
            }
        }
        assert!(largest > LIMIT && largest < 1 << 20, "{largest}");
        fs::remove_file(path).unwrap();
        fs::remove_file(aside).unwrap();
    }

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
