// SPDX-License-Identifier: Apache-2.0
//! What the fabric's own tests do with a server, and what it does with them: hhnet beside
//! systemd, called by ssh. Needs a machine of its own.

mod command;
mod lease;

use hhnet_tests::dhcp::{Daemon, FabricDhcp, Subnet};
use hhnet_tests::fabric::{Connection, Fabric};
use hhnet_tests::machine::Machine;

/// The machine, the DHCP server of VLAN 1001, and the fabric between them. They are
/// dropped in this order: the machine is cleaned up while it has a network.
struct Lab<Dhcp> {
    machine: Machine,
    #[expect(dead_code, reason = "what it does by itself is enough for some tests")]
    dhcp: Dhcp,
    #[expect(dead_code, reason = "it lives as long as the test")]
    fabric: Fabric,
}

impl Lab<Daemon> {
    /// VLAN 1001 is served by dnsmasq: 10.0.1.10/24 for 24 h.
    fn dnsmasq(connection: Connection) -> Self {
        let machine = Machine::new();
        let fabric = Fabric::new();
        fabric.connect_machine(connection);
        let dhcp = fabric.vpc(1001).dnsmasq(&[]);
        Self {
            machine,
            dhcp,
            fabric,
        }
    }
}

impl Lab<FabricDhcp> {
    /// VLAN 1001 is served by the model of the fabric's own server, with the settings
    /// that `change` makes.
    fn model(connection: Connection, change: impl FnOnce(&mut Subnet)) -> Self {
        let machine = Machine::new();
        let fabric = Fabric::new();
        fabric.connect_machine(connection);
        let mut subnet = fabric.vpc(1001).subnet();
        change(&mut subnet);
        let dhcp = fabric.vpc(1001).fabric_dhcp(subnet);
        Self {
            machine,
            dhcp,
            fabric,
        }
    }
}
