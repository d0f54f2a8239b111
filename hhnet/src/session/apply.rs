// SPDX-License-Identifier: Apache-2.0
//! A lease in force: its address, routes and MTU.

use std::time::Duration;

use tracing::warn;

use crate::{
    dhcp::lease::Lease,
    link::{Address, Device, LinkError, Links},
};

/// A lease in place of another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    /// What is in force.
    pub(super) old: Option<&'a Lease>,
    /// What shall be.
    pub(super) new: Option<&'a Lease>,
    /// Set also what both have in common.
    pub(super) all: bool,
}

impl Links {
    /// Replaces what `old` has set on a device by what `new` asks for.
    ///
    /// A renewal is one request, for the lifetime of the address: nothing is
    /// removed, and routes are touched only where the server changed them.
    ///
    /// # Errors
    /// The first step the kernel refuses; the caller tries again later.
    pub(super) async fn apply(
        &self,
        device: &Device,
        change: Change<'_>,
        now: Duration,
    ) -> Result<(), LinkError> {
        let Change { old, new, all } = change;
        if let Some(old) = old {
            self.withdraw(device, old, new).await?;
        }
        let Some(new) = new else { return Ok(()) };
        self.lease_address(device, new.prefix, new.lifetime(now))
            .await?;
        let same = old.filter(|old| old.prefix == new.prefix && !all);
        let kept = same.map_or(&[][..], |old| &old.routes);
        for route in new.routes.iter().filter(|route| !kept.contains(route)) {
            self.lease_route(device, *route, new.prefix.address).await?;
        }
        match new
            .mtu
            .filter(|mtu| same.is_none_or(|old| old.mtu != Some(*mtu)))
        {
            Some(mtu) => self.apply_mtu(device, mtu.into()).await,
            None => Ok(()),
        }
    }

    /// Removes what the next lease does not have. The old address goes before
    /// the new one comes: two in one subnet would make the new one secondary,
    /// and the kernel removes secondaries together with their primary.
    async fn withdraw(
        &self,
        device: &Device,
        old: &Lease,
        new: Option<&Lease>,
    ) -> Result<(), LinkError> {
        let same = new.filter(|new| new.prefix == old.prefix);
        for route in old.routes.iter().rev() {
            if same.is_none_or(|new| !new.routes.contains(route)) {
                self.remove_leased_route(device, *route, old.prefix.address)
                    .await?;
            }
        }
        match same {
            Some(_) => Ok(()),
            None => self.remove_address(&Address::of(device, old.prefix)).await,
        }
    }

    /// Sets the MTU a server asks for. It can be no larger than that of the
    /// device below (the kernel says `ERANGE`), and a server that asks for
    /// more must not cost anybody his lease.
    async fn apply_mtu(&self, device: &Device, mtu: u32) -> Result<(), LinkError> {
        let devices = self.devices().await?;
        let current = devices.iter().find(|other| other.index == device.index);
        let lower = current.and_then(|device| device.lower);
        let limit = devices
            .iter()
            .find(|other| Some(other.index) == lower)
            .map(|lower| lower.mtu);
        if limit.is_some_and(|limit| limit < mtu) {
            warn!(
                "{}: the server's MTU {mtu} is too large for the device below",
                device.name
            );
            return Ok(());
        }
        match current {
            Some(current) if current.mtu != mtu => self.set_mtu(current, mtu).await,
            _ => Ok(()),
        }
    }
}
