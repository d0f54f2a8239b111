// SPDX-License-Identifier: Apache-2.0
//! An initramfs: cpio archives, composed without staging directories.
//!
//! There are three, because they change at different times: the tools with the host's
//! packages, the modules with the kernel, the payload with each build.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cpio::newc::{self, Builder, ModeFileType};

use crate::progress::{Step, step};

/// What the archive holds, by absolute path in the guest.
#[derive(Default)]
pub(super) struct Archive {
    entries: BTreeMap<String, Entry>,
}

enum Entry {
    Directory,
    Link(String),
    Text(String),
    Copy {
        from: PathBuf,
        mode: u32,
        owner: u32,
    },
}

impl Archive {
    /// An empty directory.
    pub(super) fn directory(&mut self, path: &str) {
        self.add(path, Entry::Directory);
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.add(path, Entry::Link(target.to_owned()));
    }

    /// A small file of that content.
    pub(super) fn text(&mut self, path: &str, content: &str) {
        self.add(path, Entry::Text(content.to_owned()));
    }

    /// A copy of a host's file, read when the archive is written.
    pub(super) fn copy(&mut self, path: &str, from: &Path, mode: u32) {
        self.copy_for(0, path, from, mode);
    }

    /// The same, for a user and a group of that number.
    pub(super) fn copy_for(&mut self, owner: u32, path: &str, from: &Path, mode: u32) {
        self.add(
            path,
            Entry::Copy {
                from: from.to_owned(),
                mode,
                owner,
            },
        );
    }

    /// A copy of a directory with everything below it. Links become what they lead to;
    /// those that lead nowhere are left out.
    pub(super) fn copy_tree(&mut self, path: &str, from: &Path) -> Result<()> {
        let list = fs::read_dir(from).with_context(|| format!("listing {}", from.display()))?;
        for entry in list {
            let entry = entry?;
            let inside = format!("{path}/{}", entry.file_name().to_string_lossy());
            let Ok(about) = entry.path().metadata() else {
                continue;
            };
            if about.is_dir() {
                self.copy_tree(&inside, &entry.path())?;
            } else {
                self.copy(&inside, &entry.path(), about.mode() & 0o755);
            }
        }
        Ok(())
    }

    /// Adds an entry and the directories it is in.
    fn add(&mut self, path: &str, entry: Entry) {
        let path = path.trim_matches('/');
        for (slash, _) in path.match_indices('/') {
            self.entries
                .entry(path[..slash].to_owned())
                .or_insert(Entry::Directory);
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// Writes the archive to a new file.
    pub(super) fn write(&self, to: &Path) -> Result<()> {
        let file = File::create(to).with_context(|| format!("creating {}", to.display()))?;
        let mut out = BufWriter::new(file);
        for (inode, (path, entry)) in (1..).zip(&self.entries) {
            write_entry(&mut out, inode, path, entry)
                .with_context(|| format!("adding {path} to {}", to.display()))?;
        }
        newc::trailer(&mut out)
            .and_then(|out| out.flush())
            .context("ending the archive")
    }
}

fn write_entry(out: &mut impl Write, inode: u32, path: &str, entry: &Entry) -> Result<()> {
    let builder = Builder::new(path).ino(inode).nlink(1);
    let (builder, content) = match entry {
        Entry::Directory => (
            builder
                .mode(0o755)
                .set_mode_file_type(ModeFileType::Directory),
            Vec::new(),
        ),
        Entry::Link(target) => (
            builder
                .mode(0o777)
                .set_mode_file_type(ModeFileType::Symlink),
            target.clone().into_bytes(),
        ),
        Entry::Text(text) => (
            builder
                .mode(0o644)
                .set_mode_file_type(ModeFileType::Regular),
            text.clone().into(),
        ),
        Entry::Copy { from, mode, owner } => {
            let content = fs::read(from).with_context(|| format!("reading {}", from.display()))?;
            let builder = builder.mode(*mode).uid(*owner).gid(*owner);
            (builder.set_mode_file_type(ModeFileType::Regular), content)
        }
    };
    let mut writer = builder.write(out, content.len().try_into().context("too large for cpio")?);
    writer.write_all(&content)?;
    writer.finish()?;
    Ok(())
}

/// Returns `<dir>/<name>.cpio`, filled by `fill` unless it was made from the same `stamp`
/// by the same xtask. What `fill` returns lives until the archive is written.
pub(super) fn cached<T>(
    dir: &Path,
    name: &str,
    stamp: &str,
    fill: impl FnOnce(&Step, &mut Archive) -> Result<T>,
) -> Result<PathBuf> {
    made_once(dir, name, stamp, |step, file| {
        let mut archive = Archive::default();
        let _sources = fill(step, &mut archive)?;
        archive.write(file)
    })
}

/// The same, for an archive that `make` writes by itself.
pub(super) fn made_once(
    dir: &Path,
    name: &str,
    stamp: &str,
    make: impl FnOnce(&Step, &Path) -> Result<()>,
) -> Result<PathBuf> {
    let xtask = std::env::current_exe().and_then(|xtask| xtask.metadata()?.modified());
    let stamp = format!("{stamp}\n{:?}", xtask.context("reading xtask's own file")?);
    let file = dir.join(name).with_added_extension("cpio");
    let stamp_file = dir.join(name).with_added_extension("stamp");
    if file.is_file() && fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) {
        return Ok(file);
    }
    step(&format!("packing {name} for the VM"), |step| {
        // Without its stamp, a file that was not completed is made anew.
        let _ = fs::remove_file(&stamp_file);
        make(step, &file)?;
        fs::write(&stamp_file, &stamp).with_context(|| format!("writing {}", stamp_file.display()))
    })?;
    Ok(file)
}

/// Joins archives: the kernel unpacks them one after the other, later files win.
pub(super) fn concatenate(archives: &[&Path], to: &Path) -> Result<()> {
    let mut out = File::create(to).with_context(|| format!("creating {}", to.display()))?;
    for archive in archives {
        let copied = File::open(archive).and_then(|mut input| io::copy(&mut input, &mut out));
        let length = copied.with_context(|| format!("appending {}", archive.display()))?;
        // An archive must start at a multiple of 4 bytes; zeros between them are skipped.
        let padding = [0; 4];
        let missing = usize::try_from(length.next_multiple_of(4) - length)?;
        out.write_all(&padding[..missing])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_holds_what_was_added_with_its_parents() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = Archive::default();
        archive.text("/etc/passwd", "root:x:0:0::/:/bin/sh\n");
        archive.link("/bin", "usr/bin");
        archive.directory("/usr/bin");
        let file = dir.path().join("a.cpio");
        archive.write(&file).unwrap();

        let mut reader = File::open(&file).unwrap();
        let mut seen = Vec::new();
        loop {
            let entry = newc::Reader::new(&mut reader).unwrap();
            if entry.entry().is_trailer() {
                break;
            }
            seen.push((entry.entry().name().to_owned(), entry.entry().mode()));
            entry.finish().unwrap();
        }
        let expected = [
            ("bin", 0o120_777),
            ("etc", 0o040_755),
            ("etc/passwd", 0o100_644),
            ("usr", 0o040_755),
            ("usr/bin", 0o040_755),
        ];
        assert_eq!(seen, expected.map(|(name, mode)| (name.to_owned(), mode)));
    }

    #[test]
    fn concatenated_archives_are_aligned() {
        let dir = tempfile::tempdir().unwrap();
        let (odd, all) = (dir.path().join("odd"), dir.path().join("all"));
        fs::write(&odd, "12345").unwrap();
        concatenate(&[&odd, &odd], &all).unwrap();
        assert_eq!(fs::read(&all).unwrap(), b"12345\0\0\x0012345\0\0\0");
    }
}
