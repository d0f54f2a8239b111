// SPDX-License-Identifier: Apache-2.0
//! systemd-timesyncd, where networkd does not tell it whom to ask.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use zbus::zvariant::OwnedValue;

use super::{
    bus::{Bus, HostError, TIMESYNCD},
    wait::Looks,
};

/// How long timesyncd may take to hear of what networkd was told.
const PATIENCE: Duration = Duration::from_secs(1);

/// Servers by the index of the link they came with: timesyncd takes those of all
/// links together.
#[derive(Debug, Clone, Default)]
pub(super) struct AllLinks(Arc<Mutex<BTreeMap<u32, Vec<String>>>>);

impl AllLinks {
    /// The servers of all links, once those of one have changed.
    pub(super) fn change(&self, index: u32, servers: Vec<String>) -> Vec<String> {
        let mut all = self.lock();
        if servers.is_empty() {
            all.remove(&index);
        } else {
            all.insert(index, servers);
        }
        all.values().flatten().cloned().collect()
    }

    /// Whether a link has any.
    pub(super) fn has(&self, index: u32) -> bool {
        self.lock().contains_key(&index)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u32, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The servers to ask before those of its configuration, of all links together:
/// `RuntimeNTPServers` in `timedatectl show-timesync`. None takes them back.
pub(super) async fn set(bus: &Bus, servers: &[String]) -> Result<(), HostError> {
    bus.call(&TIMESYNCD, "SetRuntimeNTPServers", &servers)
        .await
        .map(drop)
}

/// Waits until timesyncd has heard of the servers from networkd: `LinkNTPServers`
/// in `timedatectl show-timesync`. Whether it has: that of systemd 252 may stop to
/// listen when networkd was stopped.
pub(super) async fn has_heard_of(bus: &Bus, servers: &[Ipv4Addr]) -> bool {
    let Some(first) = servers.first() else {
        return true;
    };
    let server = first.to_string();
    let mut looks = Looks::within(PATIENCE);
    while looks.again().await {
        let answer = bus.property(&TIMESYNCD, "LinkNTPServers").await;
        let names: Option<Vec<String>> = answer.ok().and_then(list);
        if names.is_some_and(|names| names.contains(&server)) {
            return true;
        }
    }
    tracing::info!("systemd-timesyncd has not heard of {server} from networkd");
    false
}

fn list(value: OwnedValue) -> Option<Vec<String>> {
    value.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_of_other_links_stay() {
        let all = AllLinks::default();
        assert_eq!(all.change(7, vec!["1.1.1.1".into()]), ["1.1.1.1"]);
        let both = all.change(8, vec!["9.9.9.9".into()]);
        assert_eq!(both, ["1.1.1.1", "9.9.9.9"]);
        assert!(all.has(7));
        assert_eq!(all.change(7, vec![]), ["9.9.9.9"]);
        assert!(!all.has(7));
    }
}
