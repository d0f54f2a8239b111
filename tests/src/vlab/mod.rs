// SPDX-License-Identifier: Apache-2.0
//! The default topology of VLAB's documentation, small enough for one kernel, in the
//! fabric's own words: VPCs are attached to connections of servers, and peered.
//!
//! ```text
//!          gateway             one more router between the two of a gateway peering
//!         /       \
//!      vpc-1     vpc-2         a router each, which relays to the DHCP
//!        |         |          server at the control node
//!     spine-1   spine-2        a VPC's VLAN is on one of them
//!        |  \ …  /  |
//!   leaf-1  leaf-2  leaf-3  leaf-4  leaf-5
//!    └─ MCLAG ──┘    └─ ESLAG ──┘
//!   server-01 … server-10      as in `CONNECTIONS`
//! ```
//! Real leaves route at both ends of a VXLAN tunnel, so a packet between two VPCs takes
//! two hops, and three by way of the gateway. Here the VLAN goes up to a spine, and each
//! VPC is a machine of its own, which may have the same subnet as another one: as many
//! hops. A pair of leaves behaves as one switch: neither hears the other's frames by way
//! of a spine (split horizon), and what is for everybody comes by one of them only (the
//! designated forwarder).

mod connection;
mod dhcp;
mod gateway;
mod leaf;
mod links;
mod node;
mod peering;
mod spine;
mod vpc;

use std::cell::Cell;
use std::collections::BTreeMap;

pub use connection::{CONNECTIONS, Connection, Kind};
pub use dhcp::Dhcp;
pub use gateway::{Expose, GatewayPeering, Nat};
pub use peering::Peering;
pub use vpc::Vpc;

use crate::host::Host;
use dhcp::Control;
use leaf::Leaf;
use spine::Spine;

/// The leaves of each pair, and the one that is alone.
const GROUPS: [&[u8]; 3] = [&[1, 2], &[3, 4], &[5]];

/// The switches and all servers.
#[derive(Debug)]
pub struct Fabric {
    /// In front of the switches, which they are cleaned up before.
    servers: BTreeMap<u8, Host>,
    leaves: Vec<Leaf>,
    spines: [Spine; 2],
    control: Control,
    /// Links between routers so far: each has addresses of its own.
    links: Cell<u8>,
}

impl Fabric {
    /// The whole topology. There is no VPC yet.
    #[expect(
        clippy::new_without_default,
        reason = "building a fabric is no default"
    )]
    pub fn new() -> Self {
        Self::of(&CONNECTIONS)
    }

    /// All switches, and the servers of these connections.
    pub fn of(connections: &[Connection]) -> Self {
        let spines = [1, 2].map(Spine::new);
        let leaves = (1..=5).map(|number| Leaf::new(number, &spines)).collect();
        spines.iter().for_each(Spine::connect);
        let fabric = Self {
            servers: connections.iter().map(server).collect(),
            leaves,
            spines,
            control: Control::new(),
            links: Cell::new(0),
        };
        for connection in connections {
            for &leaf in connection.leaves {
                let server = fabric.server(connection.server);
                fabric.leaf(leaf).connect(connection, server);
            }
        }
        fabric.servers.values().for_each(Host::power_up);
        fabric
    }

    /// server-`number`.
    ///
    /// # Panics
    /// When there is none.
    pub fn server(&self, number: u8) -> &Host {
        &self.servers[&number]
    }

    /// Says how the servers are, and drops them so: something has gone wrong.
    #[expect(clippy::print_stderr, reason = "the report of a failed story")]
    pub(crate) fn give_up(self) {
        for server in self.servers.into_values() {
            eprintln!("--- {} ---\n{}", server.namespace().name(), server.report());
            server.discard();
        }
    }

    fn leaf(&self, number: u8) -> &Leaf {
        &self.leaves[usize::from(number) - 1]
    }

    /// A new VPC, attached to nothing. Its subnet is a /24.
    pub fn create(&self, name: &str, subnet: &str, vlan: u16, dhcp: Dhcp) -> Vpc {
        let spine = &self.spines[usize::from(vlan + 1) % 2];
        let control = (&self.control, self.next_link());
        Vpc::new((name, subnet, vlan, dhcp), spine, control)
    }

    /// Lets the VPC's VLAN through to the server of a connection.
    pub fn attach(&self, vpc: &Vpc, connection: &Connection) {
        for &leaf in connection.leaves {
            self.leaf(leaf).attach(vpc, connection);
        }
        self.spine_of(vpc).attach(vpc.vlan, connection.leaves[0]);
    }

    fn spine_of(&self, vpc: &Vpc) -> &Spine {
        &self.spines[vpc.spine - 1]
    }

    /// Waits until all cables of a server that speaks LACP are in use, which a command
    /// does not: one is enough for it.
    pub fn await_lacp(&self, connection: &Connection) {
        if connection.kind != Kind::Unbundled {
            let leaves = connection.leaves.iter();
            leaves.for_each(|&leaf| self.leaf(leaf).await_lacp(connection));
        }
    }

    /// Connects two VPCs, until what is returned is dropped.
    pub fn peer<'a>(&self, one: &'a Vpc, other: &'a Vpc) -> Peering<'a> {
        Peering::new(one, other, self.next_link())
    }

    /// Connects two VPCs by a gateway, until what is returned is dropped.
    pub fn peer_by_gateway<'a>(&self, expose: [Expose<'a>; 2]) -> GatewayPeering<'a> {
        let links = [self.next_link(), self.next_link()];
        GatewayPeering::new(expose, links)
    }

    /// The spine forgets where a pair's servers are, and its second leaf that it is not
    /// the one to forward what is for everybody: all frames come by both leaves.
    pub fn forward_by_both(&self, vpc: &Vpc, connection: &Connection) {
        self.spine_of(vpc).forget(connection.leaves);
        for &leaf in connection.leaves {
            self.leaf(leaf).forward_all(connection);
        }
    }

    fn next_link(&self) -> u8 {
        let link = self.links.get();
        self.links.set(link + 1);
        link
    }
}

fn server(connection: &Connection) -> (u8, Host) {
    let number = connection.server;
    (number, Host::new(&format!("server-{number:02}")))
}
