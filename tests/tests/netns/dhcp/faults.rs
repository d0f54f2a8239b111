// SPDX-License-Identifier: Apache-2.0
//! Bad wires: what is lost, repeated, late or damaged costs time, and no more.

use std::time::Duration;

use hhnet_tests::dhcp::{Answer, Kind, Software};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::monitor::{Event, Monitor};
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::wire::Fate;

use super::{assert_between, assert_held_since, exchanges, has, lease, secs, wait_for};

/// A client whose messages or whose server's are lost with this probability, by a seed
/// of which the first DISCOVER or the first OFFER is lost.
#[track_caller]
fn lease_over_a_lossy_wire(percent: u32, seed: u64, limit: f64) {
    let segment = Segment::with_wire(seed);
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool().renewed_after(2, 4));
    segment.wire().treat(
        move |frame, chance| match frame.is_dhcp() && chance.percent(percent) {
            true => Fate::Drop,
            false => Fate::Pass,
        },
    );
    let server = segment.server();
    let monitor = Monitor::of(server.namespace());
    let answer = server.hhnet(&format!("dhcp {NIC} --xdp=off"));
    let answer = answer.success("hhnet dhcp");
    assert_eq!(answer.stdout, "10.0.1.10/24\n");
    assert_between("the lease", 0.0, limit, answer.took);
    assert!(
        segment.wire().seen(Kind::Discover).len() >= 2,
        "none was lost"
    );
    // Three renewals, some of them in vain.
    wait::throughout(secs(6), "the address is there", || {
        has(&server, Segment::address(10))
    });
    assert_eq!(monitor.losses(), []);
    assert_only_address(&monitor, 10);
}

/// Checks that no other address than this has ever been set.
#[track_caller]
fn assert_only_address(monitor: &Monitor, host: u8) {
    for event in monitor.events() {
        if let Event::AddressSet(address, _) = event {
            assert_eq!(address, Segment::address(host));
        }
    }
}

#[test]
fn one_message_in_ten_is_lost() {
    lease_over_a_lossy_wire(10, 14, 6.0);
}

#[test]
fn three_messages_in_ten_are_lost() {
    lease_over_a_lossy_wire(30, 5, 15.0);
}

#[test]
fn every_second_message_is_lost() {
    lease_over_a_lossy_wire(50, 9, 40.0);
}

/// As with two relays: every message, of both sides, arrives twice.
#[test]
fn every_message_arrives_twice() {
    let segment = Segment::with_wire(4);
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool().renewed_after(2, 4));
    segment.wire().treat(|_, _| Fate::Twice);
    let server = segment.server();
    let monitor = Monitor::of(server.namespace());
    let address = lease(&server);
    wait_for(segment.wire(), Kind::Renew, 2);
    wait::until("each renewal is in force once", PATIENCE, || {
        monitor.times_set(address) == 1 + exchanges(segment.wire(), Kind::Renew)
    });
    assert_eq!(monitor.losses(), []);
    assert_held_since(segment.wire());
}

/// The first offer comes when another one was taken long ago, and the first
/// acknowledgement of a renewal after that of the next one.
#[test]
fn late_messages_change_nothing() {
    let segment = Segment::with_wire(5);
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool().renewed_after(2, 6));
    let (mut offers, mut acks) = (0, 0);
    segment.wire().treat(move |frame, _| {
        offers += usize::from(frame.is(Kind::Offer));
        acks += usize::from(frame.is(Kind::Ack));
        match frame.kind() {
            Some(Kind::Offer) if offers == 1 => Fate::Late(secs(3)),
            Some(Kind::Ack) if acks == 2 => Fate::Late(secs(5)),
            _ => Fate::Pass,
        }
    });
    let server = segment.server();
    let monitor = Monitor::of(server.namespace());
    let address = lease(&server);
    let late = wait_for(segment.wire(), Kind::Ack, 2);
    wait_for(segment.wire(), Kind::Ack, 4);
    let rest = (late.at + secs(6)).saturating_duration_since(std::time::Instant::now());
    wait::throughout(rest, "the address is there", || has(&server, address));
    // No more of them, and what is on its way is waited for.
    segment
        .wire()
        .treat(|frame, _| match frame.is(Kind::Renew) {
            true => Fate::Drop,
            false => Fate::Pass,
        });
    let in_time = || segment.wire().seen(Kind::Ack).len() - 1;
    wait::until("all in time are in force", secs(2), || {
        monitor.times_set(address) == in_time()
    });
    assert_eq!(monitor.losses(), []);
}

/// Any message may overtake any other.
#[test]
fn messages_overtake_each_other() {
    let segment = Segment::with_wire(6);
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool().renewed_after(2, 4));
    segment.wire().treat(|frame, chance| match frame.is_dhcp() {
        true => Fate::Late(Duration::from_millis(chance.pick(0..900) as u64)),
        false => Fate::Pass,
    });
    let server = segment.server();
    let monitor = Monitor::of(server.namespace());
    let address = lease(&server);
    wait::throughout(secs(6), "the address is there", || has(&server, address));
    assert!(monitor.times_set(address) >= 2, "it was renewed");
    assert_eq!(monitor.losses(), []);
    assert_only_address(&monitor, 10);
}

/// One bit of every fourth message is changed: in the headers, the checksums or
/// the message. None of those may be believed.
#[test]
fn damaged_messages_are_not_believed() {
    let segment = Segment::with_wire(7);
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool());
    segment.wire().treat(
        |frame, chance| match frame.is_dhcp() && chance.percent(25) {
            true => Fate::Flip,
            false => Fate::Pass,
        },
    );
    let server = segment.server();
    let monitor = Monitor::of(server.namespace());
    for _ in 0..5 {
        assert_eq!(lease(&server), Segment::address(10));
        server.must("cleanup");
    }
    assert_only_address(&monitor, 10);
    let mut flipped = segment.wire().passages();
    flipped.retain(|passage| passage.fate == Fate::Flip);
    assert!(flipped.len() >= 3, "the wire was bad");
}

/// An address with one wrong bit, which only the checksum gives away.
#[test]
fn an_offer_of_a_damaged_address_is_not_taken() {
    let segment = Segment::with_wire(8);
    let dhcp = segment.fabric_dhcp(Segment::subnet());
    let mut damaged = 0;
    dhcp.answer(move |_| {
        damaged += 1;
        match damaged {
            ..=2 | 4 => Answer::Damaged,
            _ => Answer::Normal,
        }
    });
    let server = segment.server();
    let monitor = Monitor::of(server.namespace());
    assert_eq!(lease(&server), Segment::address(10));
    assert!(dhcp.received(Kind::Discover).len() >= 3);
    assert!(dhcp.received(Kind::Select).len() >= 2);
    assert_only_address(&monitor, 10);
}
