// SPDX-License-Identifier: Apache-2.0
//! systemd-resolved, where networkd does not tell it what to ask.

use std::{net::Ipv4Addr, time::Duration};

use super::{
    Servers,
    bus::{Bus, HostError, RESOLVED},
    wait::Looks,
};

/// All servers of all links; `/etc/resolv.conf` may be a link to it.
const UPLINK: &str = "/run/systemd/resolve/resolv.conf";
/// How long resolved may take to hear of what networkd was told.
const PATIENCE: Duration = Duration::from_secs(1);

/// `resolvectl dns LINK …; resolvectl domain LINK …`. Refused for links that
/// networkd manages.
pub(super) async fn set(bus: &Bus, index: i32, servers: &Servers) -> Result<(), HostError> {
    bus.call(&RESOLVED, "SetLinkDNS", &(index, servers.dns_on_bus()))
        .await?;
    bus.call(
        &RESOLVED,
        "SetLinkDomains",
        &(index, servers.domains_on_bus()),
    )
    .await
    .map(drop)
}

/// `resolvectl revert LINK`
pub(super) async fn revert(bus: &Bus, index: i32) -> Result<(), HostError> {
    bus.call(&RESOLVED, "RevertLink", &index).await.map(drop)
}

/// Waits until resolved has heard of the servers from networkd, which tells it by
/// a file: whoever asks for a name right after the command shall get an answer.
pub(super) async fn wait_for(servers: &[Ipv4Addr]) {
    // It lists three servers of all links at most, so that others may be missing.
    let Some(first) = servers.first() else { return };
    let line = format!("nameserver {first}");
    let mut looks = Looks::within(PATIENCE);
    while looks.again().await {
        let text = std::fs::read_to_string(UPLINK).unwrap_or_default();
        if text.lines().any(|found| found == line) {
            return;
        }
    }
    tracing::info!("systemd-resolved does not list {first}");
}
