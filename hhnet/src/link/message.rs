// SPDX-License-Identifier: Apache-2.0
//! What the kernel says of a link, read from its messages.

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{
        BondAdInfo, BondMode, BondPortState, BondXmitHashPolicy, ChurnState, InfoBond,
        InfoBondPort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVlan, LinkAttribute,
        LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, MiiStatus, XdpAttached,
    },
};

use super::device::{
    BondState, Device, Kind, Mac, PortState, XDP_GENERIC, XDP_HARDWARE, XDP_NATIVE,
};

impl Device {
    /// Reads a link message; `None` for one without a name (not a real link).
    pub fn from_message(message: &LinkMessage) -> Option<Device> {
        let flags = message.header.flags;
        let mut device = Device {
            index: message.header.index,
            ethernet: message.header.link_layer_type == LinkLayerType::Ether,
            up: flags.contains(LinkFlags::Up),
            carrier: flags.contains(LinkFlags::LowerUp),
            ..Device::default()
        };
        for attribute in &message.attributes {
            device.read(attribute);
        }
        // IFLA_LINK is another machine's index where there is IFLA_LINK_NETNSID, and of a
        // veth it is its other end: nothing that is below.
        let is_below = |attribute: &LinkAttribute| match attribute {
            LinkAttribute::LinkNetNsId(_) => false,
            LinkAttribute::LinkInfo(infos) => !infos.contains(&LinkInfo::Kind(InfoKind::Veth)),
            _ => true,
        };
        if !message.attributes.iter().all(is_below) {
            device.lower = None;
        }
        (!device.name.is_empty()).then_some(device)
    }

    fn read(&mut self, attribute: &LinkAttribute) {
        match attribute {
            LinkAttribute::IfName(name) => self.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => self.mtu = *mtu,
            LinkAttribute::Address(bytes) => self.mac = mac(bytes),
            LinkAttribute::PermAddress(bytes) => self.permanent_mac = mac(bytes),
            LinkAttribute::Controller(index) => self.master = Some(*index),
            LinkAttribute::Link(index) => self.lower = Some(*index),
            LinkAttribute::LinkInfo(infos) => self.read_info(infos),
            LinkAttribute::Xdp(attributes) => {
                for attribute in attributes {
                    self.xdp.modes |= xdp_mode(attribute);
                    if let LinkXdp::ProgId(id) = attribute {
                        self.xdp.program = Some(*id);
                    }
                }
            }
            _ => {}
        }
    }

    fn read_info(&mut self, infos: &[LinkInfo]) {
        for info in infos {
            match info {
                // The data follows the kind; a bond without data is still a bond.
                LinkInfo::Kind(InfoKind::Bond) => self.kind = Kind::Bond(BondState::default()),
                LinkInfo::Kind(InfoKind::Vlan) => self.kind = Kind::Vlan(0),
                LinkInfo::Data(InfoData::Bond(data)) => self.kind = Kind::Bond(bond_state(data)),
                LinkInfo::Data(InfoData::Vlan(data)) => {
                    let id = data.iter().find_map(|info| match info {
                        InfoVlan::Id(id) => Some(*id),
                        _ => None,
                    });
                    self.kind = Kind::Vlan(id.unwrap_or_default());
                }
                LinkInfo::PortKind(InfoPortKind::Bond) => {
                    self.port.get_or_insert_default();
                }
                LinkInfo::PortData(InfoPortData::BondPort(data)) => {
                    self.port = Some(port_state(data));
                }
                _ => {}
            }
        }
    }

    pub(super) fn from_route_message(message: &RouteNetlinkMessage) -> Option<Device> {
        match message {
            RouteNetlinkMessage::NewLink(link) => Device::from_message(link),
            _ => None,
        }
    }
}

fn bond_state(data: &[InfoBond]) -> BondState {
    let mut state = BondState::default();
    for info in data {
        match info {
            InfoBond::Mode(mode) => state.lacp = *mode == BondMode::Ieee8023Ad,
            InfoBond::XmitHashPolicy(policy) => state.policy = policy_name(*policy).into(),
            InfoBond::AdInfo(infos) => {
                for info in infos {
                    match info {
                        BondAdInfo::Aggregator(id) => state.aggregator = Some(*id),
                        BondAdInfo::NumPorts(ports) => state.ports = *ports,
                        BondAdInfo::PartnerMac(mac) => state.partner = Some(*mac),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    state
}

fn port_state(data: &[InfoBondPort]) -> PortState {
    let mut state = PortState::default();
    for info in data {
        match info {
            InfoBondPort::BondPortState(port) => state.active = *port == BondPortState::Active,
            InfoBondPort::MiiStatus(mii) => state.mii_up = *mii == MiiStatus::Up,
            InfoBondPort::AdAggregatorId(id) => state.aggregator = Some(*id),
            InfoBondPort::AdActorOperPortState(lacp) => state.actor = lacp.bits(),
            InfoBondPort::AdPartnerOperPortState(lacp) => state.partner = lacp.bits(),
            InfoBondPort::LinkFailureCount(count) => state.failures = *count,
            InfoBondPort::AdChurnActorState(churn) => state.churned = *churn == ChurnState::Churn,
            _ => {}
        }
    }
    state
}

/// The mode an attribute speaks of; generic and hardware programs are reported
/// by their own ids when several are attached at once.
fn xdp_mode(attribute: &LinkXdp) -> u32 {
    match attribute {
        LinkXdp::Attached(XdpAttached::Driver) | LinkXdp::DrvProgId(_) => XDP_NATIVE,
        LinkXdp::Attached(XdpAttached::SocketBuffer) | LinkXdp::SkbProgId(_) => XDP_GENERIC,
        LinkXdp::Attached(XdpAttached::Hardware) | LinkXdp::HwProgId(_) => XDP_HARDWARE,
        _ => 0,
    }
}

fn policy_name(policy: BondXmitHashPolicy) -> &'static str {
    match policy {
        BondXmitHashPolicy::Layer2 => "layer2",
        BondXmitHashPolicy::Layer23 => "layer2+3",
        BondXmitHashPolicy::Layer34 => "layer3+4",
        BondXmitHashPolicy::Encap23 => "encap2+3",
        BondXmitHashPolicy::Encap34 => "encap3+4",
        BondXmitHashPolicy::VlanSrcMac => "vlan+srcmac",
        _ => "unknown",
    }
}

/// The six bytes of an Ethernet address; `None` for all zeros and other lengths.
fn mac(bytes: &[u8]) -> Option<Mac> {
    bytes.try_into().ok().filter(|mac| *mac != [0; 6])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link on another one, of index 4.
    fn on(kind: InfoKind, more: Option<LinkAttribute>) -> Option<u32> {
        let mut message = LinkMessage::default();
        message.attributes = vec![
            LinkAttribute::IfName("enp2s1".into()),
            LinkAttribute::Link(4),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind)]),
        ];
        message.attributes.extend(more);
        Device::from_message(&message)?.lower
    }

    #[test]
    fn the_other_end_of_a_cable_is_not_below_it() {
        assert_eq!(on(InfoKind::Vlan, None), Some(4));
        assert_eq!(on(InfoKind::MacVlan, None), Some(4));
        assert_eq!(on(InfoKind::Veth, None), None);
        let elsewhere = Some(LinkAttribute::LinkNetNsId(1));
        assert_eq!(on(InfoKind::MacVlan, elsewhere), None, "another machine's");
    }
}
