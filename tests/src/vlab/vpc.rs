// SPDX-License-Identifier: Apache-2.0
//! A VPC: a subnet on a VLAN, its router, and who leases its addresses.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::dhcp::{Control, DOWNLINK, Dhcp, Server};
use super::links::{cable, far_end};
use super::node::Node;
use super::spine::Spine;
use crate::dhcp::FabricDhcp;
use crate::namespace::Namespace;

/// A VPC with one subnet.
#[derive(Debug)]
pub struct Vpc {
    /// Its name, as `kubectl` shows it.
    pub name: String,
    /// Its subnet, a /24. Another VPC may have the same one.
    pub subnet: Ipv4Net,
    /// Its VLAN toward servers.
    pub vlan: u16,
    /// Who leases its addresses.
    pub dhcp: Dhcp,
    /// The spine its router is at.
    pub(super) spine: usize,
    /// In front of the machine it runs on.
    server: Server,
    router: Node,
}

impl Vpc {
    /// Its router is at the subnet's first address, and leases the others from .10 on.
    pub(super) fn new(
        (name, subnet, vlan, dhcp): (&str, &str, u16, Dhcp),
        spine: &Spine,
        control: (&Control, u8),
    ) -> Self {
        let subnet: Ipv4Net = subnet.parse().expect("a subnet");
        assert_eq!(subnet.prefix_len(), 24, "{subnet}");
        let router = Node::new(name);
        let machine = router.namespace();
        machine.sysctl("net/ipv4/ip_forward", "1");
        // Each ping is answered, however many there are. What is said of a missing route has
        // a limit of its own (ip_error in net/ipv4/route.c), which is one for all machines
        // on a kernel: here, of a VM that ends with its tests.
        machine.sysctl("net/ipv4/icmp_ratelimit", "0");
        Namespace::own().sysctl("net/ipv4/route/error_cost", "0");
        router.add(cable(DOWNLINK, far_end(spine.namespace(), name)));
        router.add_address(DOWNLINK, Ipv4Net::new_assert(first(subnet), 24));
        router.set_up(DOWNLINK);
        spine.admit(name, vlan);
        Self {
            name: name.to_owned(),
            subnet,
            vlan,
            dhcp,
            spine: spine.number(),
            server: Server::start(dhcp, &router, subnet, control),
            router,
        }
    }

    /// The router's address.
    pub fn gateway(&self) -> Ipv4Addr {
        first(self.subnet)
    }

    /// The fabric's server, as far as it serves this VPC.
    ///
    /// # Panics
    /// When it does not.
    pub fn fabric_dhcp(&self) -> &FabricDhcp {
        match &self.server {
            Server::Fabric { server, .. } => server,
            Server::Dnsmasq { .. } => panic!("{} has a DHCP server of its own", self.name),
        }
    }

    /// The router as a machine.
    pub fn router(&self) -> &Namespace {
        self.router.namespace()
    }

    pub(super) fn node(&self) -> &Node {
        &self.router
    }
}

/// Where the router of a subnet is.
pub(super) fn first(subnet: Ipv4Net) -> Ipv4Addr {
    subnet.hosts().next().expect("a subnet has hosts")
}
