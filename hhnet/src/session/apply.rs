// SPDX-License-Identifier: Apache-2.0
//! A lease in force: its address, routes and MTU.

use std::time::Duration;

use tracing::warn;

use crate::{
    dhcp::lease::Lease,
    link::{Address, Device, LinkError, Links},
};

/// With less, the kernel takes all IPv6 addresses off the link, and the static
/// ones never come back (RFC 8200, section 5; `addrconf_notify` in net/ipv6).
const IPV6_MIN: u32 = 1280;

/// A lease in place of another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change<'a> {
    /// What is in force.
    pub(super) old: Option<&'a Lease>,
    /// What shall be.
    pub(super) new: Option<&'a Lease>,
    /// Set also what both have in common.
    pub(super) all: bool,
    /// The MTU of the device without a lease, in bytes.
    pub(super) own_mtu: u32,
}

impl Links {
    /// Replaces what `old` has set on a device by what `new` asks for.
    ///
    /// A renewal is one request, for the lifetime of the address: nothing is
    /// removed, and routes are touched only where the server changed them.
    ///
    /// # Errors
    /// When the kernel refuses the address; the caller tries again later. A
    /// route or an MTU it refuses costs nobody his address, only a warning.
    pub(super) async fn apply(
        &self,
        device: &Device,
        change: Change<'_>,
        now: Duration,
    ) -> Result<(), LinkError> {
        let Change {
            old,
            new,
            all,
            own_mtu,
        } = change;
        if let Some(old) = old {
            self.withdraw(device, old, new).await?;
            if let Some(mtu) = old.mtu
                && new.is_none_or(|new| new.mtu.is_none())
            {
                let restored = self.restore_mtu(device, mtu.into(), own_mtu).await;
                warn_of(device, restored);
            }
        }
        let Some(new) = new else { return Ok(()) };
        self.lease_address(device, new.prefix, new.lifetime(now))
            .await?;
        let same = old.filter(|old| old.prefix == new.prefix);
        let kept = match same {
            Some(old) if !all => &old.routes[..],
            _ => &[],
        };
        for route in new.routes.iter().filter(|route| !kept.contains(route)) {
            let source = new.prefix.address;
            warn_of(device, self.lease_route(device, *route, source).await);
        }
        // One that is neither the lease's nor the device's own has been set by somebody since.
        let is_new = same.is_none_or(|old| old.mtu != new.mtu);
        if let Some(mtu) = new.mtu
            && (is_new || all && self.has_mtu(device, own_mtu).await)
        {
            warn_of(device, self.apply_mtu(device, mtu.into()).await);
        }
        Ok(())
    }

    async fn has_mtu(&self, device: &Device, mtu: u32) -> bool {
        let current = self.device(&device.name).await;
        matches!(current, Ok(Some(current)) if current.mtu == mtu)
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
                let source = old.prefix.address;
                let removed = self.remove_leased_route(device, *route, source).await;
                warn_of(device, removed);
            }
        }
        match same {
            Some(_) => Ok(()),
            None => self.remove_address(&Address::of(device, old.prefix)).await,
        }
    }

    /// Gives a device its own MTU back, if it still has that of the lease.
    async fn restore_mtu(&self, device: &Device, leased: u32, own: u32) -> Result<(), LinkError> {
        match self.device(&device.name).await? {
            Some(current) if current.mtu == leased.max(IPV6_MIN) && current.mtu != own => {
                self.set_mtu(&current, own).await
            }
            _ => Ok(()),
        }
    }

    /// Sets the MTU a server asks for. It can be no larger than that of the
    /// device below (the kernel says `ERANGE`), and a server that asks for
    /// more must not cost anybody his lease.
    async fn apply_mtu(&self, device: &Device, mtu: u32) -> Result<(), LinkError> {
        if mtu < IPV6_MIN {
            warn!(
                "{}: {IPV6_MIN} instead of the server's MTU {mtu}, for IPv6",
                device.name
            );
        }
        let mtu = mtu.max(IPV6_MIN);
        let Some(current) = self.device(&device.name).await? else {
            return Ok(());
        };
        let lower = match current.lower {
            Some(index) => self.device_at(index).await?,
            None => None,
        };
        if let Some(lower) = lower.filter(|lower| lower.mtu < mtu) {
            warn!(
                "{}: the server's MTU {mtu} is larger than the {} of {} below, which counts",
                device.name, lower.mtu, lower.name
            );
            return Ok(());
        }
        if current.mtu == mtu {
            return Ok(());
        }
        self.set_mtu(&current, mtu).await
    }
}

fn warn_of(device: &Device, outcome: Result<(), LinkError>) {
    if let Err(error) = outcome {
        warn!("{}: {error}", device.name);
    }
}
