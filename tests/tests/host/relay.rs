// SPDX-License-Identifier: Apache-2.0
//! The fabric's DHCP server is not on the VLAN: the leaves relay to it.

use hhnet_tests::dhcp::{Daemon, FabricDhcp, Kind, Pool, Relay, Software};
use hhnet_tests::fabric::{Connection, Fabric, Office};
use hhnet_tests::monitor::Monitor;

use crate::{BOND, Lab, ON_BOND, ON_VLAN, VLAN, parse, secs};

/// A server two hops away. They are dropped in this order.
struct Relayed<Server> {
    server: Server,
    _relay: Relay,
    _office: Office,
}

fn relayed<Server>(fabric: &Fabric, serve: impl FnOnce(&Office) -> Server) -> Relayed<Server> {
    let vpc = fabric.vpc(1001);
    let office = Office::behind(vpc.namespace(), "10.0.1.0/24");
    let server = serve(&office);
    let downstream = vpc.interface();
    let relay = Relay::start(
        vpc.namespace(),
        &downstream,
        Office::UPLINK,
        Office::ADDRESS,
    );
    Relayed {
        server,
        _relay: relay,
        _office: office,
    }
}

/// The short lease of L3 mode becomes the whole one through relay and gateway.
#[test]
fn the_fabrics_server_behind_a_relay() {
    let lab = Lab::new(Connection::Eslag, |fabric| {
        let mut subnet = fabric.vpc(1001).subnet();
        subnet.server_id = Office::ADDRESS;
        subnet.l3 = true;
        subnet.lease = secs(1800);
        subnet.dns = vec![parse("1.1.1.1")];
        relayed(fabric, |office| {
            FabricDhcp::start(office.namespace(), Office::PORT, subnet)
        })
    });
    assert_eq!(lab.machine.hhnet(BOND), "10.0.1.10/32\n");
    let monitor = Monitor::of(lab.machine.namespace());
    hhnet_tests::wait::until("the whole lease", secs(12), || {
        lab.machine
            .lifetime(ON_BOND)
            .is_some_and(|left| left > 1700)
    });
    assert_eq!(monitor.losses(), []);
    let renewals = lab.dhcp.server.received(Kind::Renew);
    assert!(
        renewals
            .iter()
            .all(|renewal| renewal.destination == Office::ADDRESS)
    );
    assert_eq!(
        lab.dhcp.server.received(Kind::Discover)[0].message.giaddr(),
        lab.fabric.vpc(1001).gateway
    );
}

/// The same with a server as networks outside the fabric have them.
#[test]
fn isc_behind_a_relay() {
    let lab = Lab::new(Connection::Unbundled, |fabric| {
        let pool = Pool::of(fabric.vpc(1001).gateway)
            .renewed_after(4, 60)
            .behind_relay(Office::NETWORK);
        relayed(fabric, |office| {
            Daemon::start(Software::Isc, office.namespace(), Office::PORT, &pool)
        })
    });
    assert_eq!(lab.machine.hhnet(VLAN), "10.0.1.10/24\n");
    let monitor = Monitor::of(lab.machine.namespace());
    let address = [10, 0, 1, 10].into();
    hhnet_tests::wait::until("a renewal", secs(15), || monitor.times_set(address) >= 1);
    assert_eq!(monitor.losses(), []);
    assert_eq!(lab.machine.addresses(ON_VLAN), ["10.0.1.10/24"]);
    let log = lab.dhcp.server.log();
    assert!(log.contains("DHCPACK"), "{log}");
}
