// SPDX-License-Identifier: Apache-2.0
//! What the kernel has to be asked to know where a bond's policy would put what
//! was sent: members in their order, routes, neighbours.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    time::Duration,
};

use tracing::warn;

use super::Agent;
use crate::{
    clock,
    link::{Device, Kind, LinkError, Links, Neighbours, NextHop, PortState, members_in_order},
    xdp::{
        expected::{self, Bond, Way},
        report::Flow,
        xmit_hash::{Ethernet, group_mac},
    },
};

/// Ways the kernel is asked for one by one, some 50 µs each; flows of more
/// remain without an answer.
const MAX_WAYS: usize = 4_096;

impl Agent {
    /// The bonds that choose a member by hash.
    pub(super) fn hashing_bonds(&self, devices: &[Device]) -> Vec<Bond> {
        let bonds = devices.iter().filter_map(|device| {
            let since = self.changed.get(&device.index).copied();
            bond(device, devices, since.unwrap_or(self.born))
        });
        bonds.collect()
    }
}

fn bond(device: &Device, all: &[Device], since: Duration) -> Option<Bond> {
    let Kind::Bond(state) = &device.kind else {
        return None;
    };
    if !state.lacp {
        return None;
    }
    let members = members_in_order(&device.name);
    let members = members.inspect_err(|error| warn!("{}: its members: {error}", device.name));
    let members = members.ok()?;
    let is_usable = |name: &&String| {
        let port = all.iter().find(|d| d.name == **name)?.port.as_ref()?;
        Some(can_send(port) && port.aggregator == state.aggregator)
    };
    Some(Bond {
        name: device.name.clone(),
        index: device.index,
        policy: state.policy.parse().ok()?,
        vlans: all
            .iter()
            .filter_map(|vlan| match vlan.kind {
                Kind::Vlan(id) => sender(device.index, Some(id), all).map(|_| id),
                Kind::Bond(_) | Kind::Other => None,
            })
            .collect(),
        usable: members
            .iter()
            .filter(|name| is_usable(name) == Some(true))
            .cloned()
            .collect(),
        members,
        unchanged_ms: clock::now().saturating_sub(since).as_millis() as u64,
    })
}

/// `bond_slave_can_tx`.
fn can_send(port: &PortState) -> bool {
    port.active && port.mii_up
}

/// What decides whether a port is among those that a bond sends by
/// (`bond_update_slave_arr`).
pub(super) fn role(port: &PortState) -> (bool, Option<u16>) {
    (can_send(port), port.aggregator)
}

/// Writes into sent flows where they should be.
pub(super) async fn expect(links: &Links, devices: &[Device], bonds: &[Bond], flows: &mut [Flow]) {
    let ways = expected::ways(flows, bonds);
    let known = if ways.is_empty() {
        HashMap::new()
    } else {
        let headers = headers(links, devices, ways).await;
        headers.unwrap_or_else(|error| {
            warn!("{error}");
            HashMap::new()
        })
    };
    expected::expect(flows, bonds, &known);
}

async fn headers(
    links: &Links,
    devices: &[Device],
    ways: HashSet<Way>,
) -> Result<HashMap<Way, Ethernet>, LinkError> {
    let addresses = links.addresses().await?;
    let ours = addresses.iter().filter(|a| !is_stacked(a.index, devices));
    let ours: HashSet<IpAddr> = ours.map(|found| found.address).collect();
    let neighbours = links.neighbours().await?;
    let mut known = HashMap::new();
    for way in ways.into_iter().take(MAX_WAYS) {
        // What others send through us, containers among them, need not have our
        // hardware address, and what a bridge sends has any.
        if let Some(device) = sender(way.bond, way.vlan, devices)
            && device.master.is_none()
            && ours.contains(&way.source)
        {
            let ethernet = Ethernet {
                source: device.mac,
                destination: destination(links, &neighbours, device, &way).await,
                local: true,
            };
            known.insert(way, ethernet);
        }
    }
    Ok(known)
}

/// Whether a link runs on another one as macvlan does, with a hardware address
/// of its own.
fn is_stacked(index: u32, devices: &[Device]) -> bool {
    let link = devices.iter().find(|device| device.index == index);
    link.is_some_and(|link| link.lower.is_some() && !link.is_vlan())
}

/// The device that gave a flow its Ethernet header, if it had one: the only VLAN
/// of this number, on the bond itself, or the bond. A tag inside another is
/// neither of these.
fn sender(bond: u32, vlan: Option<u16>, devices: &[Device]) -> Option<&Device> {
    let mut senders = devices.iter().filter(|device| match vlan {
        Some(vlan) => device.kind == Kind::Vlan(vlan) && is_above(device, bond, devices),
        None => device.index == bond,
    });
    let sender = senders.next()?;
    let on_bond = vlan.is_none() || sender.lower == Some(bond);
    let only = senders.next().is_none();
    (on_bond && only).then_some(sender)
}

/// Whether a VLAN runs on the bond, or on a VLAN that does. Only VLANs are followed
/// down: the ends of a veth cable each name the other as the one below.
fn is_above(device: &Device, bond: u32, devices: &[Device]) -> bool {
    let below = |upper: &&Device| {
        let lower = upper.lower.filter(|_| upper.is_vlan())?;
        devices.iter().find(|device| device.index == lower)
    };
    std::iter::successors(Some(device), below).any(|device| device.index == bond)
}

async fn destination(
    links: &Links,
    neighbours: &Neighbours,
    device: &Device,
    way: &Way,
) -> Option<[u8; 6]> {
    if let Some(group) = group_mac(way.destination) {
        return Some(group);
    }
    // No route is no error of ours.
    let hop = links.next_hop(device, way.source, way.destination).await;
    match hop.ok()?? {
        NextHop::All => Some([0xff; 6]),
        NextHop::One(address) => neighbours.get(&(device.index, address)).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(index: u32, kind: Kind, lower: Option<u32>) -> Device {
        Device {
            index,
            kind,
            lower,
            ..Device::default()
        }
    }

    #[test]
    fn the_vlan_on_the_bond_sends_unless_the_tag_may_be_anothers() {
        let bond = device(3, Kind::Bond(Default::default()), None);
        let vlan = device(4, Kind::Vlan(1001), Some(3));
        let inner = device(5, Kind::Vlan(7), Some(4));
        let mut all = vec![bond, vlan, inner];
        let index = |vlan, all: &[Device]| sender(3, vlan, all).map(|device| device.index);
        assert_eq!(index(None, &all), Some(3));
        assert_eq!(index(Some(1001), &all), Some(4));
        assert_eq!(index(Some(7), &all), None, "inside another tag");
        assert_eq!(index(Some(8), &all), None);
        all.push(device(6, Kind::Other, Some(9)));
        all.push(device(9, Kind::Other, Some(6)));
        all.push(device(7, Kind::Vlan(1001), Some(6)));
        assert_eq!(
            index(Some(1001), &all),
            Some(4),
            "the other is another port's"
        );
        all.push(device(8, Kind::Vlan(1001), Some(5)));
        assert_eq!(index(Some(1001), &all), None, "either of two");
    }
}
