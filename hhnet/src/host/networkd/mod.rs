// SPDX-License-Identifier: Apache-2.0
//! systemd-networkd: told to leave our links as they are, and listened to.
//!
//! ```text
//! files     what is written for it
//! describe  what it knows of a link
//! settled   what its news mean
//! watch     where they come from
//! ```

mod describe;
pub(super) mod files;
mod settled;
pub(super) mod watch;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use self::{describe::Link, files::Role};
use super::{
    Servers,
    bus::{Bus, HostError, NETWORKD},
    systemctl,
    wait::Looks,
};
use crate::{fault, file};

/// Gone after a reboot, as the links are.
const DIRECTORY: &str = "/run/systemd/network";
/// How long it may take to notice that a file is gone.
const NOTICE: Duration = Duration::from_secs(2);
/// The service, where there is no bus to ask it by.
const UNIT: &str = "systemd-networkd.service";

/// Writes the file for a link. Returns whether that is news.
pub(super) fn write(link: &str, role: Role) -> Result<bool, HostError> {
    let (path, text) = (path(link), files::text(link, role));
    if fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(false);
    }
    // Read by nobody under that name, and swept by its beginning.
    let new = path.with_added_extension("new");
    fault::step("writing a file of networkd");
    fs::create_dir_all(DIRECTORY)
        .and_then(|()| file::write(&new, text))
        .and_then(|()| {
            fault::step("replacing a file of networkd");
            file::rename(&new, &path)
        })
        .map_err(|error| HostError::File(format!("writing {}", path.display()), error))?;
    Ok(true)
}

/// Removes the file of a link. Returns whether there was one.
pub(super) fn remove(link: &str) -> Result<bool, HostError> {
    remove_file(&path(link))
}

/// Removes the files of all links. Goes on after a failure.
pub(super) fn remove_all() -> Vec<HostError> {
    let entries = fs::read_dir(DIRECTORY).into_iter().flatten().flatten();
    let ours = entries.filter(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with(files::PREFIX)
    });
    ours.filter_map(|entry| remove_file(&entry.path()).err())
        .collect()
}

fn path(link: &str) -> PathBuf {
    Path::new(DIRECTORY).join(files::name(link))
}

fn remove_file(path: &Path) -> Result<bool, HostError> {
    fault::step("removing a file of networkd");
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

/// The same where there is no bus: by systemd, which before version 253 cannot.
pub(super) async fn reload_without_bus() -> Result<(), HostError> {
    match systemctl::run("is-active", UNIT).await {
        Ok(()) => systemctl::run("reload", UNIT).await,
        Err(_) => Ok(()),
    }
}

/// Waits until a link is networkd's own again, and then
/// `networkctl reconfigure LINK`, if it has IPv4 addresses that networkd does not
/// know the origin of: they go. Returns whether there were any.
pub(super) async fn clear_by_hand(bus: &Bus, index: u32) -> Result<bool, HostError> {
    let index = i32::try_from(index).unwrap_or_default();
    let mut looks = Looks::within(NOTICE);
    let mut link = Link::default();
    while looks.again().await {
        let answer = bus.call(&NETWORKD, "DescribeLink", &index).await?;
        link = Link::parse(answer.body().deserialize().unwrap_or_default());
        if !link.is_ours() {
            break;
        }
    }
    if !link.has_foreign_address() {
        return Ok(false);
    }
    bus.call(&NETWORKD, "ReconfigureLink", &index).await?;
    Ok(true)
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
