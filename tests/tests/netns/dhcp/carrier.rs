// SPDX-License-Identifier: Apache-2.0
//! Carrier that goes and comes: the lease is the server's promise, not the cable's.

use std::time::{Duration, Instant};

use hhnet_tests::dhcp::{Kind, Software};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::Host;
use hhnet_tests::monitor::{Event, Monitor};
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::wire::{Passage, Way, Wire};

use super::{assert_held_since, has, lease, leased, secs};

fn has_carrier(server: &Host) -> bool {
    server.ip_json(&format!("link show {NIC}"))[0]["operstate"] == "UP"
}

/// A request for an address that is there already, after `since`.
fn confirmation(wire: &Wire, since: Instant) -> Option<Passage> {
    let asks = [Kind::Reboot, Kind::Renew, Kind::Rebind];
    let mut passages = wire.passages().into_iter();
    passages.find(|p| p.way == Way::Out && p.at > since && asks.contains(&p.kind))
}

/// Takes the carrier away for a while; the address stays. Returns when it came back.
#[track_caller]
fn interrupt(segment: &Segment, server: &Host, period: Duration) -> Instant {
    segment.wire().unplug();
    wait::until("the carrier is gone", PATIENCE, || !has_carrier(server));
    let address = server.addresses(NIC);
    wait::throughout(period, "the address stays", || {
        server.addresses(NIC) == address
    });
    let back = Instant::now();
    segment.wire().plug_in();
    wait::until("the carrier is back", PATIENCE, || has_carrier(server));
    back
}

#[track_caller]
fn keep_the_address_without_carrier(period: Duration) {
    let segment = Segment::with_wire(1);
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool());
    let server = segment.server();
    let address = lease(&server);
    let routes = server.ip("route show");
    let monitor = Monitor::of(server.namespace());
    let back = interrupt(&segment, &server, period);
    // It may be another network by now: the server is asked, once and at once.
    wait::until("the lease is confirmed", secs(2), || {
        confirmation(segment.wire(), back).is_some()
    });
    wait::until("the server agrees", secs(2), || {
        let acks = segment.wire().seen(Kind::Ack);
        acks.last().is_some_and(|ack| ack.at > back)
    });
    wait::until("the new time is in force", secs(2), || {
        server.valid_lft(NIC) >= 119
    });
    assert!(has(&server, address));
    assert_eq!(monitor.losses(), []);
    assert_eq!(server.ip("route show"), routes);
    assert_held_since(segment.wire());
    server.namespace().must("ping -c 1 -W 2 10.0.1.1");
}

#[test]
fn half_a_second_without_carrier_costs_nothing() {
    keep_the_address_without_carrier(Duration::from_millis(500));
}

#[test]
fn three_seconds_without_carrier_cost_nothing() {
    keep_the_address_without_carrier(secs(3));
}

/// The MTU of the lease is set once: somebody may have set another one since.
#[test]
fn an_mtu_set_by_hand_outlives_a_carrier_that_was_gone() {
    let segment = Segment::with_wire(4);
    let mut subnet = Segment::subnet();
    subnet.mtu = 1400;
    let _dhcp = segment.fabric_dhcp(subnet);
    let server = segment.server();
    lease(&server);
    let mtu = || server.ip_json(&format!("link show {NIC}"))[0]["mtu"].clone();
    assert_eq!(mtu(), 1400);
    server.ip(&format!("link set {NIC} mtu 1300"));
    let monitor = Monitor::of(server.namespace());
    interrupt(&segment, &server, secs(1));
    let set = |event: &Event| matches!(event, Event::AddressSet(..));
    wait::until("the lease is set again, twice", PATIENCE, || {
        monitor.events().iter().filter(|event| set(event)).count() >= 2
    });
    assert_eq!(mtu(), 1300);
    server.ip(&format!("link set {NIC} mtu 1500"));
    interrupt(&segment, &server, secs(1));
    wait::until("the lease's MTU in place of its own", PATIENCE, || {
        mtu() == 1400
    });
}

/// The cable is plugged into another network: its server refuses the address, and
/// another one is there in a moment, not at T1.
#[test]
fn a_cable_plugged_into_another_network_brings_another_address() {
    let segment = Segment::with_wire(2);
    let pool = Segment::pool();
    let mut daemon = segment.serve(Software::Dnsmasq, &pool);
    let server = segment.server();
    let address = lease(&server);
    segment.wire().unplug();
    wait::until("the carrier is gone", PATIENCE, || !has_carrier(&server));
    let moved = pool.moved();
    daemon.forget(segment.router(), &moved);
    assert!(has(&server, address));
    segment.wire().plug_in();
    wait::until("an address of the other network", secs(5), || {
        let all = server.addresses(NIC);
        matches!(&all[..], [one] if moved.range.contains(&leased(one)))
    });
}

/// Nothing is sent while there is no carrier, and the lease is renewed as soon as
/// there is, although T1 has passed meanwhile.
#[test]
fn a_renewal_that_was_due_without_carrier_is_made_up_for() {
    let segment = Segment::with_wire(3);
    let _daemon = segment.serve(Software::Isc, &Segment::pool().leased_for(16));
    let server = segment.server();
    let address = lease(&server);
    let monitor = Monitor::of(server.namespace());
    let back = interrupt(&segment, &server, secs(9));
    wait::until("the lease is confirmed", secs(2), || {
        confirmation(segment.wire(), back).is_some()
    });
    wait::until("the new time is in force", secs(2), || {
        server.valid_lft(NIC) >= 14
    });
    assert!(has(&server, address));
    assert_eq!(monitor.losses(), []);
}
