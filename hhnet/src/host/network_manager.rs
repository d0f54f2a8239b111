// SPDX-License-Identifier: Apache-2.0
//! NetworkManager: told to leave our links alone (NetworkManager.conf(5)). Scripts
//! may put configuration for one boot into `/run/NetworkManager/conf.d`.

use std::{fs, io, path::Path};

use super::bus::{Bus, HostError, NETWORK_MANAGER};
use crate::{fault, file};

const DIRECTORY: &str = "/run/NetworkManager/conf.d";
const FILE: &str = "/run/NetworkManager/conf.d/05-hhnet.conf";

/// The same while it is written: read by nobody.
const UNFINISHED: &str = "/run/NetworkManager/conf.d/05-hhnet.conf.new";

/// The flag of `Reload` for its own configuration (`NM_MANAGER_RELOAD_FLAG_CONF`).
const CONFIGURATION: u32 = 1;

/// Has it leave the links alone, besides those of before. Returns whether that
/// is news.
pub(super) async fn leave_alone(bus: &Bus, links: &[&str]) -> Result<bool, HostError> {
    let old = fs::read_to_string(FILE).unwrap_or_default();
    let new = text(&old, links);
    if new == old {
        return Ok(false);
    }
    fault::step("writing the file of NetworkManager");
    fs::create_dir_all(DIRECTORY)
        .and_then(|()| file::write(Path::new(UNFINISHED), new))
        .and_then(|()| {
            fault::step("replacing the file of NetworkManager");
            file::rename(Path::new(UNFINISHED), Path::new(FILE))
        })
        .map_err(|error| HostError::File(format!("writing {FILE}"), error))?;
    reload(bus).await?;
    Ok(true)
}

/// Removes the file. Returns whether there was one.
pub(super) fn remove() -> Result<bool, HostError> {
    fault::step("removing the file of NetworkManager");
    // Of an agent that was killed; mostly there is none.
    let _ = fs::remove_file(UNFINISHED);
    match fs::remove_file(FILE) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(HostError::File(format!("removing {FILE}"), error)),
    }
}

/// Has it read its configuration again.
pub(super) async fn reload(bus: &Bus) -> Result<(), HostError> {
    bus.call(&NETWORK_MANAGER, "Reload", &CONFIGURATION)
        .await
        .map(drop)
}

/// The links of `old`, and `links`. On one line: of several with the same key the last
/// one counts (`g_key_file_load_from_file`).
fn text(old: &str, links: &[&str]) -> String {
    const HEAD: &str = "# Written by hhnet, removed by hhnet cleanup.\n[keyfile]\n";
    const KEY: &str = "unmanaged-devices+=";
    const MATCH: &str = "interface-name:=";
    let known = old.lines().filter_map(|line| line.strip_prefix(KEY));
    let known = known.flat_map(|list| list.split(';'));
    let mut all: Vec<&str> = known.filter_map(|one| one.strip_prefix(MATCH)).collect();
    all.extend(links);
    all.sort_unstable();
    all.dedup();
    let all: Vec<String> = all.iter().map(|link| format!("{MATCH}{link}")).collect();
    format!("{HEAD}{KEY}{}\n", all.join(";"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_come_to_those_that_are_there() {
        let one = text("", &["bond0"]);
        assert!(one.ends_with("[keyfile]\nunmanaged-devices+=interface-name:=bond0\n"));
        let two = text(&one, &["bond0.1001", "bond0"]);
        assert!(
            two.ends_with("devices+=interface-name:=bond0;interface-name:=bond0.1001\n"),
            "{two}"
        );
        assert_eq!(text(&two, &["bond0"]), two, "nothing new");
    }
}
