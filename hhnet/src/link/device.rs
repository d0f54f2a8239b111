// SPDX-License-Identifier: Apache-2.0
//! What the kernel says of a link, reduced to what hhnet looks at.

use std::fmt;

use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{
        BondAdInfo, BondMode, BondPortState, BondXmitHashPolicy, ChurnState, InfoBond,
        InfoBondPort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVlan, LacpState,
        LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, MiiStatus,
        XdpAttached,
    },
};

use super::{LinkError, Links, Result};

/// `XDP_FLAGS_SKB_MODE`: run by the stack, on any driver.
pub(super) const XDP_GENERIC: u32 = 1 << 1;
/// `XDP_FLAGS_DRV_MODE`: run by the driver.
pub(super) const XDP_NATIVE: u32 = 1 << 2;
/// `XDP_FLAGS_HW_MODE`: run by the hardware.
pub(super) const XDP_HARDWARE: u32 = 1 << 3;

/// A six byte hardware address.
pub type Mac = [u8; 6];

/// Displays a MAC address as `ip` does.
pub struct MacText(pub Mac);

impl fmt::Display for MacText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A link as one netlink message describes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Device {
    /// Kernel index, stable for the life of the link.
    pub index: u32,
    /// Name, `enp2s1`.
    pub name: String,
    /// What sort of link it is.
    pub kind: Kind,
    /// Carries Ethernet frames (`ARPHRD_ETHER`): no loopback, no tunnel.
    pub ethernet: bool,
    /// Administratively up.
    pub up: bool,
    /// Carrier: the physical layer works, also that of lower devices.
    pub carrier: bool,
    /// MTU in bytes.
    pub mtu: u32,
    /// Current hardware address.
    pub mac: Option<Mac>,
    /// Hardware address burnt into the device, where it has one.
    pub permanent_mac: Option<Mac>,
    /// Index of the upper device this one is a member of.
    pub master: Option<u32>,
    /// Index of the lower device a VLAN runs on.
    pub lower: Option<u32>,
    /// State as a member of a bond.
    pub port: Option<PortState>,
    /// XDP programs attached to it.
    pub xdp: XdpState,
}

impl Device {
    /// A NIC: what has a hardware address of its own, and is nobody's member.
    pub fn is_hardware(&self) -> bool {
        let has_own = self.ethernet && self.permanent_mac.is_some();
        has_own && self.kind == Kind::Other && self.master.is_none()
    }
}

/// The XDP programs of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct XdpState {
    /// One `XDP_FLAGS_*_MODE` bit for each mode with a program.
    pub(super) modes: u32,
    /// Id of the program, where there is one only.
    pub program: Option<u32>,
}

/// The sort of a link, as far as hhnet treats sorts differently.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Kind {
    /// A bond and its state.
    Bond(BondState),
    /// A VLAN and its id.
    Vlan(u16),
    /// Anything else: physical, veth, dummy, bridge.
    #[default]
    Other,
}

/// State of a bond (`/proc/net/bonding/bond0`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BondState {
    /// Whether the mode is 802.3ad.
    pub lacp: bool,
    /// Transmit hash policy by name.
    pub policy: String,
    /// Active aggregator.
    pub aggregator: Option<u16>,
    /// Ports in the active aggregator.
    pub ports: u16,
    /// MAC address of the LACP partner; zero before one has spoken.
    pub partner: Option<Mac>,
}

/// State of a member of an 802.3ad bond.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortState {
    /// The member is used (`BOND_STATE_ACTIVE`), not kept in reserve.
    pub active: bool,
    /// The bond sees a working link on it.
    pub mii_up: bool,
    /// Aggregator it belongs to.
    pub aggregator: Option<u16>,
    /// LACP state of this end (IEEE 802.1AX, 6.4.2.3), as bits.
    pub actor: u8,
    /// LACP state of the partner's end.
    pub partner: u8,
    /// Failed links counted so far.
    pub failures: u32,
    /// Churn machine of this end.
    pub churned: bool,
}

impl PortState {
    /// Collecting and distributing: LACP has agreed and frames may flow.
    ///
    /// A member is briefly active as an individual port before the partner
    /// has spoken, so activity alone says nothing.
    pub fn distributing(&self) -> bool {
        let both = (LacpState::COLLECTING | LacpState::DISTRIBUTING).bits();
        self.active && self.actor & both == both
    }
}

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

    /// Whether the link is a bond, of whatever mode.
    pub fn is_bond(&self) -> bool {
        matches!(self.kind, Kind::Bond(_))
    }

    /// Whether the link is a bond whose members LACP has to agree on.
    pub fn speaks_lacp(&self) -> bool {
        matches!(&self.kind, Kind::Bond(bond) if bond.lacp)
    }

    /// Whether the link is a VLAN.
    pub fn is_vlan(&self) -> bool {
        matches!(self.kind, Kind::Vlan(_))
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

impl Links {
    /// All links: `ip -d link show`.
    pub async fn devices(&self) -> Result<Vec<Device>> {
        let request = RouteNetlinkMessage::GetLink(LinkMessage::default());
        let links = self.dump("listing links".into(), request).await?;
        Ok(links
            .iter()
            .filter_map(Device::from_route_message)
            .collect())
    }

    /// One link by its name, or `None`: `ip -d link show dev NAME`.
    pub async fn device(&self, name: &str) -> Result<Option<Device>> {
        let mut message = LinkMessage::default();
        message.attributes.push(LinkAttribute::IfName(name.into()));
        self.one(format!("looking for {name}"), message).await
    }

    /// One link by its index, or `None`.
    pub async fn device_at(&self, index: u32) -> Result<Option<Device>> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.one(format!("looking for link {index}"), message).await
    }

    async fn one(&self, step: String, message: LinkMessage) -> Result<Option<Device>> {
        let request = RouteNetlinkMessage::GetLink(message);
        match self.collect(step, request, 0).await {
            Ok(found) => Ok(found.iter().find_map(Device::from_route_message)),
            Err(error) if error.is_gone() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that a link can be added under this name, before anything is
    /// changed for it.
    ///
    /// # Errors
    /// `File exists` when there is one, as adding it would say.
    pub async fn must_be_free(&self, name: &str) -> Result<()> {
        match self.device(name).await? {
            None => Ok(()),
            Some(_) => {
                let error = std::io::Error::from_raw_os_error(libc::EEXIST);
                Err(LinkError::new(format!("adding {name}"), error))
            }
        }
    }

    /// One link by its name.
    ///
    /// # Errors
    /// `No such device` when there is none.
    pub async fn existing(&self, name: &str) -> Result<Device> {
        let missing = || {
            let error = std::io::Error::from_raw_os_error(libc::ENODEV);
            LinkError::new(format!("looking for interface {name}"), error)
        };
        self.device(name).await?.ok_or_else(missing)
    }
}

impl Device {
    fn from_route_message(message: &RouteNetlinkMessage) -> Option<Device> {
        match message {
            RouteNetlinkMessage::NewLink(link) => Device::from_message(link),
            _ => None,
        }
    }
}
