// SPDX-License-Identifier: Apache-2.0
//! The kinds of links in the lab, as the kernel is asked for them.

use std::os::fd::AsRawFd;

use netlink_packet_route::link::{
    BondLacpRate, BondMode, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
};
use rtnetlink::{LinkBond, LinkBridge, LinkBridgePort, LinkMessageBuilder, LinkUnspec, LinkVeth};

use crate::dhcp::Mac;
use crate::fabric::LACP_SYSTEM;
use crate::namespace::Namespace;

/// A bridge that takes multicast for what is for everybody; up.
pub(super) fn bridge(name: &str) -> LinkMessageBuilder<LinkBridge> {
    LinkBridge::new(name).mcast_snooping(false)
}

/// The same, but a port lets no VLAN through before it is told to.
pub(super) fn vlan_bridge(name: &str) -> LinkMessageBuilder<LinkBridge> {
    bridge(name).vlan_filtering(true).vlan_default_pvid(0)
}

/// A port of a bridge, to be changed.
pub(super) fn bridge_port(name: &str) -> LinkMessageBuilder<LinkBridgePort> {
    // By name: there is no link with the index 0.
    LinkBridgePort::new(0).name(name)
}

/// Ports that speak LACP, by a key of their own, as both leaves of a pair do; down.
pub(super) fn lacp_group(name: &str, key: u8) -> LinkMessageBuilder<LinkBond> {
    LinkBond::new(name)
        .mode(BondMode::Ieee8023Ad)
        .miimon(100)
        .ad_lacp_rate(BondLacpRate::Fast)
        .ad_actor_system(octets(LACP_SYSTEM))
        .ad_user_port_key(key.into())
}

/// A cable from a port, called `name`, to another machine; both ends are down.
pub(super) fn cable(
    name: &str,
    far_end: LinkMessageBuilder<LinkUnspec>,
) -> LinkMessageBuilder<LinkVeth> {
    let peer = InfoVeth::Peer(far_end.build());
    LinkMessageBuilder::new_with_info_kind(InfoKind::Veth)
        .name(name)
        .set_info_data(InfoData::Veth(peer))
}

/// The end of a cable that is on `machine`.
pub(super) fn far_end(machine: &Namespace, name: &str) -> LinkMessageBuilder<LinkUnspec> {
    LinkUnspec::new_with_name(name).setns_by_fd(machine.network().as_raw_fd())
}

/// The octets of a MAC as the fabric writes it.
pub(super) fn octets(mac: &str) -> Mac {
    let mut octets = mac.split(':').map(|octet| u8::from_str_radix(octet, 16));
    [(); 6].map(|()| octets.next().expect("six octets").expect("an octet"))
}

/// What a link is called in an error: by its kind, where the message says it, and its name.
pub(super) fn called(link: &LinkMessage) -> String {
    let infos = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::LinkInfo(infos) => Some(infos),
            _ => None,
        });
    let kind = infos.into_iter().flatten().find_map(|info| match info {
        LinkInfo::Kind(kind) => Some(format!("{kind} ")),
        _ => None,
    });
    let name = link
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(name.as_str()),
            _ => None,
        });
    kind.unwrap_or_default() + name.unwrap_or("a link without a name")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_called_by_kind_and_name() {
        let called = [
            called(&vlan_bridge("br0").build()),
            called(&lacp_group("s1lag", 1).build()),
            called(&bridge_port("leaf1").isolated(true).build()),
            called(&cable("spine1", LinkUnspec::new_with_name("leaf1")).build()),
        ];
        assert_eq!(called, ["bridge br0", "bond s1lag", "leaf1", "veth spine1"]);
    }

    #[test]
    fn a_mac_is_six_octets() {
        assert_eq!(
            octets("0c:20:12:fe:0a:02"),
            [0x0c, 0x20, 0x12, 0xfe, 0x0a, 0x02]
        );
    }
}
