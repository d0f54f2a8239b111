// SPDX-License-Identifier: Apache-2.0
//! The way to a lease, step by step, and replies that come more often than asked for.

use super::{net::bound, *};

fn steps(play: &Play) -> Vec<(&'static str, f64)> {
    let steps = play.client.milestones().steps();
    steps
        .map(|(step, took)| (step, took.as_secs_f64()))
        .collect()
}

fn pass(play: &mut Play, seconds: f64) {
    play.now += secs(seconds);
}

/// All options of a lease of an hour.
fn hour() -> [(u8, &'static [u8]); 3] {
    [
        (54, &[10, 0, 1, 1]),
        (51, &[0, 0, 14, 16]),
        (1, &[255, 255, 255, 0]),
    ]
}

/// A bond comes up, LACP agrees, and a server answers.
#[test]
fn each_step_counts_from_the_end_of_the_one_before() {
    let mut client = Client::new(identity(), 1);
    client.handle_link(false, secs(990.0));
    let mut play = Play::with(client);
    assert_eq!(steps(&play), [("link", 10.0)]);
    pass(&mut play, 0.25);
    play.client.handle_path_change(play.now);
    play.gather();
    pass(&mut play, 0.125);
    // The second member.
    play.client.handle_path_change(play.now);
    play.gather();
    pass(&mut play, 0.125);
    play.grant(2, FIRST, 3600);
    pass(&mut play, 0.5);
    play.grant(5, FIRST, 3600);
    let known = [
        ("link", 10.0),
        ("lacp", 0.25),
        ("offer", 0.25),
        ("ack", 0.5),
    ];
    assert_eq!(steps(&play), known);
    assert_eq!(play.client.milestones().total(), None);
    pass(&mut play, 0.0625);
    play.client.handle_applied(play.now);
    pass(&mut play, 1.0);
    play.client.handle_applied(play.now);
    play.client.handle_path_change(play.now);
    assert_eq!(steps(&play), [&known[..], &[("apply", 0.0625)]].concat());
    assert_eq!(play.client.milestones().total(), Some(secs(11.0625)));
}

/// A port that passes frames before LACP has agreed: the lease did not wait for it.
#[test]
fn lacp_that_agrees_after_the_offer_is_no_step() {
    let mut play = Play::new(1);
    play.grant(2, FIRST, 3600);
    pass(&mut play, 0.5);
    play.client.handle_path_change(play.now);
    play.gather();
    play.grant(5, FIRST, 3600);
    assert_eq!(steps(&play), [("link", 0.0), ("offer", 0.0), ("ack", 0.5)]);
}

/// What is renewed was not acquired again; what was lost is.
#[test]
fn a_lease_that_is_kept_was_got_once_and_one_that_was_lost_twice() {
    let mut play = Play::new(1);
    play.bind(60);
    play.client.handle_applied(play.now);
    let first = *play.client.milestones();
    play.run_until_sent();
    play.grant(5, FIRST, 60);
    play.client.handle_applied(play.now);
    assert_eq!(*play.client.milestones(), first, "renewed");
    let counters = play.client.counters();
    assert_eq!((counters.renewals, counters.failed_renewals), (1, 0));
    play.client.handle_link(false, play.now);
    play.client.handle_link(true, play.now);
    play.gather();
    play.grant(5, FIRST, 60);
    assert_eq!(*play.client.milestones(), first, "confirmed");
    let end = play.now + secs(61.0);
    play.run_until(end);
    let counters = play.client.counters();
    assert_eq!((counters.renewals, counters.failed_renewals), (1, 1));
    let began = play.client.milestones().began;
    assert!(began > first.in_force, "{began:?}");
    assert_eq!(play.client.milestones().total(), None);
}

/// Both leaves relay the DISCOVER and the REQUEST, and the server answers both.
#[test]
fn a_second_answer_to_one_question_is_a_copy() {
    let mut play = Play::new(1);
    let xid = u32::from_be_bytes(play.sent[0].1.bytes[4..8].try_into().unwrap());
    play.deliver(2, xid, FIRST, &hour());
    play.deliver(2, xid, FIRST, &hour());
    // Another server may well answer, too.
    let other = [
        (54, &[10, 0, 1, 2][..]),
        (51, &[0, 0, 14, 16]),
        (1, &[255; 4]),
    ];
    play.deliver(2, xid, OTHER, &other);
    play.deliver(5, xid, FIRST, &hour());
    play.deliver(5, xid, FIRST, &hour());
    assert_eq!(play.client.state(), "BOUND");
    let counters = play.client.counters();
    assert_eq!((counters.offers, counters.duplicate_offers), (2, 1));
    assert_eq!((counters.acks, counters.duplicate_acks), (1, 1));
    let dropped: Vec<_> = counters
        .dropped
        .iter()
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(dropped, [("duplicate", 2)]);
    play.deliver(5, xid ^ 1, FIRST, &hour());
    assert_eq!(play.client.counters().dropped.total(), 3, "never asked for");
    assert_eq!(play.client.counters().duplicate_acks, 1);
}

/// What was asked twice may be answered twice.
#[test]
fn late_answers_to_what_was_sent_again_are_no_copies() {
    let mut play = Play::new(1);
    play.run_until_sent();
    play.answer(2, FIRST, &hour());
    play.answer(2, FIRST, &hour());
    assert_eq!(play.client.counters().duplicate_offers, 0);
    play.answer(2, FIRST, &hour());
    assert_eq!(play.client.counters().duplicate_offers, 1);
    play.run_until_sent();
    play.answer(5, FIRST, &hour());
    play.answer(5, FIRST, &hour());
    assert_eq!(play.client.counters().duplicate_acks, 0);
    let stray = |(reason, _): &(&str, u64)| *reason == "stray";
    let dropped = play.client.counters().dropped.iter().find(stray);
    assert_eq!(dropped, Some(("stray", 2)));
}

/// The relay is seen when the lease is got, and not when it is renewed past it.
#[test]
fn the_relay_is_remembered() {
    let mut play = Play::new(1);
    let relay = Ipv4Addr::new(172, 30, 0, 9);
    for kind in [2, 5] {
        let xid = u32::from_be_bytes(play.sent[0].1.bytes[4..8].try_into().unwrap());
        let mut bytes = reply_bytes(kind, xid, FIRST, &hour());
        bytes[24..28].copy_from_slice(&relay.octets());
        let reply = decode(&bytes, &identity()).unwrap();
        play.client.handle_reply(&reply, play.now);
        play.gather();
    }
    assert_eq!(play.client.lease().unwrap().relay, Some(relay));
    play.run_until_sent();
    play.answer(5, FIRST, &hour());
    assert_eq!(play.client.counters().renewals, 1);
    assert_eq!(play.client.lease().unwrap().relay, Some(relay));
}

/// A lossless fabric: no copies, whatever is renewed.
#[test]
fn nothing_is_a_copy_where_nothing_is_copied() {
    for seed in 0..20 {
        let mut net = bound(seed, super::fabric::minute());
        net.run(600.0);
        let counters = net.play.client.counters();
        assert_eq!((counters.duplicate_offers, counters.duplicate_acks), (0, 0));
        assert!(counters.renewals > 10, "{counters:?}");
    }
}
