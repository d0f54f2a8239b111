// SPDX-License-Identifier: Apache-2.0
//! A link, reduced to what hhnet looks at.

use std::fmt;

use netlink_packet_route::link::LacpState;

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
