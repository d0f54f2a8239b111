// SPDX-License-Identifier: Apache-2.0
//! Leases on disk: one file an interface, in the runtime directory.
//!
//! They are for the next agent, should this one be killed: it finds the
//! interface, confirms the lease and goes on. Like the interfaces themselves
//! they are gone after a reboot.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::Settings;
use crate::{clock, dhcp::lease::Lease, fault, file, link::Mac, runtime};

/// A lease in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Name of the interface.
    pub interface: String,
    /// Its index: another interface of that name is not the one.
    pub index: u32,
    /// How the session was asked to behave.
    pub settings: Settings,
    /// The MTU of the interface without a lease, in bytes.
    pub mtu: u32,
    /// The machine on the link that passed on the server's last message.
    pub neighbor: Option<Mac>,
    /// The lease; its times are since boot.
    pub lease: Lease,
}

impl Record {
    /// Writes the record, in place of an older one.
    ///
    /// # Errors
    /// As of the file system.
    pub fn save(&self) -> io::Result<()> {
        self.save_in(Path::new(runtime::LEASES))
    }

    fn save_in(&self, directory: &Path) -> io::Result<()> {
        fault::step("writing the record of a lease");
        make(directory)?;
        let new = unfinished(directory);
        file::write(&new, serde_json::to_vec_pretty(self)?)?;
        fault::step("replacing the record of a lease");
        file::rename(&new, &directory.join(&self.interface))
    }
}

/// Makes the directory of records, in the place of whatever has its name.
fn make(directory: &Path) -> io::Result<()> {
    // Not of what a link leads to.
    if fs::symlink_metadata(directory).is_ok_and(|about| about.is_dir()) {
        return Ok(());
    }
    runtime::remove(directory)?;
    fs::create_dir_all(directory)
}

/// Where a record is written first. Beside the directory: in it, any name may be an
/// interface's.
fn unfinished(directory: &Path) -> PathBuf {
    directory.with_extension("new")
}

/// All records. Broken ones are no error, because the agent must start; `cleanup`
/// removes them.
pub fn load() -> Vec<Record> {
    if runtime::check().is_err() {
        return Vec::new();
    }
    load_from(Path::new(runtime::LEASES), clock::now())
}

/// Reads a record; `None` for one that nobody can have saved by `now`.
pub fn parse(text: &[u8], now: Duration) -> Option<Record> {
    let record: Record = serde_json::from_slice(text).ok()?;
    record.lease.is_possible(now).then_some(record)
}

fn load_from(directory: &Path, now: Duration) -> Vec<Record> {
    let is_real = fs::symlink_metadata(directory).is_ok_and(|about| about.is_dir());
    let entries = is_real.then(|| fs::read_dir(directory).ok()).flatten();
    let entries = entries.into_iter().flatten().flatten();
    let mut records = Vec::new();
    for entry in entries {
        let record = file::read(&entry.path())
            .ok()
            .and_then(|text| parse(&text, now))
            .filter(|record| entry.file_name() == record.interface.as_str());
        match record {
            Some(record) => records.push(record),
            None => tracing::warn!("{}: no lease, ignored", entry.path().display()),
        }
    }
    records
}

/// Forgets the lease of an interface. The directory goes with the last one.
pub fn forget(interface: &str) {
    fault::step("forgetting a lease");
    let directory = Path::new(runtime::LEASES);
    if let Err(error) = runtime::remove(directory.join(interface)) {
        tracing::warn!("removing the lease of {interface}: {error}");
    }
    // Fails while there are others.
    let _ = fs::remove_dir(directory);
}

/// Forgets all leases, and whatever else is in their directory.
pub fn clear() {
    fault::step("forgetting all leases");
    if runtime::check().is_err() {
        return;
    }
    if let Err(error) = runtime::remove(runtime::LEASES) {
        tracing::warn!("removing {}: {error}", runtime::LEASES);
    }
    if let Err(error) = runtime::remove(unfinished(Path::new(runtime::LEASES))) {
        tracing::warn!("removing a half-written lease: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cli::{ClientId, Xdp},
        dhcp::lease::tests::{HOUR, MASK24, SERVER, read},
    };

    /// Later than the lease of all records here.
    const NOW: Duration = Duration::from_secs(200);

    fn record(interface: &str) -> Record {
        Record {
            interface: interface.into(),
            index: 7,
            settings: Settings {
                client_id: ClientId::Mac,
                arp_probe: false,
                xdp: Xdp::Off,
                metrics: None,
            },
            mtu: 1500,
            neighbor: Some([2, 0, 0, 0, 0, 9]),
            lease: read(&[SERVER, HOUR, MASK24, (3, &[10, 0, 1, 1])]).unwrap(),
        }
    }

    #[test]
    fn what_is_saved_is_loaded_and_garbage_is_not() {
        let directory = std::env::temp_dir().join(format!("hhnet-leases-{}", std::process::id()));
        let saved = record("enp2s1.1001");
        saved.save_in(&directory).unwrap();
        fs::write(directory.join("broken"), "{").unwrap();
        // A record under another interface's name.
        fs::write(
            directory.join("enp2s9"),
            serde_json::to_vec(&record("enp2s8")).unwrap(),
        )
        .unwrap();
        assert_eq!(load_from(&directory, NOW), [saved]);
        fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn no_directory_is_no_record() {
        assert_eq!(load_from(Path::new("/nonexistent/leases"), NOW), []);
    }

    #[test]
    fn a_lease_that_no_server_gives_is_garbage() {
        let text = serde_json::to_string(&record("enp2s1")).unwrap();
        assert!(parse(text.as_bytes(), NOW).is_some());
        // In debug and release builds alike, the sum of two times panics where
        // it is too large.
        for (good, bad) in [
            (r#""secs":100,"#, r#""secs":18446744073709551615,"#),
            (r#""secs":100,"#, r#""secs":201,"#),
            (r#""secs":3600,"#, r#""secs":4294967296,"#),
            (r#""secs":1800,"#, r#""secs":3151,"#),
            (r#""secs":3150,"#, r#""secs":3601,"#),
            (r#""len":24"#, r#""len":33"#),
        ] {
            assert!(text.contains(good), "{good}");
            let text = text.replacen(good, bad, 1);
            assert_eq!(parse(text.as_bytes(), NOW), None, "{bad}");
        }
    }
}
