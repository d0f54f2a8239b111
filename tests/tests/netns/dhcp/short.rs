// SPDX-License-Identifier: Apache-2.0
//! L3 mode: a client without an address gets ten seconds and has to renew them.
//! Whatever is lost meanwhile, the address must never be gone.

use std::time::Instant;

use hhnet_tests::dhcp::{Kind, Software};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::Host;
use hhnet_tests::monitor::Monitor;
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::wire::{Fate, Frame, Way, Wire};

use super::{assert_between, assert_held_since, secs};

/// As ISC's server plays it: no address in ciaddr (at byte 12) means ten seconds.
const ISC_L3: [&str; 2] = [
    "if packet(12,4) = 00:00:00:00 { default-lease-time 10; max-lease-time 10; } \
     else { default-lease-time 1800; max-lease-time 1800; }",
    "option subnet-mask 255.255.255.255;",
];

#[test]
fn isc_first_shows_the_short_lease_then_the_long_one() {
    let segment = Segment::with_wire(1);
    let _daemon = segment.serve(Software::Isc, &Segment::pool().with(&ISC_L3));
    assert_held(&segment);
    let wire = segment.wire();
    let granted = wire.seen(Kind::Ack)[0].at;
    let renewal = wire.seen(Kind::Renew)[0].at;
    assert_between("the renewal", 4.0, 6.0, renewal - granted);
}

#[test]
fn isc_that_hears_no_unicast_renews_the_short_lease_in_time() {
    let segment = Segment::with_wire(2);
    let _daemon = segment.serve(Software::Isc, &Segment::pool().with(&ISC_L3));
    segment.wire().treat(|frame, _| lost(frame.is(Kind::Renew)));
    assert_held(&segment);
}

#[test]
fn the_short_lease_outlives_one_lost_renewal() {
    lose_requests(1);
}

#[test]
fn the_short_lease_outlives_two_lost_renewals() {
    lose_requests(2);
}

#[test]
fn the_short_lease_outlives_three_lost_renewals() {
    lose_requests(3);
}

#[test]
fn the_short_lease_outlives_two_lost_acknowledgements() {
    let mut seen = 0;
    with_model(move |frame| {
        seen += usize::from(frame.is(Kind::Ack));
        frame.is(Kind::Ack) && (2..=3).contains(&seen)
    });
}

#[test]
fn the_short_lease_outlives_a_unicast_black_hole() {
    with_model(|frame| frame.is(Kind::Renew));
}

/// Not even ARP is answered: the renewal never leaves the server.
#[test]
fn the_short_lease_outlives_a_gateway_that_is_deaf_to_arp() {
    with_model(|frame| !frame.is_dhcp());
}

fn lose_requests(number: usize) {
    let mut seen = 0;
    with_model(move |frame| {
        let extends = frame.is(Kind::Renew) || frame.is(Kind::Rebind);
        seen += usize::from(extends);
        extends && seen <= number
    });
}

/// The fabric's own server in L3 mode, over a wire that loses what `loses` says.
fn with_model(mut loses: impl FnMut(&Frame) -> bool + Send + 'static) {
    let segment = Segment::with_wire(3);
    let mut subnet = Segment::subnet();
    (subnet.l3, subnet.lease) = (true, secs(1800));
    let _dhcp = segment.fabric_dhcp(subnet);
    segment.wire().treat(move |frame, _| lost(loses(frame)));
    assert_held(&segment);
}

fn lost(is_lost: bool) -> Fate {
    if is_lost { Fate::Drop } else { Fate::Pass }
}

/// The short lease is seen first, it is not renewed before its time, and the long
/// one follows without a gap.
#[track_caller]
fn assert_held(segment: &Segment) {
    let server: Host = segment.server();
    assert_eq!(
        server.must(&format!("dhcp {NIC} --xdp=off")),
        "10.0.1.10/32\n"
    );
    let monitor = Monitor::of(server.namespace());
    assert!((8..=10).contains(&server.valid_lft(NIC)));
    let routes = server.ip("route show");
    assert!(
        routes.contains(&format!("10.0.1.1 dev {NIC} proto dhcp scope link ")),
        "{routes}"
    );
    assert!(routes.contains("default via 10.0.1.1 "), "{routes}");
    wait::until("the long lease", PATIENCE, || server.valid_lft(NIC) > 1700);

    assert_eq!(monitor.losses(), []);
    let wire = segment.wire();
    let granted = wire.seen(Kind::Ack)[0].at;
    let early = first_extension(wire).expect("the lease was renewed");
    let after = early - granted;
    assert!(after >= secs(4), "renewed after {after:?}, unseen by tests");
    let late = granted.elapsed().as_secs_f64();
    assert!(late < 10.5, "the long lease came after {late:.2} s");
    assert_held_since(wire);
}

fn first_extension(wire: &Wire) -> Option<Instant> {
    let extends = [Kind::Renew, Kind::Rebind];
    let mut passages = wire.passages();
    passages.retain(|passage| passage.way == Way::Out && extends.contains(&passage.kind));
    passages.first().map(|passage| passage.at)
}
