// SPDX-License-Identifier: Apache-2.0
//! systemd-networkd: told to leave our links as they are, and listened to.
//!
//! ```text
//! files     what is written for it
//! settled   what its news mean
//! watch     where they come from
//! ```

pub(super) mod files;
mod settled;
pub(super) mod watch;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use self::files::Role;
use super::{
    Servers,
    bus::{Bus, HostError, NETWORKD},
    systemctl,
};

/// Gone after a reboot, as the links are.
const DIRECTORY: &str = "/run/systemd/network";
/// The service, where it is to be restarted.
const UNIT: &str = "systemd-networkd.service";

/// Writes the file for a link. Returns whether that is news.
pub(super) fn write(link: &str, role: Role) -> Result<bool, HostError> {
    let (path, text) = (path(link), files::text(link, role));
    if fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    fs::create_dir_all(DIRECTORY)
        .and_then(|()| fs::write(&path, text))
        .map_err(|error| HostError::File(format!("writing {}", path.display()), error))?;
    Ok(true)
}

/// Removes the file of a link. Returns whether there was one.
pub(super) fn remove(link: &str) -> Result<bool, HostError> {
    remove_file(&path(link))
}

/// Removes the files of all links. Goes on after a failure. Returns whether
/// there were any, and the failures.
pub(super) fn remove_all() -> (bool, Vec<HostError>) {
    let (mut any, mut failures) = (false, Vec::new());
    for entry in fs::read_dir(DIRECTORY).into_iter().flatten().flatten() {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(files::PREFIX)
        {
            match remove_file(&entry.path()) {
                Ok(removed) => any |= removed,
                Err(error) => failures.push(error),
            }
        }
    }
    (any, failures)
}

fn path(link: &str) -> PathBuf {
    Path::new(DIRECTORY).join(files::name(link))
}

fn remove_file(path: &Path) -> Result<bool, HostError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(HostError::File(
            format!("removing {}", path.display()),
            error,
        )),
    }
}

/// `networkctl reload`: files are read again; links whose file is another one
/// now are reconfigured.
pub(super) async fn reload(bus: &Bus) -> Result<(), HostError> {
    bus.call(&NETWORKD, "Reload", &()).await.map(drop)
}

/// The same where there is no bus: by systemd, which before version 253 restarts
/// networkd for it.
pub(super) async fn reload_without_bus() -> Result<(), HostError> {
    systemctl::run("try-reload-or-restart", UNIT).await
}

/// `systemctl restart systemd-networkd`: it sets ports up again, and removes
/// what others have set on them.
pub(super) async fn restart(bus: &Bus) -> Result<(), HostError> {
    bus.run_job("TryRestartUnit", UNIT).await
}

/// The same where there is no bus.
pub(super) async fn restart_without_bus() -> Result<(), HostError> {
    systemctl::run("try-restart", UNIT).await
}

/// `networkctl` has no words for this: the servers that came with a lease. They
/// stay over a reconfiguration of the link, but not over a restart of networkd.
pub(super) async fn set_servers(bus: &Bus, index: i32, servers: &Servers) -> Result<(), HostError> {
    bus.call(&NETWORKD, "SetLinkDNS", &(index, servers.dns_on_bus()))
        .await?;
    bus.call(
        &NETWORKD,
        "SetLinkDomains",
        &(index, servers.domains_on_bus()),
    )
    .await?;
    bus.call(&NETWORKD, "SetLinkNTP", &(index, servers.ntp_on_bus()))
        .await
        .map(drop)
}

/// Takes back what [`set_servers`] has set.
pub(super) async fn revert_servers(bus: &Bus, index: i32) -> Result<(), HostError> {
    bus.call(&NETWORKD, "RevertLinkDNS", &index).await?;
    bus.call(&NETWORKD, "RevertLinkNTP", &index).await.map(drop)
}
