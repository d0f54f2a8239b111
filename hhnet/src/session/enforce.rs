// SPDX-License-Identifier: Apache-2.0
//! The kernel, and the rest of the machine, made to agree with the DHCP machine.

use std::{fmt, net::Ipv4Addr, time::Duration};

use tracing::{info, warn};

use super::{apply::Change, driver::Driver, record::Record};
use crate::{clock, dhcp::lease::Lease, host::Servers, link::LinkError};

/// How long after a failure a lease is applied again.
const RETRY: Duration = Duration::from_secs(1);
/// How long an address that somebody removed stays away: whoever flushes an
/// interface often takes it down right after, by another sudo.
const GRACE: Duration = Duration::from_millis(900);

impl Driver {
    /// Has everything set again, in a moment.
    pub(super) fn put_back(&mut self, gone: &dyn fmt::Display) {
        warn!("{}: somebody removed {gone}", self.device.name);
        self.stale = true;
        self.retry = Some(clock::now() + GRACE);
    }

    /// Makes the kernel agree with the machine.
    pub(super) async fn apply_lease(&mut self) {
        if self.client.lease() == self.applied.as_ref() && !self.stale {
            return;
        }
        let wanted = self.client.lease().cloned();
        // Nothing is set on a link that is down: whoever has taken it down may
        // have flushed it, too, and it is set again when it comes back.
        if wanted.is_some() && !self.link_up {
            self.retry = None;
            return;
        }
        // Written down before it is set, as the journal has it: whatever becomes of us,
        // `cleanup` finds the address.
        if let Some(lease) = &wanted {
            self.record(lease);
        }
        match self.change_to(wanted.as_ref()).await {
            Ok(()) => {
                self.tell_host(wanted.as_ref()).await;
                self.applied = wanted;
                self.stale = false;
                self.retry = None;
                self.refusal = None;
            }
            Err(error) => {
                let refusal = Some(error.to_string());
                if self.refusal != refusal {
                    warn!("{}: {error}", self.device.name);
                    self.refusal = refusal;
                }
                // It may have come half the way.
                self.stale = true;
                self.retry = Some(clock::now() + RETRY);
            }
        }
    }

    pub(super) async fn change_to(&self, new: Option<&Lease>) -> Result<(), LinkError> {
        let change = Change {
            old: self.applied.as_ref(),
            new,
            all: self.stale,
            own_mtu: self.own_mtu,
        };
        self.links.apply(&self.device, change, clock::now()).await
    }

    /// Has the lease's servers used, or all that is kept of one forgotten.
    pub(super) async fn tell_host(&mut self, lease: Option<&Lease>) {
        match lease {
            Some(lease) => self.tell_servers(lease).await,
            None => {
                self.told = None;
                super::forget(&self.host, &self.device.name, self.device.index).await;
            }
        }
    }

    /// Keeps the file of the lease, which is worth a warning at most.
    fn record(&self, lease: &Lease) {
        let record = Record {
            interface: self.device.name.clone(),
            index: self.device.index,
            settings: self.settings,
            mtu: self.own_mtu,
            neighbor: self.sockets.neighbor,
            lease: lease.clone(),
        };
        if let Err(error) = record.save() {
            warn!("{}: recording the lease: {error}", self.device.name);
        }
    }

    /// A renewal seldom brings other servers.
    pub(super) async fn tell_servers(&mut self, lease: &Lease) {
        let servers = Servers::of(lease);
        if self.told.as_ref().is_some_and(|(told, _)| *told == servers) {
            return;
        }
        if self.told.is_none() && servers.is_empty() {
            self.told = Some((servers, Vec::new()));
            return;
        }
        let remarks = self.host.set_servers(&self.device, &servers).await;
        remarks.iter().for_each(|remark| warn!("{remark}"));
        self.told = Some((servers, remarks));
    }

    /// What is kept outside of the interface goes by its name.
    pub(super) async fn rename(&mut self, name: String) {
        let old = std::mem::replace(&mut self.device.name, name);
        info!("{old}: is called {} now", self.device.name);
        self.sockets.rename(&self.device.name);
        super::forget(&self.host, &old, self.device.index).await;
        self.told = None;
        if let Some(lease) = self.applied.clone() {
            self.record(&lease);
            self.tell_host(Some(&lease)).await;
        }
    }

    /// Whether a route of the lease is not there any more.
    pub(super) async fn lacks_routes(&self) -> bool {
        let wanted = self.applied.as_ref().map_or(&[][..], |lease| &lease.routes);
        let found = self.links.leased_routes(&self.device).await;
        found.is_ok_and(|found| wanted.iter().any(|route| !found.contains(route)))
    }

    pub(super) async fn is_missing(&self, address: Ipv4Addr) -> bool {
        self.links.addresses().await.is_ok_and(|all| {
            !all.iter()
                .any(|a| a.index == self.device.index && a.address == address)
        })
    }
}
