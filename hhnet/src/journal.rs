// SPDX-License-Identifier: Apache-2.0
//! What links were like before hhnet touched them.
//!
//! Bonds and VLANs need no book: they are found by their kind. But a member
//! that was down, a parent whose MTU was raised and a point-to-point address
//! look like anybody's afterwards. They are written down in the runtime
//! directory *before* they are changed, so that `cleanup` can undo them even
//! when the agent was killed; like the links themselves the book is gone after
//! a reboot.

use std::{
    io,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{cli::Prefix, fault, file, link::Device, runtime};

/// State of a link before hhnet changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    /// Name of the link.
    pub name: String,
    /// Whether it was administratively up.
    pub up: bool,
    /// Its MTU in bytes.
    pub mtu: u32,
}

/// A point-to-point address that was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct P2p {
    /// Name of the link that has it.
    pub interface: String,
    /// The address.
    pub local: Prefix,
    /// Gateway of the default route that came with it.
    pub gateway: Ipv4Addr,
}

/// The book, and the file it is kept in.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Journal {
    #[serde(skip)]
    file: PathBuf,
    /// Links as they were.
    pub links: Vec<Before>,
    /// Point-to-point addresses.
    pub p2p: Vec<P2p>,
    /// Names of links that got a clsact: others may have one of their own.
    #[serde(default)]
    pub clsact: Vec<String>,
}

impl Journal {
    /// Opens the book in the runtime directory. Where others may write there it is one
    /// that nothing is read into, or written from.
    pub fn of_runtime() -> Journal {
        match runtime::check() {
            Ok(()) => Journal::open(Path::new(runtime::JOURNAL)),
            Err(_) => Journal::default(),
        }
    }

    /// Opens the book; a missing or unreadable one is an empty one, because
    /// `cleanup` must not fail over it.
    pub fn open(path: &Path) -> Journal {
        let read = file::read(path)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        Journal {
            file: path.to_owned(),
            ..read.unwrap_or_default()
        }
    }

    /// The first known state of a link.
    pub fn before(&self, name: &str) -> Option<&Before> {
        self.links.iter().find(|before| before.name == name)
    }

    /// Writes down the state of a link, unless an earlier one is known.
    ///
    /// # Errors
    /// When the file cannot be written; the link must not be changed then.
    pub fn note(&mut self, device: &Device) -> io::Result<()> {
        if self.before(&device.name).is_none() {
            self.links.push(Before {
                name: device.name.clone(),
                up: device.up,
                mtu: device.mtu,
            });
            self.write()?;
        }
        Ok(())
    }

    /// Writes down a point-to-point address.
    ///
    /// # Errors
    /// As for [`Journal::note`].
    pub fn note_p2p(&mut self, entry: P2p) -> io::Result<()> {
        self.p2p.push(entry);
        self.write()
    }

    /// Writes down that a link gets a clsact.
    ///
    /// # Errors
    /// As for [`Journal::note`].
    pub fn note_clsact(&mut self, name: &str) -> io::Result<()> {
        if !self.clsact.iter().any(|noted| noted == name) {
            self.clsact.push(name.to_owned());
            self.write()?;
        }
        Ok(())
    }

    /// Forgets the clsact of a link. Returns whether there was one to forget.
    pub fn forget_clsact(&mut self, name: &str) -> bool {
        let before = self.clsact.len();
        self.clsact.retain(|noted| noted != name);
        let was_noted = self.clsact.len() < before;
        if was_noted {
            self.keep();
        }
        was_noted
    }

    /// Forgets a link whose old state is in force again.
    pub fn forget(&mut self, name: &str) {
        self.links.retain(|before| before.name != name);
        self.p2p.retain(|entry| entry.interface != name);
        self.keep();
    }

    /// Forgets a point-to-point address that was not set after all.
    pub fn forget_p2p(&mut self, entry: &P2p) {
        self.p2p.retain(|other| other != entry);
        self.keep();
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.links.clear();
        self.p2p.clear();
        self.clsact.clear();
        self.keep();
    }

    /// Whether nothing is written down.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty() && self.p2p.is_empty() && self.clsact.is_empty()
    }

    /// Writes after something was forgotten. A failure leaves a line too many
    /// in the book, which makes a later `cleanup` restore a link once more.
    fn keep(&self) {
        if let Err(error) = self.write() {
            tracing::warn!("writing {}: {error}", self.file.display());
        }
    }

    /// Writes a new file and puts it in the place of the old one, so that no
    /// crash leaves half a book.
    fn write(&self) -> io::Result<()> {
        fault::step("writing the journal");
        let new = self.file.with_extension("new");
        if self.is_empty() {
            // Who was killed in between has left the new one.
            return runtime::remove(&new).and(runtime::remove(&self.file));
        }
        file::write(&new, serde_json::to_vec_pretty(self)?)?;
        fault::step("replacing the journal");
        file::rename(&new, &self.file)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn scratch(test: &str) -> PathBuf {
        std::env::temp_dir().join(format!("hhnet-journal-{test}-{}", std::process::id()))
    }

    fn port(up: bool, mtu: u32) -> Device {
        Device {
            name: "enp2s1".into(),
            up,
            mtu,
            ..Device::default()
        }
    }

    #[test]
    fn the_first_state_is_kept_across_a_restart() {
        let file = scratch("restart");
        let mut journal = Journal::open(&file);
        journal.note(&port(false, 1500)).unwrap();
        journal.note(&port(true, 9036)).unwrap();
        drop(journal);
        let mut journal = Journal::open(&file);
        let before = journal.before("enp2s1").unwrap();
        assert_eq!((before.up, before.mtu), (false, 1500));
        let unfinished = file.with_extension("new");
        fs::write(&unfinished, "{").unwrap();
        journal.forget("enp2s1");
        assert!(!file.exists() && !unfinished.exists());
    }

    #[test]
    fn a_clsact_is_remembered_until_it_is_forgotten() {
        let file = scratch("clsact");
        let mut journal = Journal::open(&file);
        journal.note_clsact("enp2s1").unwrap();
        journal.note_clsact("enp2s1").unwrap();
        let mut journal = Journal::open(&file);
        assert_eq!(journal.clsact, ["enp2s1"]);
        assert!(journal.forget_clsact("enp2s1"));
        assert!(!journal.forget_clsact("enp2s1") && !file.exists());
        fs::write(&file, r#"{"links": [], "p2p": []}"#).unwrap();
        assert!(Journal::open(&file).is_empty(), "of an older version");
        fs::remove_file(file).unwrap();
    }

    #[test]
    fn a_broken_book_is_an_empty_one() {
        let file = scratch("broken");
        fs::write(&file, "{").unwrap();
        assert!(Journal::open(&file).is_empty());
        fs::remove_file(file).unwrap();
    }
}
