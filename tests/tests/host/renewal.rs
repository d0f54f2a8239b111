// SPDX-License-Identifier: Apache-2.0
//! The fabric's own test of renewals, with its clock and its tolerances; and the short
//! first lease of L3 mode.

use std::thread;
use std::time::{Duration, Instant};

use hhnet_tests::dhcp::{Answer, Kind};
use hhnet_tests::fabric::Connection;
use hhnet_tests::machine::Machine;
use hhnet_tests::monitor::{Event, Monitor};
use hhnet_tests::wait;

use crate::{BOND, Lab, ON_BOND, ON_VLAN, VLAN, secs};

/// The lease time of that test.
const LEASE: u64 = 60;

/// What the test allows to be missing of a lease.
const MISSING: u64 = 20;

/// The same, a second time: no client that renews half-way would be allowed that little,
/// 25 s after its last renewal.
const MISSING_LATER: u64 = 28;

#[track_caller]
fn assert_left(left: Option<u64>, missing: u64) -> u64 {
    let left = left.expect("there is a lease");
    let expected = LEASE - missing..=LEASE;
    assert!(expected.contains(&left), "{left} s of {LEASE} are left");
    left
}

/// The end of the test: after half of the lease and 25 s it has been renewed.
#[track_caller]
fn assert_renews(machine: &Machine, link: &str, missing_later: u64) {
    let first = assert_left(machine.lifetime(link), MISSING);
    thread::sleep(secs(LEASE / 2 + 25));
    let renewed = assert_left(machine.lifetime(link), missing_later);
    assert!(renewed > first / 2, "{renewed} s are left, after {first}");
}

/// In L2 mode the test looks after 15 s, and again.
#[track_caller]
fn renewal_test_in_l2_mode(machine: &Machine, link: &str) {
    machine.ssh_must(&format!("sudo networkctl reconfigure {link}"));
    thread::sleep(secs(15));
    assert_renews(machine, link, MISSING);
}

/// In L3 mode it has to see the short lease before the whole one.
#[track_caller]
fn renewal_test_in_l3_mode(machine: &Machine, link: &str) {
    machine.ssh_must(&format!("sudo networkctl reconfigure {link}"));
    let mut readings = Vec::new();
    let mut seen_short = false;
    for _ in 0..30 {
        thread::sleep(secs(1));
        let left = machine.lifetime(link).unwrap_or(0);
        readings.push(left);
        if !seen_short && (5..=15).contains(&left) {
            seen_short = true;
        } else if left >= LEASE - 10 {
            break;
        }
    }
    assert!(seen_short, "no short lease: {readings:?}");
    assert_renews(machine, link, MISSING_LATER);
}

/// Both at once, as the test does it with several servers at once.
#[test]
fn the_renewal_test_in_both_modes() {
    let lab = Lab::model(Connection::Eslag, |subnet| subnet.lease = secs(1800));
    let mut subnet = lab.fabric.vpc(1002).subnet();
    (subnet.l3, subnet.lease) = (true, secs(1800));
    let other = lab.fabric.vpc(1002).fabric_dhcp(subnet);
    lab.machine.hhnet(BOND);
    lab.machine.hhnet("vlan 1002 bond0");
    for dhcp in [&lab.dhcp, &other] {
        dhcp.configure(|subnet| subnet.lease = secs(LEASE));
    }
    let machine = &lab.machine;
    thread::scope(|scope| {
        scope.spawn(|| renewal_test_in_l2_mode(machine, ON_BOND));
        scope.spawn(|| renewal_test_in_l3_mode(machine, "bond0.1002"));
    });
    lab.machine.hhnet("cleanup");
}

/// The first lease of L3 mode is renewed half-way and not before, and the address is there
/// all the time. A little later it has the whole lease.
#[test]
fn the_short_lease_becomes_the_whole_one() {
    let lab = Lab::model(Connection::Eslag, |subnet| {
        subnet.l3 = true;
        subnet.lease = secs(1800);
    });
    assert_eq!(lab.machine.hhnet(BOND), "10.0.1.10/32\n");
    let monitor = Monitor::of(lab.machine.namespace());
    assert_held(&lab, &monitor);
}

/// Where no unicast gets through, the broadcast comes in time.
#[test]
fn the_short_lease_outlives_a_server_that_hears_broadcasts_alone() {
    let lab = Lab::model(Connection::Eslag, |subnet| {
        subnet.l3 = true;
        subnet.lease = secs(1800);
    });
    let lab = lab.answering(|request| match request.kind {
        Kind::Renew => Answer::Silence,
        _ => Answer::Normal,
    });
    assert_eq!(lab.machine.hhnet(BOND), "10.0.1.10/32\n");
    let monitor = Monitor::of(lab.machine.namespace());
    assert_held(&lab, &monitor);
    assert!(!lab.dhcp.received(Kind::Rebind).is_empty());
}

#[track_caller]
fn assert_held(lab: &Lab<hhnet_tests::dhcp::FabricDhcp>, monitor: &Monitor) {
    let granted = lab.dhcp.received(Kind::Select)[0].at;
    let renewal = lab.wait_for(Kind::Renew, granted, secs(8));
    let after = renewal.at - granted;
    assert!(
        (secs(4)..secs(7)).contains(&after),
        "renewed after {after:?}"
    );
    wait::until(
        "the whole lease",
        secs(10).saturating_sub(granted.elapsed()),
        || {
            let is_it = |event: &Event| matches!(event, Event::AddressSet(_, 1700..=1800));
            // It may have come before the monitor.
            monitor.events().iter().any(is_it) || lab.machine.lifetime(ON_BOND) > Some(1700)
        },
    );
    assert_eq!(monitor.losses(), []);
}

/// A server that has gone: asked at half of the lease, asked by broadcast at seven eighths,
/// address and routes gone at its end, and all of it back with the server.
#[test]
fn a_lease_ends_when_its_time_is_over() {
    let lab = Lab::model(Connection::Unbundled, |subnet| subnet.lease = secs(24));
    lab.machine.hhnet(VLAN);
    lab.dhcp.answer(|_| Answer::Silence);
    let granted = lab.dhcp.received(Kind::Select)[0].at;
    for (kind, expected) in [(Kind::Renew, 12.0), (Kind::Rebind, 21.0)] {
        let asked = lab.wait_for(kind, granted, secs(25)).at - granted;
        let difference = (asked.as_secs_f64() - expected).abs();
        assert!(difference < 2.0, "{kind:?} after {asked:?}");
    }
    lab.machine
        .expect_addresses(ON_VLAN, Duration::from_secs(6), &[]);
    let gone = granted.elapsed();
    assert!((secs(22)..secs(27)).contains(&gone), "gone after {gone:?}");
    let routes = lab.machine.must("ip route show");
    assert!(!routes.contains(ON_VLAN), "{routes}");
    lab.wait_for(Kind::Discover, Instant::now(), secs(20));
    lab.dhcp.answer(|_| Answer::Normal);
    lab.machine
        .expect_addresses(ON_VLAN, secs(70), &["10.0.1.10/24"]);
}
