// SPDX-License-Identifier: Apache-2.0
//! Probing for an address, and defending it.

use super::*;
use crate::{
    dhcp::{arp::Arp, request::tests::MAC},
    link::Mac,
};

const OTHERS: Mac = [2, 0, 0, 0, 0, 9];

/// A client that probes and has just been acknowledged.
fn probing(seed: u64) -> Play {
    let mut play = Play::with(Client::new(identity(), seed).with_probes());
    play.grant(2, FIRST, 3600);
    play.grant(5, FIRST, 3600);
    assert_eq!((play.client.state(), play.events.len()), ("PROBING", 0));
    play
}

/// What was sent by ARP, and when after `start`.
fn arps(play: &Play, start: Duration) -> Vec<(f64, Arp)> {
    let all = play.sent.iter();
    all.filter(|(_, transmit)| transmit.to == Destination::Neighbors)
        .map(|(at, transmit)| {
            (
                (*at - start).as_secs_f64(),
                Arp::decode(&transmit.bytes).unwrap(),
            )
        })
        .collect()
}

#[test]
fn an_address_nobody_has_is_used_after_three_probes_and_announced() {
    for seed in 0..30 {
        let mut play = probing(seed);
        let start = play.now;
        play.run_until(start + secs(12.0));
        let [(bound, Event::Leased(_))] = &play.events[..] else {
            panic!("{:?}", play.events)
        };
        let took = (*bound - start).as_secs_f64();
        assert!((4.0..=7.0).contains(&took), "{took}");
        let (probes, announcements) = (Arp::probe(MAC, FIRST), Arp::announcement(MAC, FIRST));
        let sent = arps(&play, start);
        let said: Vec<_> = sent.iter().map(|(_, arp)| *arp).collect();
        assert_eq!(said, [probes, probes, probes, announcements, announcements]);
        assert!((1.0..=2.0).contains(&(sent[1].0 - sent[0].0)), "{sent:?}");
    }
}

#[test]
fn an_address_somebody_has_is_declined_and_another_one_sought_later() {
    let answer = Arp {
        sender: OTHERS,
        sender_ip: FIRST,
        target_ip: Ipv4Addr::UNSPECIFIED,
    };
    for conflict in [answer, Arp::probe(OTHERS, FIRST)] {
        let mut play = probing(40);
        play.run_until(play.now + secs(1.5));
        play.client.handle_arp(&conflict, play.now);
        play.gather();
        let (at, decline) = play.sent.last().unwrap().clone();
        assert_eq!(options_of(&decline.bytes)[&53], [4]);
        assert_eq!(play.events[0].1, Event::Conflict(FIRST));
        let (next, _) = play.run_until_sent();
        assert!((9.5..=11.0).contains(&(next - at).as_secs_f64()));
        assert_eq!(play.client.state(), "SELECTING");
        assert_eq!(play.client.counters().conflicts, 1);
    }
}

#[test]
fn a_link_that_flaps_does_not_shorten_the_pause_after_a_conflict() {
    let mut play = probing(45);
    play.client.handle_arp(&Arp::probe(OTHERS, FIRST), play.now);
    play.gather();
    let start = play.now;
    for up in [false, true] {
        play.client.handle_link(up, play.now);
        play.gather();
    }
    let (next, _) = play.run_until_sent();
    assert!((next - start).as_secs_f64() >= 9.5);
}

#[test]
fn our_own_probes_and_other_addresses_are_no_conflict() {
    let mut play = probing(41);
    for harmless in [
        Arp::probe(MAC, FIRST),
        Arp::announcement(OTHERS, OTHER),
        Arp::probe(OTHERS, OTHER),
    ] {
        play.client.handle_arp(&harmless, play.now);
    }
    assert_eq!(play.client.state(), "PROBING");
}

#[test]
fn an_address_in_use_is_defended_once_in_a_while_and_kept() {
    let mut play = probing(42);
    play.run_until(play.now + secs(20.0));
    let count = play.sent.len();
    for _ in 0..100 {
        play.client
            .handle_arp(&Arp::announcement(OTHERS, FIRST), play.now);
        play.client.handle_arp(&Arp::probe(OTHERS, FIRST), play.now);
    }
    play.gather();
    assert_eq!(play.sent.len(), count + 1);
    assert_eq!(play.events.last().unwrap().1, Event::Conflict(FIRST));
    assert_eq!(play.client.state(), "BOUND");
}

#[test]
fn an_address_the_server_moves_us_to_is_probed_as_well() {
    let mut play = probing(44);
    play.run_until(play.now + secs(20.0));
    while play.client.state() != "RENEWING" {
        play.run_until_sent();
    }
    play.grant(5, OTHER, 3600);
    assert_eq!(play.client.state(), "PROBING");
    assert_eq!(play.events.last().unwrap().1, Event::Lost(Loss::Moved));
    play.run_until(play.now + secs(10.0));
    assert_eq!(play.client.state(), "BOUND");
    let held = play.client.lease().map(|lease| lease.prefix.address);
    assert_eq!(held, Some(OTHER));
}

#[test]
fn without_probes_nobody_listens_to_arp() {
    let mut play = Play::new(43);
    play.bind(3600);
    assert_eq!(play.client.watched(), None);
    play.client
        .handle_arp(&Arp::announcement(OTHERS, FIRST), play.now);
    play.gather();
    assert_eq!(play.sent.len(), 2);
}
