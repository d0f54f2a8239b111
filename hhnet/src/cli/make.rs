// SPDX-License-Identifier: Apache-2.0
//! Arguments of the verbs that make something.

use std::{net::Ipv4Addr, time::Duration};

use clap::Args;

use super::values::{self, ClientId, Exposure, HashPolicy, IfName, LacpRate, Prefix, VlanId, Xdp};

/// `hhnet bond <vlan> <policy> <iface>... [--mtu=N]`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Bond {
    /// VLAN id, 1 to 4094
    #[arg(value_name = "vlan")]
    pub vlan: VlanId,
    /// Transmit hash policy: layer2, layer2+3, layer3+4, encap2+3, encap3+4 or vlan+srcmac
    #[arg(value_name = "policy", hide_possible_values = true)]
    pub policy: HashPolicy,
    /// Interfaces to bond, in order; the first one gives the bond its MAC address
    #[arg(value_name = "iface", required = true)]
    pub members: Vec<IfName>,
    /// How often LACPDUs are asked for: slow (30 s, the kernel's default) or fast (1 s)
    #[arg(
        long,
        value_name = "RATE",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub lacp_rate: LacpRate,
    /// MTU, patience and programs
    #[command(flatten)]
    pub lease: LeaseFlags,
}

/// `hhnet vlan <vlan> <iface> [--mtu=N]`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Vlan {
    /// VLAN id, 1 to 4094
    #[arg(value_name = "vlan")]
    pub vlan: VlanId,
    /// Interface that carries the VLAN; may be a bond
    #[arg(value_name = "iface")]
    pub parent: IfName,
    /// MTU, patience and programs
    #[command(flatten)]
    pub lease: LeaseFlags,
}

/// `hhnet dhcp <iface> [--mtu=N]`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Dhcp {
    /// Interface that gets the address
    #[arg(value_name = "iface")]
    pub interface: IfName,
    /// MTU, patience and programs
    #[command(flatten)]
    pub lease: LeaseFlags,
}

/// What `bond`, `vlan` and `dhcp` have in common: the way to an address.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct LeaseFlags {
    /// MTU of every device involved, in bytes
    #[arg(long, value_name = "N", value_parser = values::mtu)]
    pub mtu: Option<u32>,
    /// Seconds to wait for an address
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = values::seconds)]
    timeout: u32,
    /// Programs on the interfaces: auto (native XDP, else tc), native, tc, generic (XDP) or off
    #[arg(
        long,
        value_name = "MODE",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub xdp: Xdp,
    /// Room for N IPv4 flows and a quarter as many of IPv6 on each CPU; decided when an
    /// agent first counts [default: 65536]
    #[arg(long, value_name = "N", value_parser = values::flows)]
    pub flows: Option<u32>,
    /// What servers know us by: mac (type 1 and the hardware address), duid (RFC 4361) or none
    #[arg(
        long,
        value_name = "ID",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub client_id: ClientId,
    /// Ask the network whether the address is free before using it (RFC 5227); takes 4 to 7 s
    #[arg(long)]
    pub arp_probe: bool,
    /// Where the agent serves metrics by HTTP: 127.0.0.1:19478 at first, or off
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Option<Exposure>,
}

impl LeaseFlags {
    /// How long to wait for an address before the command fails.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.into())
    }
}

/// `hhnet p2p <iface> <local/31> <remote>`
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct P2p {
    /// Interface that gets the address
    #[arg(value_name = "iface")]
    pub interface: IfName,
    /// Address of this end and its prefix length
    #[arg(value_name = "local/31")]
    pub local: Prefix,
    /// Address of the other end, the gateway of the default route
    #[arg(value_name = "remote")]
    pub remote: Ipv4Addr,
    /// Where the agent serves metrics by HTTP: 127.0.0.1:19478 at first, or off
    #[arg(long, value_name = "ADDR:PORT")]
    pub metrics: Option<Exposure>,
}
