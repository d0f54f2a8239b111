// SPDX-License-Identifier: Apache-2.0
//! Who leases the addresses of a VPC.
//!
//! The fabric's own server is at the control node, one for all VPCs, and leaves relay to
//! it. They also tell it whose question it is, because two VPCs may have the same subnet.
//! Here a cable tells that: each router, which is its VPC's relay, has one of its own.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::links::{cable, far_end};
use super::node::Node;
use crate::dhcp::{Daemon, FabricDhcp, Pool, Relay, Software, Subnet};

/// The router's port toward its VPC.
pub(super) const DOWNLINK: &str = "eth0";

/// Its port toward the control node.
const UPLINK: &str = "control";

/// A day, as leases are in the fabric.
const LEASE: u64 = 24 * 3600;

/// What a VPC says about DHCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dhcp {
    /// The fabric's own server, behind a relay.
    Fabric,
    /// A dnsmasq of somebody's, at the router.
    Dnsmasq,
}

/// The control node, where the fabric's server is.
#[derive(Debug)]
pub(super) struct Control(Node);

/// A server at work, until dropped.
#[derive(Debug)]
pub(super) enum Server {
    Fabric { server: FabricDhcp, _relay: Relay },
    Dnsmasq { _daemon: Daemon },
}

impl Control {
    pub(super) fn new() -> Self {
        Self(Node::new("control"))
    }

    /// Lays the cable to the router of a VPC. Returns the server's address at its end.
    fn connect(&self, router: &Node, subnet: Ipv4Net, number: u8) -> Ipv4Addr {
        let port = port(number);
        let [here, there] = [1, 0].map(|end| Ipv4Addr::new(172, 30, number, end));
        router.add(cable(UPLINK, far_end(self.0.namespace(), &port)));
        for (node, link, address) in [(router, UPLINK, there), (&self.0, port.as_str(), here)] {
            node.add_address(link, Ipv4Net::new_assert(address, 31));
            node.set_up(link);
        }
        self.0.add_one_more_route(subnet, there, &port, number);
        here
    }
}

impl Server {
    /// Serves a VPC whose router is at the subnet's first address: the others from .10 on.
    pub(super) fn start(
        dhcp: Dhcp,
        router: &Node,
        subnet: Ipv4Net,
        (control, number): (&Control, u8),
    ) -> Self {
        let gateway = super::vpc::first(subnet);
        let pool = Pool::of(gateway).leased_for(LEASE);
        let machine = router.namespace();
        match dhcp {
            Dhcp::Dnsmasq => Self::Dnsmasq {
                _daemon: Daemon::start(Software::Dnsmasq, machine, DOWNLINK, &pool),
            },
            Dhcp::Fabric => {
                let address = control.connect(router, subnet, number);
                let mut leased = Subnet::new(gateway, pool.range);
                (leased.server_id, leased.lease) = (address, pool.lease);
                let namespace = control.0.namespace();
                Self::Fabric {
                    server: FabricDhcp::start(namespace, &port(number), leased),
                    _relay: Relay::start(machine, DOWNLINK, UPLINK, address),
                }
            }
        }
    }
}

/// The control node's port toward a router.
fn port(number: u8) -> String {
    format!("router{number}")
}
