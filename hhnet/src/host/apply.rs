// SPDX-License-Identifier: Apache-2.0
//! A lease's name and time servers, told to all who want to know them.
//!
//! Networkd takes both and tells systemd-resolved and systemd-timesyncd; where it
//! does not run, these are told. What has no resolved has `/etc/resolv.conf`.

use std::time::Duration;

use tracing::debug;

use super::{
    Host, Servers,
    bus::{Bus, HostError, NETWORKD, RESOLVED, TIMESYNCD},
    networkd,
    resolv_conf::{self, LeftAlone},
    resolved, timesyncd,
    wait::Looks,
    warning,
};
use crate::link::Device;

/// How long networkd may take to know a link that has just been made.
const ACQUAINTANCE: Duration = Duration::from_secs(1);

impl Host {
    /// Puts the servers of a lease in force. All who want to know them know them
    /// when this returns, or are too slow. Returns what the user should know.
    pub async fn set_servers(&self, device: &Device, servers: &Servers) -> Vec<String> {
        let index = i32::try_from(device.index).unwrap_or_default();
        let networkd = self.running(&NETWORKD).await;
        let mut remarks = Vec::new();
        if let Some(bus) = networkd {
            let told = self.introduce(bus, index, servers).await;
            remarks.extend(told.err().map(warning));
        }
        let (names, time) = tokio::join!(
            self.set_name_servers(device, index, servers, networkd.is_some()),
            self.set_time_servers(device.index, servers, networkd.is_some()),
        );
        remarks.extend(names.into_iter().chain(time).map(warning));
        remarks
    }

    async fn introduce(&self, bus: &Bus, index: i32, servers: &Servers) -> Result<(), HostError> {
        let mut looks = Looks::within(ACQUAINTANCE);
        let mut outcome = Ok(());
        while looks.again().await {
            outcome = networkd::set_servers(bus, index, servers).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    async fn set_name_servers(
        &self,
        device: &Device,
        index: i32,
        servers: &Servers,
        by_networkd: bool,
    ) -> Option<String> {
        let at = |reason: String| format!("{}: name servers: {reason}", device.name);
        let resolved = self.running(&RESOLVED).await;
        let told = match resolved {
            None => Ok(()),
            Some(_) if by_networkd => {
                resolved::wait_for(&servers.dns).await;
                Ok(())
            }
            Some(bus) => resolved::set(bus, index, servers).await,
        };
        if let Err(error) = told {
            return Some(at(error.to_string()));
        }
        match resolv_conf::set(&device.name, Some(servers)) {
            Err(error) => Some(at(error.to_string())),
            Ok(_) if servers.dns.is_empty() => None,
            Ok(Some(nowhere @ LeftAlone::Nowhere(_))) => Some(at(nowhere.to_string())),
            Ok(Some(elsewhere)) if resolved.is_none() => Some(at(format!(
                "{elsewhere}, and there is no systemd-resolved to ask"
            ))),
            Ok(_) => None,
        }
    }

    async fn set_time_servers(
        &self,
        index: u32,
        servers: &Servers,
        by_networkd: bool,
    ) -> Option<String> {
        let bus = self.running(&TIMESYNCD).await?;
        let has_heard = by_networkd && timesyncd::has_heard_of(bus, &servers.ntp).await;
        if has_heard && !self.ntp.has(index) {
            return None;
        }
        let own = if has_heard {
            Vec::new()
        } else {
            servers.ntp_on_bus()
        };
        timesyncd::set(bus, &self.ntp.change(index, own))
            .await
            .err()
            .map(|error| error.to_string())
    }

    /// Takes the servers of a link back; one that is gone has taken them along.
    pub async fn revert_servers(&self, name: &str, index: u32) -> Option<String> {
        let id = i32::try_from(index).unwrap_or_default();
        if let Some(bus) = self.running(&NETWORKD).await {
            log(networkd::revert_servers(bus, id).await);
        } else if let Some(bus) = self.running(&RESOLVED).await {
            log(resolved::revert(bus, id).await);
        }
        if self.ntp.has(index)
            && let Some(bus) = self.running(&TIMESYNCD).await
        {
            log(timesyncd::set(bus, &self.ntp.change(index, Vec::new())).await);
        }
        let file = resolv_conf::set(name, None);
        file.err()
            .map(|error| format!("{name}: name servers: {error}"))
    }
}

fn log(outcome: Result<(), HostError>) {
    if let Err(error) = outcome {
        debug!("taking servers back: {error}");
    }
}
