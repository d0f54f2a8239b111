// SPDX-License-Identifier: Apache-2.0
//! What the machine is strict about: whom it listens to, whom it trusts, and
//! what it says about itself.

use super::{
    fabric::{minute, xid},
    net::bound,
    *,
};

const LEASE: [(u8, &[u8]); 2] = [(54, &SERVER), (51, &[0, 0, 14, 16])];

/// A client that asks something in each of the states that do.
fn asking() -> Vec<(&'static str, Play)> {
    let selecting = Play::new(70);
    let mut requesting = Play::new(70);
    requesting.grant(2, FIRST, 60);
    let mut renewing = Play::new(70);
    renewing.bind(60);
    renewing.run_until(renewing.now + secs(35.0));
    let mut rebinding = Play::new(70);
    rebinding.bind(60);
    rebinding.run_until(rebinding.now + secs(55.0));
    let rebooting = Play::with(Client::new(identity(), 70).resume(lease(100), secs(1000.0)));
    vec![
        ("SELECTING", selecting),
        ("REQUESTING", requesting),
        ("RENEWING", renewing),
        ("REBINDING", rebinding),
        ("REBOOTING", rebooting),
    ]
}

#[test]
fn a_reply_to_another_transaction_is_none_in_any_state() {
    for (state, mut play) in asking() {
        assert_eq!(play.client.state(), state);
        let (count, events) = (play.sent.len(), play.events.len());
        let other = xid(&play.sent.last().unwrap().1) ^ 1;
        for kind in [2, 5, 6] {
            play.deliver(kind, other, OTHER, &LEASE);
        }
        assert_eq!(play.client.state(), state);
        assert_eq!((play.sent.len(), play.events.len()), (count, events));
    }
}

#[test]
fn a_transaction_has_a_number_of_its_own() {
    let mut net = bound(71, minute());
    net.run(3600.0);
    let mut all: Vec<u32> = net.play.sent.iter().map(|(_, t)| xid(t)).collect();
    assert_eq!(all[0], all[1], "DISCOVER and REQUEST have the same");
    let count = all.len() - 1;
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn only_the_server_that_was_asked_can_grant() {
    for (state, mut play) in asking() {
        if state != "REQUESTING" && state != "RENEWING" {
            continue;
        }
        let events = play.events.len();
        let other = [(54, &[10, 0, 1, 66][..]), LEASE[1]];
        play.answer(5, OTHER, &other);
        assert_eq!((play.client.state(), play.events.len()), (state, events));
        play.answer(5, FIRST, &LEASE);
        assert_eq!(play.client.state(), "BOUND");
    }
}

#[test]
fn seconds_are_never_zero_and_grow_from_the_first_message_on() {
    let mut play = Play::new(72);
    let start = play.now;
    play.run_until(start + secs(70_000.0));
    for (at, transmit) in &play.sent {
        let said = u16::from_be_bytes([transmit.bytes[8], transmit.bytes[9]]);
        let passed = (*at - start).as_secs().clamp(1, u16::MAX.into());
        assert_eq!(u64::from(said), passed);
    }
    // The same for the REQUEST of an offer that took a while, and not for another lease.
    play.grant(2, FIRST, 60);
    assert_eq!(play.sent.last().unwrap().1.bytes[8..10], [255, 255]);
    play.grant(5, FIRST, 60);
    let (_, renewal) = play.run_until_sent();
    assert_eq!(renewal.bytes[8..10], [0, 1]);
}

/// Whether an offer of 10.0.1.1 is taken as soon as it comes.
fn takes_at_once(play: &mut Play) -> bool {
    while play.client.state() != "SELECTING" {
        play.run_until(play.client.poll_timeout().unwrap());
    }
    play.grant(2, FIRST, 60);
    play.client.state() == "REQUESTING"
}

#[test]
fn a_server_is_trusted_again_as_soon_as_it_keeps_its_word() {
    let mut play = Play::new(73);
    assert!(takes_at_once(&mut play));
    play.answer(6, Ipv4Addr::UNSPECIFIED, &LEASE[..1]);
    assert!(
        !takes_at_once(&mut play),
        "it has refused what it had offered"
    );
    play.run_until_sent();
    play.grant(5, FIRST, 60);
    play.run_until(play.now + secs(60.0));
    assert!(takes_at_once(&mut play));
}

/// Refusals of a lease: how long the client waits after each.
fn pauses(play: &mut Play, count: usize) -> Vec<u64> {
    let refuse = |_| {
        takes_at_once(play);
        while play.client.state() != "REQUESTING" {
            play.run_until(play.client.poll_timeout().unwrap());
        }
        let refused = play.now;
        play.answer(6, Ipv4Addr::UNSPECIFIED, &LEASE[..1]);
        if play.client.state() == "INIT" {
            play.run_until_sent();
        }
        (play.now - refused).as_secs()
    };
    (0..count).map(refuse).collect()
}

#[test]
fn pauses_after_refusals_end_at_a_minute_and_begin_anew_after_a_lease() {
    let mut play = Play::new(74);
    assert_eq!(pauses(&mut play, 10), [0, 1, 2, 4, 8, 16, 32, 60, 60, 60]);
    takes_at_once(&mut play);
    play.run_until_sent();
    play.grant(5, FIRST, 60);
    assert_eq!(play.client.state(), "BOUND");
    play.run_until(play.now + secs(60.0));
    assert_eq!(pauses(&mut play, 3), [0, 1, 2]);
}

#[test]
fn a_lease_that_was_over_before_it_came_is_none() {
    let mut play = Play::new(75);
    play.grant(2, FIRST, 1);
    play.run_until_sent();
    play.run_until(play.now + secs(1.2));
    play.grant(5, FIRST, 1);
    assert_eq!((play.client.state(), play.events.len()), ("REQUESTING", 0));
}

#[test]
fn a_flood_of_offers_is_not_kept() {
    let mut play = Play::new(76);
    for server in 1..=200 {
        let id = [10, 0, 1, server];
        play.answer(2, FIRST, &[(54, &id), LEASE[1]]);
    }
    assert_eq!((play.sent.len(), play.client.counters().offers), (2, 5));
}

#[test]
fn the_offer_of_a_server_that_failed_waits_a_second_however_long_the_pauses_are() {
    let mut play = Play::new(77);
    takes_at_once(&mut play);
    while play.client.state() == "REQUESTING" {
        play.run_until(play.client.poll_timeout().unwrap());
    }
    play.run_until(play.now + secs(500.0));
    play.run_until_sent();
    let offered = play.now;
    assert!(!takes_at_once(&mut play));
    play.run_until_sent();
    assert_eq!(play.client.state(), "REQUESTING");
    assert_eq!(play.now - offered, secs(1.0));
}

#[test]
fn a_lease_counts_from_the_last_request_before_its_ack() {
    for (state, mut play) in asking() {
        if state == "SELECTING" {
            continue;
        }
        play.run_until_sent();
        let (asked, _) = play.run_until_sent();
        play.run_until(play.now + secs(0.1));
        play.answer(5, FIRST, &LEASE);
        assert_eq!(play.client.lease().unwrap().since, asked, "{state}");
    }
}

#[test]
fn clients_that_began_together_do_not_renew_together() {
    let renewal = |seed| {
        let mut play = Play::new(seed);
        play.bind(3600);
        play.run_until_sent().0
    };
    let mut times: Vec<_> = (0..50).map(renewal).collect();
    times.sort_unstable();
    times.dedup();
    assert!(times.len() > 40);
    let (first, last) = (times[0], times[times.len() - 1]);
    assert!(last - first > secs(1.0) && last - first <= secs(2.0));
}

#[test]
fn a_change_of_address_is_counted_across_a_restart() {
    let mut play = Play::with(Client::new(identity(), 78).resume(lease(100), secs(1000.0)));
    play.grant(5, FIRST, 60);
    assert_eq!(play.client.counters().changes, 0);
    play.run_until_sent();
    play.grant(5, OTHER, 60);
    assert_eq!(play.client.counters().changes, 1);
    let mut play = Play::with(Client::new(identity(), 79).resume(lease(100), secs(1000.0)));
    play.grant(5, OTHER, 60);
    assert_eq!(play.client.counters().changes, 1);
}
