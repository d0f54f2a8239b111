// SPDX-License-Identifier: Apache-2.0
//! What the fabric's own tests do with a server, and what it does with them: hhnet beside
//! systemd, called by ssh. Needs a machine of its own.

mod bad_input;
mod cleanup;
mod command;
mod crash;
mod datapath;
mod diagnostics;
mod fallback;
mod lease;
mod links;
mod network_manager;
mod networkd;
mod package;
mod reconfigure;
mod relay;
mod renewal;
mod service;

use std::time::{Duration, Instant};

use hhnet_tests::dhcp::{Answer, Daemon, FabricDhcp, Kind, Request, Subnet};
use hhnet_tests::fabric::{Connection, Fabric};
use hhnet_tests::machine::Machine;
use hhnet_tests::wait;

/// A server's usual command line, and the interface that it leases an address on.
const BOND: &str = "bond 1001 layer2+3 enp2s1 enp2s2";
const ON_BOND: &str = "bond0.1001";

/// The same without a bond.
const VLAN: &str = "vlan 1001 enp2s1";
const ON_VLAN: &str = "enp2s1.1001";

/// The machine, the DHCP server of VLAN 1001, and the fabric between them. They are
/// dropped in this order: the machine is cleaned up while it has a network.
struct Lab<Dhcp> {
    machine: Machine,
    dhcp: Dhcp,
    fabric: Fabric,
}

impl<Dhcp> Lab<Dhcp> {
    fn new(connection: Connection, dhcp: impl FnOnce(&Fabric) -> Dhcp) -> Self {
        let machine = Machine::new();
        let fabric = Fabric::new();
        fabric.connect_machine(connection);
        let dhcp = dhcp(&fabric);
        Self {
            machine,
            dhcp,
            fabric,
        }
    }
}

impl Lab<Daemon> {
    /// VLAN 1001 is served by dnsmasq: 10.0.1.10/24 for 24 h.
    fn dnsmasq(connection: Connection) -> Self {
        Self::new(connection, |fabric| fabric.vpc(1001).dnsmasq(&[]))
    }
}

impl Lab<FabricDhcp> {
    /// VLAN 1001 is served by the model of the fabric's own server, with the settings
    /// that `change` makes.
    fn model(connection: Connection, change: impl FnOnce(&mut Subnet)) -> Self {
        Self::new(connection, |fabric| {
            let mut subnet = fabric.vpc(1001).subnet();
            change(&mut subnet);
            fabric.vpc(1001).fabric_dhcp(subnet)
        })
    }

    /// The same, with a rule that decides how each message is answered.
    fn answering(self, rule: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        self.dhcp.answer(rule);
        self
    }

    /// Waits for a message of that kind that came after `since`.
    #[track_caller]
    fn wait_for(&self, kind: Kind, since: Instant, deadline: Duration) -> Request {
        let found = wait::poll(deadline, || {
            let requests = self.dhcp.received(kind).into_iter();
            requests.clone().find(|request| request.at >= since)
        });
        found.unwrap_or_else(|| panic!("no {kind:?} within {deadline:?}"))
    }
}

impl Lab<()> {
    /// Nobody serves any VLAN.
    fn without_dhcp(connection: Connection) -> Self {
        Self::new(connection, |_| ())
    }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// For settings of the model.
fn parse<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a test knows what it writes")
}
