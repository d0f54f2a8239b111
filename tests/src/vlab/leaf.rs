// SPDX-License-Identifier: Apache-2.0
//! A leaf: a bridge with a port or a LACP group for each server, and an uplink to each
//! spine. Nothing passes to a server before a VPC is attached.

use rtnetlink::{LinkBridgePort, LinkMessageBuilder};

use super::connection::{Connection, Kind};
use super::links::{bridge_port, cable, far_end, lacp_group, octets, vlan_bridge};
use super::node::Node;
use super::spine::Spine;
use super::vpc::Vpc;
use crate::fabric::{is_distributing, lag_name, mac, port_name};
use crate::host::Host;
use crate::wait::{self, PATIENCE};

/// One leaf.
#[derive(Debug)]
pub(super) struct Leaf {
    number: u8,
    node: Node,
}

impl Leaf {
    /// leaf-`number`, with a cable to each spine.
    pub(super) fn new(number: u8, spines: &[Spine]) -> Self {
        let node = Node::new(&format!("leaf-{number:02}"));
        // Its own IPv6 chatter would be traffic that nobody has sent.
        node.namespace()
            .sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        node.add(vlan_bridge("br0"));
        for (spine, n) in spines.iter().zip(1..) {
            let (uplink, downlink) = (format!("spine{n}"), format!("leaf{number}"));
            node.add(cable(&uplink, far_end(spine.namespace(), &downlink)));
            node.plug(&uplink, "br0");
        }
        Self { number, node }
    }

    /// Lays the server's cables, and groups their ports if it is to speak LACP.
    pub(super) fn connect(&self, connection: &Connection, server: &Host) {
        let nics = connection.nics_at(self.number);
        let number = connection.server;
        for nic in nics {
            let interface = format!("enp2s{nic}");
            let mac = octets(&mac(number, *nic)).to_vec();
            let far_end = far_end(server.namespace(), &interface).address(mac);
            self.node.add(cable(&port_name(number, *nic), far_end));
            server.owns(&interface);
        }
        let port = port(connection);
        if connection.kind != Kind::Unbundled {
            self.node.add(lacp_group(&port, number));
            for nic in nics {
                self.node.enslave(&port_name(number, *nic), &port);
            }
        }
        self.node.plug(&port, "br0");
        if connection.is_spare(self.number) {
            self.node.set(flooding(&port, false));
        }
        for nic in nics {
            // The tag is in the frame, as on a real wire, and not beside it. A command, as
            // the ethtool crate only reads features.
            let port = port_name(number, *nic);
            self.node
                .namespace()
                .must(&format!("ethtool -K {port} txvlan off"));
        }
    }

    /// Lets the VPC's VLAN through between the server and the VPC's spine.
    pub(super) fn attach(&self, vpc: &Vpc, connection: &Connection) {
        self.node.allow_vlan(&port(connection), vpc.vlan);
        self.node
            .allow_vlan(&format!("spine{}", vpc.spine), vpc.vlan);
    }

    /// Waits until LACP has put all cables of the connection to use: a switch forwards
    /// nothing to a server before.
    pub(super) fn await_lacp(&self, connection: &Connection) {
        for nic in connection.nics_at(self.number) {
            let port = port_name(connection.server, *nic);
            wait::until("the leaf's port is in use", PATIENCE, || {
                self.node.namespace().enter(|| is_distributing(&port))
            });
        }
    }

    /// Forwards also what is for everybody.
    pub(super) fn forward_all(&self, connection: &Connection) {
        self.node.set(flooding(&port(connection), true));
    }
}

/// What a designated forwarder leaves to nobody else: frames for all, and for those whose
/// place is not known.
fn flooding(port: &str, on: bool) -> LinkMessageBuilder<LinkBridgePort> {
    bridge_port(port).flood(on).mcast_flood(on).bcast_flood(on)
}

/// The port of a connection toward the server: that of a cable, or of a group.
fn port(connection: &Connection) -> String {
    match connection.kind {
        Kind::Unbundled => port_name(connection.server, 1),
        Kind::Mclag | Kind::Eslag | Kind::Bundled => lag_name(connection.server),
    }
}
