// SPDX-License-Identifier: Apache-2.0
//! Wireshark's `editcap`, which takes duplicates out of a capture.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::trace::Trace;

/// The program, without being installed.
#[derive(Clone, Debug)]
pub struct Editcap {
    program: PathBuf,
    libraries: OsString,
}

impl Editcap {
    /// From the packages unpacked in that directory.
    pub fn new(root: &Path) -> Self {
        let dirs = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
        let dirs = dirs.map(|dir| root.join(dir));
        let inherited = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let all = dirs.into_iter().chain(env::split_paths(&inherited));
        Self {
            program: root.join("usr/bin/editcap"),
            libraries: env::join_paths(all).unwrap_or_default(),
        }
    }

    /// For each frame of a capture of `frames`, whether it is taken out with those
    /// options.
    ///
    /// # Errors
    /// If it cannot be started, fails or does not say what it is expected to.
    pub fn judge(&self, capture: &Path, frames: usize, options: &str) -> Result<Vec<bool>> {
        // It writes each line by itself: a pipe would wake us as often.
        let mut words = tempfile::tempfile().context("making a file")?;
        let mut command = Command::new(&self.program);
        command.env("LD_LIBRARY_PATH", &self.libraries);
        command.arg("-V").args(options.split_whitespace());
        command.arg(capture).arg("/dev/null");
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(words.try_clone().context("another descriptor")?);
        let status = command.status();
        let status = status.with_context(|| format!("starting {}", self.program.display()))?;
        ensure!(status.success(), "editcap {options}: {status}");
        words.rewind().context("back to the file's beginning")?;
        let verdicts = verdicts(BufReader::new(words), frames);
        verdicts.with_context(|| format!("editcap {options}"))
    }
}

/// Reads `Skipped: 7, Len: 60, MD5 Hash: …` and the same with `Packet:` of what stays,
/// in the order of the frames, whose numbers begin with 1.
fn verdicts(mut words: impl io::BufRead, frames: usize) -> Result<Vec<bool>> {
    let mut verdicts = Vec::with_capacity(frames);
    // One for all: there are millions.
    let mut line = String::new();
    while words.read_line(&mut line).context("reading what it says")? > 0 {
        let skipped = line.strip_prefix("Skipped: ");
        let number = skipped.or_else(|| line.strip_prefix("Packet: "));
        if let Some(number) = number.and_then(|rest| rest.split(',').next()) {
            let expected = verdicts.len() + 1;
            let is_next = number.parse() == Ok(expected);
            ensure!(is_next, "frame {number} instead of {expected}");
            verdicts.push(skipped.is_some());
        }
        line.clear();
    }
    let found = verdicts.len();
    ensure!(found == frames, "{found} frames instead of {frames}");
    Ok(verdicts)
}

/// Writes a capture of a trace, as of one interface with a clock of nanoseconds.
///
/// # Errors
/// If the file cannot be written.
pub fn write(trace: &Trace, file: File) -> io::Result<()> {
    const MAGIC_OF_NANOSECONDS: u32 = 0xa1b2_3c4d;
    const VERSION: [u16; 2] = [2, 4];
    const LONGEST: u32 = 1 << 16;
    const ETHERNET: u32 = 1;
    let mut file = BufWriter::new(file);
    file.write_all(&MAGIC_OF_NANOSECONDS.to_ne_bytes())?;
    file.write_all(&VERSION.map(u16::to_ne_bytes).concat())?;
    file.write_all(&[0, 0, LONGEST, ETHERNET].map(u32::to_ne_bytes).concat())?;
    for frame in &trace.frames {
        let (seconds, rest) = (frame.time_ns / 1_000_000_000, frame.time_ns % 1_000_000_000);
        let length = frame.bytes.len() as u32;
        let header = [seconds as u32, rest as u32, length, length];
        file.write_all(&header.map(u32::to_ne_bytes).concat())?;
        file.write_all(&frame.bytes)?;
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_editcap_says() {
        let words = "Packet: 1, Len: 60, MD5 Hash: 00\nSkipped: 2, Len: 60, MD5 Hash: 00\n\
                     Packet: 3, Len: 61, MD5 Hash: 01\n3 packets seen, 1 packet skipped\n";
        let read = |frames| verdicts(words.as_bytes(), frames);
        assert_eq!(read(3).expect("as it is said"), [false, true, false]);
        assert!(read(2).is_err(), "a frame that is not there");
        assert!(read(4).is_err(), "a frame that is not mentioned");
        assert!(verdicts(&b"Packet: x, Len: 60"[..], 1).is_err());
        assert!(verdicts(&b"Packet: 2, Len: 60"[..], 1).is_err());
    }
}
