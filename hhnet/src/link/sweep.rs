// SPDX-License-Identifier: Apache-2.0
//! Cleaning up: whatever there is, by its kind, whoever made it.

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkXdp},
};
use rtnetlink::LinkUnspec;

use super::{
    Address, Device, LinkError, Links, Result,
    device::{XDP_GENERIC, XDP_HARDWARE, XDP_NATIVE},
};
use crate::journal::{Before, Journal};

/// What a sweep could not do. It goes on after every failure.
#[derive(Debug, Default)]
pub struct Swept {
    /// Each failure, in order.
    pub failures: Vec<LinkError>,
    /// Links that still carry XDP programs netlink may not take away, because
    /// another process holds them by a BPF link.
    pub held: Vec<Device>,
}

impl Swept {
    fn note(&mut self, outcome: Result<()>) {
        self.failures.extend(outcome.err());
    }
}

impl Links {
    /// Removes all bonds, all VLANs, global addresses of the loopback
    /// interface, XDP programs, and what `journal` says was done to the
    /// remaining links.
    ///
    /// # Errors
    /// Only when the links cannot be listed; everything else is in [`Swept`].
    pub async fn sweep(&self, journal: &Journal) -> Result<Swept> {
        let before = self.devices().await?;
        let mut swept = Swept::default();
        // The kind is checked here although the kernel filters dumps by kind:
        // it ignores the filter where it does not know the kind.
        for bond in before.iter().filter(|device| device.is_bond()) {
            swept.note(self.remove(bond).await);
        }
        // VLANs on a bond have gone with it, and removing them again is no error.
        for vlan in before.iter().filter(|device| device.is_vlan()) {
            swept.note(self.remove(vlan).await);
        }
        for entry in &journal.p2p {
            swept.note(self.remove_p2p(entry, &before).await);
        }
        self.release(&before, journal, &mut swept).await?;
        for address in self
            .addresses()
            .await?
            .iter()
            .filter(|address| address.global)
        {
            if before
                .iter()
                .any(|device| device.index == address.index && device.name == "lo")
            {
                swept.note(self.remove_address(address).await);
            }
        }
        Ok(swept)
    }

    /// Takes programs off the links that stay, and gives the links the state
    /// they had before.
    async fn release(&self, before: &[Device], journal: &Journal, swept: &mut Swept) -> Result<()> {
        let was_member = |index| {
            let old = before.iter().find(|device| device.index == index);
            let master = old.and_then(|device| device.master);
            before
                .iter()
                .any(|device| Some(device.index) == master && device.is_bond())
        };
        for device in self.devices().await? {
            if device.xdp.modes != 0 && self.remove_xdp(&device).await.is_err() {
                swept.held.push(device.clone());
            }
            match journal.before(&device.name) {
                Some(old) => swept.note(self.restore(&device, old).await),
                // The kernel leaves a former member down. Nobody wrote down
                // what it was like, so it is left as networkd would leave it.
                None if was_member(device.index) => swept.note(self.set_up(&device).await),
                None => {}
            }
        }
        Ok(())
    }

    /// Gives a link the MTU and the administrative state it had. A driver that refuses the
    /// one, as below somebody's XDP program, does not keep it from the other.
    pub async fn restore(&self, device: &Device, before: &Before) -> Result<()> {
        let resized = match device.mtu == before.mtu {
            true => Ok(()),
            false => self.set_mtu(device, before.mtu).await,
        };
        let switched = match (device.up, before.up) {
            (false, true) => self.set_up(device).await,
            (true, false) => self.set_down(device).await,
            (true, true) | (false, false) => Ok(()),
        };
        resized.and(switched)
    }

    /// Takes a point-to-point address away; its route goes with it.
    async fn remove_p2p(&self, entry: &crate::journal::P2p, devices: &[Device]) -> Result<()> {
        match devices.iter().find(|device| device.name == entry.interface) {
            Some(device) => {
                // The route names no source, so it survives the address.
                self.remove_default_route(device, entry.gateway).await?;
                self.remove_address(&Address::of(device, entry.local)).await
            }
            None => Ok(()),
        }
    }

    /// `ip link set INDEX xdp off`, for each mode in which a program is attached.
    async fn remove_xdp(&self, device: &Device) -> Result<()> {
        for mode in [XDP_GENERIC, XDP_NATIVE, XDP_HARDWARE] {
            if device.xdp.modes & mode != 0 {
                let off = LinkAttribute::Xdp(vec![LinkXdp::Fd(-1), LinkXdp::Flags(mode)]);
                let message = LinkUnspec::new_with_index(device.index)
                    .append_extra_attribute(off)
                    .build();
                let step = format!("removing the XDP program of {}", device.name);
                self.ask(step, RouteNetlinkMessage::SetLink(message), 0)
                    .await?;
            }
        }
        Ok(())
    }
}
