// SPDX-License-Identifier: Apache-2.0
//! The links of each verb, made step by step.

use std::{fmt, io};

use super::{Agent, undo::Undo};
use crate::{
    cli::{BOND, Bond, Dhcp, IfName, P2p, Vlan, VlanId},
    host::Role,
    journal::{self, Before},
    link::{Address, BondOptions, Device, Kind, LinkError, Links},
};

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum VerbError {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
    #[error("{0}")]
    Refused(String),
}

impl VerbError {
    pub(super) fn refused(reason: impl fmt::Display) -> Self {
        VerbError::Refused(reason.to_string())
    }
}

/// The interface a verb has made for leasing.
pub(super) struct Leasable {
    pub(super) device: Device,
    /// Where programs go: the members of the bond, or the parent.
    pub(super) lowest: Vec<Device>,
    pub(super) bonded: bool,
}

impl Agent {
    pub(super) async fn make_bond(
        &mut self,
        bond: &Bond,
        undo: &mut Undo,
    ) -> Result<Leasable, VerbError> {
        let name: IfName = BOND.parse().map_err(VerbError::Refused)?;
        let vlan = name.with_vlan(bond.vlan).map_err(VerbError::Refused)?;
        self.must_be_free(BOND).await?;
        self.must_be_free(vlan.as_str()).await?;
        let members = self.free_members(&bond.members).await?;
        for member in &members {
            self.note(member, undo)?;
        }
        let mut roles: Vec<_> = members
            .iter()
            .map(|member| (member.name.as_str(), Role::Member))
            .collect();
        roles.extend([(BOND, Role::Lower), (vlan.as_str(), Role::Addressed)]);
        self.take_over(&roles, undo).await;
        undo.mtu = bond.lease.mtu;
        let options = BondOptions {
            name: BOND,
            policy: bond.policy,
            lacp_rate: bond.lacp_rate,
            mac: members
                .first()
                .and_then(|first| first.permanent_mac.or(first.mac)),
            mtu: bond.lease.mtu,
        };
        add_bond(&self.links, &options).await?;
        let upper = self.links.existing(BOND).await?;
        undo.created.push(upper.clone());
        for member in &members {
            self.links.enslave(member, &upper).await?;
        }
        self.links.set_up(&upper).await?;
        let device = self.add_vlan(&upper, &vlan, bond.vlan, undo).await?;
        Ok(Leasable {
            device,
            lowest: members,
            bonded: true,
        })
    }

    /// Sets the MTU of a device. The kernel lowers that of the VLANs on it as
    /// well (`vlan_device_event` in net/8021q/vlan.c), and does not raise it again.
    async fn set_mtu(&self, device: &Device, mtu: u32, undo: &mut Undo) -> Result<(), VerbError> {
        undo.mtu = Some(mtu);
        let all = self.links.devices().await?;
        let shrinks = |upper: &Device| upper.lower == Some(device.index) && upper.mtu > mtu;
        undo.shrunk = all.into_iter().filter(shrinks).collect();
        Ok(self.links.set_mtu(device, mtu).await?)
    }

    pub(super) async fn make_vlan(
        &mut self,
        vlan: &Vlan,
        undo: &mut Undo,
    ) -> Result<Leasable, VerbError> {
        let parent = self.links.existing(vlan.parent.as_str()).await?;
        self.must_be_no_member(&parent, "adding a VLAN to").await?;
        let name = vlan
            .parent
            .with_vlan(vlan.vlan)
            .map_err(VerbError::Refused)?;
        self.must_be_free(name.as_str()).await?;
        self.note(&parent, undo)?;
        self.take_over(&[(name.as_str(), Role::Addressed)], undo)
            .await;
        if let Some(mtu) = vlan.lease.mtu {
            self.set_mtu(&parent, mtu, undo).await?;
        }
        if !parent.up {
            self.links.set_up(&parent).await?;
        }
        let device = self.add_vlan(&parent, &name, vlan.vlan, undo).await?;
        let bonded = parent.speaks_lacp();
        // A program on a bond would exclude programs on its members, which
        // `bond` has put there.
        let lowest = if parent.is_bond() {
            Vec::new()
        } else {
            vec![parent]
        };
        Ok(Leasable {
            device,
            lowest,
            bonded,
        })
    }

    pub(super) async fn make_dhcp(
        &mut self,
        dhcp: &Dhcp,
        undo: &mut Undo,
    ) -> Result<Leasable, VerbError> {
        let name = &dhcp.interface;
        let before = self.links.existing(name.as_str()).await?;
        self.must_be_no_member(&before, "leasing an address on")
            .await?;
        if self.sessions.iter().any(|s| s.device.index == before.index) {
            return Err(VerbError::refused(format_args!(
                "leasing an address on {name}: that is done already"
            )));
        }
        self.note(&before, undo)?;
        self.take_over(&[(name.as_str(), Role::Addressed)], undo)
            .await;
        if let Some(mtu) = dhcp.lease.mtu {
            self.set_mtu(&before, mtu, undo).await?;
        }
        if !before.up {
            self.links.set_up(&before).await?;
        }
        let device = self.links.existing(name.as_str()).await?;
        let lowest = match device.kind {
            Kind::Other => vec![device.clone()],
            Kind::Bond(_) | Kind::Vlan(_) => Vec::new(),
        };
        Ok(Leasable {
            bonded: device.speaks_lacp(),
            device,
            lowest,
        })
    }

    async fn add_vlan(
        &self,
        parent: &Device,
        name: &IfName,
        id: VlanId,
        undo: &mut Undo,
    ) -> Result<Device, VerbError> {
        self.links.add_vlan(parent, name, id).await?;
        let device = self.links.existing(name.as_str()).await?;
        undo.created.push(device.clone());
        Ok(device)
    }

    pub(super) async fn make_p2p(&mut self, p2p: &P2p, undo: &mut Undo) -> Result<(), VerbError> {
        let device = self.links.existing(p2p.interface.as_str()).await?;
        self.must_be_no_member(&device, "adding an address to")
            .await?;
        self.note(&device, undo)?;
        let entry = journal::P2p {
            interface: device.name.clone(),
            local: p2p.local,
            gateway: p2p.remote,
        };
        let is_known = self.journal.p2p.contains(&entry);
        if !is_known {
            undo.noted = Some(entry.clone());
            self.journal
                .note_p2p(entry)
                .map_err(|error| VerbError::Io("writing the journal", error))?;
        }
        self.take_over(&[(device.name.as_str(), Role::Addressed)], undo)
            .await;
        self.links.set_up(&device).await?;
        match self.links.add_address(&device, p2p.local).await {
            Ok(()) => undo.address = Some(Address::of(&device, p2p.local)),
            // What is there is ours, but for the route, which the kernel has dropped when
            // somebody set the link down (`fib_disable_ip`).
            Err(there) if is_known && there.errno() == Some(libc::EEXIST) => {
                let added = self.links.add_default_route(&device, p2p.remote).await;
                return added.map_err(|_| there.into());
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.links.add_default_route(&device, p2p.remote).await?)
    }

    /// Has others leave links alone from now on.
    async fn take_over(&self, links: &[(&str, Role)], undo: &mut Undo) {
        let handover = self.host.take_over(links).await;
        undo.handover.new.extend(handover.new);
        undo.handover.remarks.extend(handover.remarks);
        undo.steps.done("others told");
    }

    /// Writes down what a link is like before it is changed.
    fn note(&mut self, device: &Device, undo: &mut Undo) -> Result<(), VerbError> {
        let new = self.journal.before(&device.name).is_none();
        self.journal
            .note(device)
            .map_err(|error| VerbError::Io("writing the journal", error))?;
        let before = Before {
            name: device.name.clone(),
            up: device.up,
            mtu: device.mtu,
        };
        undo.touched.push((before, new));
        Ok(())
    }
}

/// Adds the bond. A kernel that loads the bonding module for this very request
/// makes a `bond0` of its own first (`max_bonds=1`, unless a modprobe option
/// says otherwise): that one, down and without members, is in the way and is
/// replaced.
async fn add_bond(links: &Links, options: &BondOptions<'_>) -> Result<(), VerbError> {
    match links.add_bond(options).await {
        Err(error) if error.errno() == Some(libc::EEXIST) => {
            let theirs = links.existing(options.name).await?;
            let empty = links.devices().await?;
            let empty = empty.iter().all(|d| d.master != Some(theirs.index));
            if theirs.up || !theirs.is_bond() || !empty {
                return Err(error.into());
            }
            links.remove(&theirs).await?;
            Ok(links.add_bond(options).await?)
        }
        other => Ok(other?),
    }
}
