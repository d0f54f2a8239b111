// SPDX-License-Identifier: Apache-2.0
//! The life of a lease with each of the servers that networks run.

use std::time::Instant;

use dhcproto::v4::OptionCode;
use hhnet_tests::dhcp::{Daemon, Kind, Software};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::Host;
use hhnet_tests::monitor::Monitor;
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::wire::Fate;

use super::{assert_between, exchanges, has, lease, leased, secs, wait_for};

with_every_server!(
    an_address_is_leased_and_put_in_force,
    a_lease_is_renewed_by_unicast_without_a_flap,
    a_lease_is_rebound_when_the_server_does_not_hear_unicast,
    a_server_that_has_lost_its_leases_gives_a_new_one,
    cleanup_gives_the_address_back,
);

/// Directly cabled, as a veth: checksums are left out where a server leaves them.
fn an_address_is_leased_and_put_in_force(software: Software) {
    let segment = Segment::new();
    let pool = Segment::pool();
    let daemon = segment.serve(software, &pool);
    let server = segment.server();
    let address = lease(&server);
    assert!(pool.range.contains(&address), "{address}");
    assert!(has(&server, address), "{:?}", server.addresses(NIC));
    assert!((100..=120).contains(&server.valid_lft(NIC)));
    let routes = server.ip("route show");
    for expected in [
        format!("default via 10.0.1.1 dev {NIC} proto dhcp src {address} metric 1024"),
        format!("10.0.1.0/24 dev {NIC} proto kernel scope link src {address} metric 1024"),
    ] {
        let found = routes.lines().any(|line| line.trim_end() == expected);
        assert!(found, "{expected}:\n{routes}");
    }
    server.namespace().must("ping -c 1 -W 2 10.0.1.1");
    wait::until("the server has noted the lease", PATIENCE, || {
        daemon.has_leased(segment.router(), address)
    });
}

/// Each renewal is one change of the kernel's: the lifetime of the address.
fn a_lease_is_renewed_by_unicast_without_a_flap(software: Software) {
    let segment = Segment::with_wire(1);
    let _daemon = segment.serve(software, &Segment::pool().renewed_after(3, 6));
    let server = segment.server();
    let address = lease(&server);
    let monitor = Monitor::of(server.namespace());

    // A lease runs from when it was asked for (RFC 2131, 4.4.1).
    let asked = wait_for(segment.wire(), Kind::Select, 1).at;
    let acknowledged = wait_for(segment.wire(), Kind::Ack, 1).at;
    let renewal = wait_for(segment.wire(), Kind::Renew, 1);
    assert_between("the renewal", 2.5, 4.0, renewal.at - asked);
    assert_eq!(renewal.destination, Segment::address(1));
    assert_eq!(renewal.message.ciaddr(), address);
    assert!(!renewal.has(OptionCode::RequestedIpAddress));
    assert!(!renewal.has(OptionCode::ServerIdentifier));

    wait_for(segment.wire(), Kind::Renew, 2);
    wait::until("both are in force", PATIENCE, || {
        monitor.times_set(address) >= 2
    });
    assert!(server.valid_lft(NIC) >= 118, "{}", server.valid_lft(NIC));
    wait::until("each of them once", PATIENCE, || {
        monitor.times_set(address) == exchanges(segment.wire(), Kind::Renew)
    });
    assert_eq!(monitor.losses(), []);
    let discovers = segment.wire().seen(Kind::Discover);
    assert!(discovers.iter().all(|discover| discover.at < acknowledged));
}

/// At T2 everybody is asked, by a broadcast that still comes from the address.
fn a_lease_is_rebound_when_the_server_does_not_hear_unicast(software: Software) {
    let segment = Segment::with_wire(2);
    let _daemon = segment.serve(software, &Segment::pool().renewed_after(2, 5));
    segment
        .wire()
        .treat(|frame, _| match frame.is(Kind::Renew) {
            true => Fate::Drop,
            false => Fate::Pass,
        });
    let server = segment.server();
    let address = lease(&server);
    let monitor = Monitor::of(server.namespace());

    let asked = wait_for(segment.wire(), Kind::Select, 1).at;
    let rebinding = wait_for(segment.wire(), Kind::Rebind, 1);
    assert_between("rebinding", 4.5, 6.5, rebinding.at - asked);
    assert_eq!(rebinding.message.ciaddr(), address);
    assert!(!rebinding.has(OptionCode::RequestedIpAddress));
    assert!(!rebinding.has(OptionCode::ServerIdentifier));
    wait::until("the new time is in force", PATIENCE, || {
        monitor.times_set(address) == 1
    });
    assert!(server.valid_lft(NIC) >= 118, "{}", server.valid_lft(NIC));
    assert_eq!(monitor.losses(), []);
    assert!(!segment.wire().seen(Kind::Renew).is_empty());
}

/// A server whose disk was replaced, and which leases other addresses now, refuses
/// the renewal; udhcpd and Kea do not answer it, so that the lease has to run out.
fn a_server_that_has_lost_its_leases_gives_a_new_one(software: Software) {
    let refuses = !matches!(software, Software::Udhcpd | Software::Kea);
    let segment = Segment::with_wire(3);
    let pool = Segment::pool()
        .renewed_after(2, 4)
        .leased_for(if refuses { 120 } else { 6 });
    let mut daemon = segment.serve(software, &pool);
    let server = segment.server();
    let address = lease(&server);
    let moved = pool.clone().moved();
    daemon.forget(segment.router(), &moved);

    let lost = if refuses {
        wait_for(segment.wire(), Kind::Nak, 1).at
    } else {
        segment.wire().seen(Kind::Ack)[0].at + pool.lease
    };
    wait::until("another address is there, alone", PATIENCE, || {
        !has(&server, address) && server.addresses(NIC).len() == 1
    });
    // udhcpd looks for two seconds whether somebody uses the address it offers.
    assert_between("the new lease", 0.0, 4.0, lost.elapsed());
    let answer = server.addresses(NIC).remove(0);
    assert!(moved.range.contains(&leased(&answer)), "{answer}");
}

/// RELEASE: the server can lease the address to somebody else at once.
fn cleanup_gives_the_address_back(software: Software) {
    let segment = Segment::new();
    let daemon = segment.serve(software, &Segment::pool());
    let server = segment.server();
    let address = lease(&server);
    wait::until("the server has noted the lease", PATIENCE, || {
        daemon.has_leased(segment.router(), address)
    });
    let released = Instant::now();
    server.must("cleanup");
    wait::until("the server has noted the release", secs(5), || {
        !daemon.has_leased(segment.router(), address)
    });
    assert_between("the release", 0.0, 5.0, released.elapsed());
    assert_eq!(server.addresses(NIC), [""; 0]);
}

/// A server that is dead until its lease is over, and then back.
#[track_caller]
fn outlive(software: Software) {
    let segment = Segment::with_wire(4);
    let pool = Segment::pool().leased_for(6);
    let mut daemon: Daemon = segment.serve(software, &pool);
    let server: Host = segment.server();
    let address = lease(&server);
    // Port 67 is closed from here on, and the kernel there says so (ICMP).
    daemon.stop();
    let asked = segment.wire().seen(Kind::Select)[0].at;
    wait::until("the address is gone", PATIENCE, || {
        server.addresses(NIC).is_empty()
    });
    let renewals = segment.wire().seen(Kind::Renew);
    assert!(!renewals.is_empty(), "nothing was sent before expiry");
    assert_between("the loss", 5.5, 10.0, asked.elapsed());
    assert!(!server.ip("route show").contains("default"));
    daemon.start_again(segment.router(), &pool);
    let back = Instant::now();
    wait::until("the address is back", PATIENCE, || has(&server, address));
    assert_between("the return", 0.0, 5.0, back.elapsed());
    assert!(server.ip("route show").contains("default via 10.0.1.1"));
}

#[test]
fn isc_may_die_and_come_back() {
    outlive(Software::Isc);
}

#[test]
fn kea_may_die_and_come_back() {
    outlive(Software::Kea);
}

#[test]
fn udhcpd_may_die_and_come_back() {
    outlive(Software::Udhcpd);
}
