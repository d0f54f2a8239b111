// SPDX-License-Identifier: Apache-2.0
//! What is behind the leaves: the gateway of each VPC and its DHCP server.

use std::net::Ipv4Addr;

use crate::dhcp::{Daemon, FabricDhcp, Pool, Software, Subnet};
use crate::namespace::Namespace;
use crate::process::Running;

/// VLAN and gateway of each VPC. All subnets are /24.
pub const VPCS: [(u16, Ipv4Addr); 2] = [
    (1001, Ipv4Addr::new(10, 0, 1, 1)),
    (1002, Ipv4Addr::new(10, 0, 2, 1)),
];

/// The machine that routes for all VPCs.
#[derive(Debug)]
pub(super) struct Gateway {
    namespace: Namespace,
}

impl Gateway {
    pub(super) fn new() -> Self {
        let namespace = Namespace::new("gateway");
        namespace.sysctl("net/ipv4/ip_forward", "1");
        Self { namespace }
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Makes the VPCs, and connects them to the leaves by these ports. Leaves do
    /// not hear each other through the gateway (split horizon), else a frame
    /// would come back by the other leaf.
    pub(super) fn attach(&self, ports: &[String]) {
        let mut links = String::from(
            "link add br0 type bridge vlan_filtering 1 vlan_default_pvid 0 mcast_snooping 0\n\
             link set br0 up\n",
        );
        let mut vlans = String::new();
        for port in ports {
            links += &format!("link set {port} master br0 up\n");
            links += &format!("link set {port} type bridge_slave isolated on\n");
        }
        for (vlan, gateway) in VPCS {
            links += &format!("link add link br0 name br0.{vlan} up type vlan id {vlan}\n");
            links += &format!("addr add {gateway}/24 dev br0.{vlan}\n");
            vlans += &format!("vlan add dev br0 vid {vlan} self\n");
            for port in ports {
                vlans += &format!("vlan add dev {port} vid {vlan}\n");
            }
        }
        self.namespace.ip_batch(&links);
        self.namespace.bridge_batch(&vlans);
    }

    pub(super) fn vpc(&self, vlan: u16) -> Vpc<'_> {
        let known = VPCS.into_iter().find(|vpc| vpc.0 == vlan);
        let (vlan, gateway) = known.unwrap_or_else(|| panic!("no VPC has VLAN {vlan}"));
        Vpc {
            namespace: &self.namespace,
            vlan,
            gateway,
        }
    }
}

/// A virtual network: a VLAN, a subnet, a gateway.
#[derive(Clone, Copy, Debug)]
pub struct Vpc<'a> {
    namespace: &'a Namespace,
    /// The VLAN toward servers.
    pub vlan: u16,
    /// The gateway; the subnet is its /24.
    pub gateway: Ipv4Addr,
}

impl Vpc<'_> {
    /// The gateway as a machine.
    pub fn namespace(&self) -> &Namespace {
        self.namespace
    }

    /// The gateway's interface in this VPC.
    pub fn interface(&self) -> String {
        format!("br0.{}", self.vlan)
    }

    /// The address `host` in this subnet.
    pub fn address(&self, host: u8) -> Ipv4Addr {
        let [a, b, c, _] = self.gateway.octets();
        Ipv4Addr::new(a, b, c, host)
    }

    /// Somebody in this VPC who pings everybody, five times a second, until dropped.
    pub fn chatter(&self) -> Running {
        let ping = format!("ping -b -i 0.2 {}", self.address(255));
        Running::start(&mut self.namespace.command_line(&ping))
    }

    /// Starts dnsmasq: addresses from .10 on, leases of 24 h, and what `options` say.
    pub fn dnsmasq(&self, options: &[&str]) -> Daemon {
        let pool = Pool::of(self.gateway).leased_for(24 * 3600).with(options);
        Daemon::start(Software::Dnsmasq, self.namespace, &self.interface(), &pool)
    }

    /// The settings the fabric's own DHCP server has for this VPC by default.
    pub fn subnet(&self) -> Subnet {
        Subnet::new(self.gateway, self.address(10)..=self.address(99))
    }

    /// Starts the model of the fabric's own DHCP server.
    pub fn fabric_dhcp(&self, subnet: Subnet) -> FabricDhcp {
        FabricDhcp::start(self.namespace, &self.interface(), subnet)
    }
}
