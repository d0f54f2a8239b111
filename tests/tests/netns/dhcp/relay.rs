// SPDX-License-Identifier: Apache-2.0
//! A server behind a relay, as in most networks with more than one subnet.

use dhcproto::v4::{DhcpOption, OptionCode};
use hhnet_tests::dhcp::{Daemon, Kind, Relay, Software};
use hhnet_tests::fabric::{Office, PORT, Segment};
use hhnet_tests::monitor::Monitor;
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::wire::Fate;

use super::{has, lease, wait_for};

/// Renewals go to the server itself, past the relay; when they are not answered,
/// the broadcast finds the relay again.
#[test]
fn isc_behind_a_relay_leases_renews_and_rebinds() {
    let segment = Segment::with_wire(1);
    let office = Office::behind(segment.router(), "10.0.1.0/24");
    let pool = Segment::pool()
        .renewed_after(2, 4)
        .behind_relay(Office::NETWORK);
    let _daemon = Daemon::start(Software::Isc, office.namespace(), Office::PORT, &pool);
    let relay = Relay::start(segment.router(), PORT, Office::UPLINK, Office::ADDRESS);
    let server = segment.server();
    let wire = segment.wire();

    let address = lease(&server);
    let monitor = Monitor::of(server.namespace());
    let ack = wait_for(wire, Kind::Ack, 1);
    let identifier = ack.option(OptionCode::ServerIdentifier);
    assert_eq!(
        identifier,
        Some(&DhcpOption::ServerIdentifier(Office::ADDRESS))
    );
    assert!(
        relay.log().contains("Forwarded BOOTREPLY"),
        "{}",
        relay.log()
    );

    let renewal = wait_for(wire, Kind::Renew, 1);
    assert_eq!(renewal.destination, Office::ADDRESS);
    wait::until("the renewal is in force", PATIENCE, || {
        monitor.times_set(address) == 1
    });
    wire.treat(|frame, _| match frame.is(Kind::Renew) {
        true => Fate::Drop,
        false => Fate::Pass,
    });
    let rebinding = wait_for(wire, Kind::Rebind, 1);
    assert!(rebinding.destination.is_broadcast());
    wait::until("the rebinding is in force", PATIENCE, || {
        monitor.times_set(address) >= 2
    });
    assert!(has(&server, address));
    assert_eq!(monitor.losses(), []);
}

/// Without a default route there is no way to the server but through the relay
/// that has passed on its answer; the renewal takes it.
#[test]
fn a_server_no_route_leads_to_is_renewed_with_all_the_same() {
    let segment = Segment::with_wire(2);
    let office = Office::behind(segment.router(), "10.0.1.0/24");
    let pool = Segment::pool()
        .renewed_after(2, 60)
        .behind_relay(Office::NETWORK)
        .with(&["option classless-routes 32, 9, 9, 9, 9, 10, 0, 1, 1;"]);
    let _daemon = Daemon::start(Software::Isc, office.namespace(), Office::PORT, &pool);
    let _relay = Relay::start(segment.router(), PORT, Office::UPLINK, Office::ADDRESS);
    let server = segment.server();

    let address = lease(&server);
    let routes = server.ip("route show");
    assert!(!routes.contains("default"), "{routes}");
    let monitor = Monitor::of(server.namespace());
    let renewal = wait_for(segment.wire(), Kind::Renew, 1);
    assert_eq!(renewal.destination, Office::ADDRESS);
    wait::until("the renewal is in force", PATIENCE, || {
        monitor.times_set(address) == 1
    });
    assert_eq!(monitor.losses(), []);
}
