// SPDX-License-Identifier: Apache-2.0
//! What hhnet does with bonds and VLANs. Needs root and a kernel with both.

mod address;
mod adopt;
mod agent;
mod bad_input;
mod bond;
mod chaos;
mod cleanup;
mod concurrent;
mod crash;
mod diagnose;
mod fabric;
mod foreground;
mod lease;
mod log;
mod metrics;
mod privileges;
mod routes;
mod sharing;
mod top;
mod vlan;
mod walkthrough;
mod xdp;

use std::time::Duration;

use hhnet_tests::dhcp::{Daemon, FabricDhcp, Subnet};
use hhnet_tests::fabric::{Connection, Fabric};
use hhnet_tests::host::Host;

/// A server, the DHCP server of VLAN 1001, and the fabric between them. They
/// are dropped in this order: the server is cleaned up while it has a network.
struct Lab<Dhcp> {
    server: Host,
    dhcp: Dhcp,
    fabric: Fabric,
}

impl Lab<Daemon> {
    /// A server whose VLAN 1001 is served by dnsmasq: 10.0.1.10/24 for 24 h.
    fn dnsmasq(connection: Connection) -> Self {
        let fabric = Fabric::new();
        let dhcp = fabric.vpc(1001).dnsmasq(&[]);
        Self {
            server: fabric.server(connection),
            dhcp,
            fabric,
        }
    }
}

impl Lab<FabricDhcp> {
    /// A server with `enp2s1` only, whose VLAN 1001 is served by the model of
    /// the fabric's own server, with the settings that `change` makes.
    fn model(change: impl FnOnce(&mut Subnet)) -> Self {
        let fabric = Fabric::new();
        let mut subnet = fabric.vpc(1001).subnet();
        change(&mut subnet);
        let dhcp = fabric.vpc(1001).fabric_dhcp(subnet);
        Self {
            server: fabric.server(Connection::Unbundled),
            dhcp,
            fabric,
        }
    }
}

impl Lab<()> {
    /// A server in a fabric without any DHCP server.
    fn without_dhcp(connection: Connection) -> Self {
        let fabric = Fabric::new();
        Self {
            server: fabric.server(connection),
            dhcp: (),
            fabric,
        }
    }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
