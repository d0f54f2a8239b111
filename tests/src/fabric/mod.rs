// SPDX-License-Identifier: Apache-2.0
//! A fabric in network namespaces: two leaves that look like one LACP partner,
//! and behind them a gateway with a network per VPC.
//!
//! ```text
//!             server-01          enp2s1, enp2s2: the hhnet under test
//!             /       \
//!        leaf-1       leaf-2     one LACP system; a port per cable
//!             \       /
//!              gateway           10.0.1.1/24 on VLAN 1001, 10.0.2.1/24 on
//!                                VLAN 1002, a DHCP server on each
//! ```
//! A new kind of connection is a variant of [`Connection`] and an arm in
//! [`Fabric::server`]; a new VPC is a line in [`VPCS`].

mod gateway;
mod leaf;
mod office;
mod point_to_point;
mod segment;
mod strict;
mod trouble;

use std::cell::Cell;

pub use gateway::{VPCS, Vpc};
pub use leaf::Leaf;
pub use office::Office;
pub use point_to_point::PointToPoint;
pub use segment::{NIC, PORT, Segment};
pub(crate) use strict::is_distributing;

use crate::host::Host;
use crate::namespace::Namespace;
use gateway::Gateway;
use leaf::{Cables, OTHER_LACP_SYSTEM};
pub(crate) use leaf::{LACP_SYSTEM, lag_name, mac, port_name};

/// How a server is connected to the fabric, in the fabric's own terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// One cable: `enp2s1` to leaf-1, no LACP.
    Unbundled,
    /// Two cables to leaf-1, one LACP group.
    Bundled,
    /// Five cables to leaf-1, one LACP group: a number that makes every bit of a
    /// hash count.
    Wide,
    /// A cable to each leaf, one LACP group across both (EVPN multihoming).
    Eslag,
    /// The same cables, but each leaf has an LACP group of its own, as nobody has
    /// told them that they are a pair.
    Unpaired,
}

/// The switches and what is behind them.
#[derive(Debug)]
pub struct Fabric {
    /// leaf-1 and leaf-2.
    pub leaves: [Leaf; 2],
    gateway: Gateway,
    servers: Cell<u8>,
}

impl Fabric {
    /// A fabric without servers; its VPCs have no DHCP server yet.
    #[expect(
        clippy::new_without_default,
        reason = "building a fabric is no default"
    )]
    pub fn new() -> Self {
        let gateway = Gateway::new();
        let leaves = [1, 2].map(|number| Leaf::new(number, &gateway));
        gateway.attach(&[1, 2].map(leaf::uplink));
        Self {
            leaves,
            gateway,
            servers: Cell::new(0),
        }
    }

    /// The VPC of a VLAN.
    ///
    /// # Panics
    /// When there is none.
    pub fn vpc(&self, vlan: u16) -> Vpc<'_> {
        self.gateway.vpc(vlan)
    }

    /// Connects a new server: server-01, server-02, …
    pub fn server(&self, connection: Connection) -> Host {
        let number = self.servers.get() + 1;
        self.servers.set(number);
        let host = Host::new(&format!("server-{number:02}"));
        self.connect(Cables::Veth(&host), number, connection);
        host.power_up();
        host
    }

    /// Connects the machine that the test is running on, as server-01: its NICs have
    /// cables, whose other ends become ports of the leaves.
    pub fn connect_machine(&self, connection: Connection) {
        self.servers.set(1);
        self.connect(Cables::Wired, 1, connection);
    }

    /// The same by veth pairs, `enp4s1` and `enp4s2`, for what emulated hardware would
    /// be too slow for.
    pub fn connect_machine_by_veth(&self, own: &Namespace, connection: Connection) {
        self.servers.set(1);
        self.connect(Cables::VethHere(own), 1, connection);
    }

    /// Waits until both leaves, too, use the first server's ports: they may open theirs a
    /// moment after the server does, for which its command does not wait.
    pub fn await_lacp(&self) {
        for (leaf, nic) in self.leaves.iter().zip([1, 2]) {
            leaf.wait_until_aggregated(1, nic);
        }
    }

    fn connect(&self, cables: Cables, server: u8, connection: Connection) {
        let [first, second] = &self.leaves;
        match connection {
            Connection::Unbundled => first.connect(cables, server, 1),
            Connection::Bundled => first.connect_bundled(cables, server, &[1, 2], LACP_SYSTEM),
            Connection::Wide => {
                first.connect_bundled(cables, server, &[1, 2, 3, 4, 5], LACP_SYSTEM);
            }
            Connection::Eslag => {
                first.connect_bundled(cables, server, &[1], LACP_SYSTEM);
                second.connect_bundled(cables, server, &[2], LACP_SYSTEM);
            }
            Connection::Unpaired => {
                first.connect_bundled(cables, server, &[1], LACP_SYSTEM);
                second.connect_bundled(cables, server, &[2], OTHER_LACP_SYSTEM);
            }
        }
    }
}
