// SPDX-License-Identifier: Apache-2.0
//! A spine: a bridge between leaves and the routers of some VPCs.
//!
//! The leaves of a pair are behind a bridge of their own, on which they do not hear each
//! other: what a server has sent by one of them does not come back by the other.

use super::GROUPS;
use super::links::{bridge, bridge_port, cable, far_end, vlan_bridge};
use super::node::Node;
use crate::namespace::Namespace;

/// One spine.
#[derive(Debug)]
pub(super) struct Spine {
    number: usize,
    node: Node,
}

impl Spine {
    /// spine-`number`, to which leaves are still to be connected.
    pub(super) fn new(number: usize) -> Self {
        let node = Node::new(&format!("spine-{number:02}"));
        node.namespace()
            .sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        Self { number, node }
    }

    /// 1 or 2.
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// The machine itself.
    pub(super) fn namespace(&self) -> &Namespace {
        self.node.namespace()
    }

    /// Puts the cables of all leaves, which are laid by then, to use.
    pub(super) fn connect(&self) {
        self.node.add(vlan_bridge("br0"));
        for group in GROUPS {
            if let [one, other] = group {
                self.pair(*one, *other);
            }
            self.node.plug(&trunk(group), "br0");
        }
    }

    /// Two leaves behind a bridge of their own.
    fn pair(&self, one: u8, other: u8) {
        let (pair, up) = (format!("pair{one}"), format!("up{one}"));
        self.node.add(bridge(&pair));
        for leaf in [one, other] {
            let port = format!("leaf{leaf}");
            self.node.plug(&port, &pair);
            self.node.set(bridge_port(&port).isolated(true));
        }
        let trunk = far_end(self.namespace(), &trunk(&[one, other]));
        self.node.add(cable(&up, trunk));
        self.node.plug(&up, &pair);
    }

    /// Lets a VLAN through to the leaf, and to the other one of its pair.
    pub(super) fn attach(&self, vlan: u16, leaf: u8) {
        self.node.allow_vlan(&trunk(group_of(leaf)), vlan);
    }

    /// Takes a port called `name`, which is laid by then, for a VPC's router, which sees
    /// its VLAN's frames without their tag.
    pub(super) fn admit(&self, name: &str, vlan: u16) {
        self.node.plug(name, "br0");
        self.node.access_vlan(name, vlan);
    }

    /// Forgets by which leaf of the pair a server is reached, for good.
    pub(super) fn forget(&self, pair: &[u8]) {
        for leaf in pair {
            let port = bridge_port(&format!("leaf{leaf}"));
            self.node.set(port.learning(false).fdb_flush());
        }
    }
}

fn group_of(leaf: u8) -> &'static [u8] {
    let group = GROUPS.into_iter().find(|group| group.contains(&leaf));
    group.unwrap_or_else(|| panic!("there is no leaf-{leaf}"))
}

/// The main bridge's port toward a pair, or toward a leaf that is alone.
fn trunk(group: &[u8]) -> String {
    match group {
        [alone] => format!("leaf{alone}"),
        pair => format!("down{}", pair[0]),
    }
}
