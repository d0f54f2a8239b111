// SPDX-License-Identifier: Apache-2.0
//! The way to a lease.

use super::*;

#[test]
fn a_lease_takes_two_messages() {
    let mut play = Play::new(1);
    play.bind(3600);
    assert_eq!(play.sent.len(), 2);
    let [(_, Event::Leased(lease))] = play.events.as_slice() else {
        panic!("{:?}", play.events)
    };
    assert_eq!(lease.prefix.to_string(), "10.0.1.10/24");
    assert_eq!(play.client.listen(), Listen::Port);
}

#[test]
fn discovers_are_quick_at_first_and_back_off_later() {
    for seed in 0..50 {
        let mut play = Play::new(seed);
        let start = play.now;
        play.run_until(start + secs(600.0));
        let times = play.sent_since(start);
        assert!(
            times.iter().filter(|at| **at <= 20.0).count() >= 13,
            "{times:?}"
        );
        let gaps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let (early, late): (Vec<_>, Vec<_>) =
            gaps.iter().zip(&times).partition(|(_, at)| **at < 12.0);
        assert!(
            early.iter().all(|(gap, _)| (0.5..=1.0).contains(*gap)),
            "{early:?}"
        );
        assert!(
            late.iter().all(|(gap, _)| (1.0..=65.0).contains(*gap)),
            "{late:?}"
        );
        assert!(gaps.last().unwrap() > &60.0);
    }
}

#[test]
fn a_member_that_joins_the_aggregate_is_used_at_once() {
    let mut play = Play::new(2);
    play.run_until(play.now + secs(100.0));
    let (now, count) = (play.now, play.sent.len());
    play.client.handle_path_change(now);
    play.gather();
    assert_eq!(play.sent.len(), count + 1);
    play.run_until(now + secs(0.61));
    assert_eq!(play.sent.len(), count + 3, "the partner may open later");
    play.run_until(now + secs(1.7));
    assert!(play.sent.len() >= count + 4, "quick again");
}

#[test]
fn members_that_join_one_after_the_other_are_no_reason_to_leave_a_server() {
    let mut play = Play::new(28);
    play.grant(2, FIRST, 3600);
    for _ in 0..6 {
        play.run_until(play.now + secs(0.2));
        play.client.handle_path_change(play.now);
        play.gather();
    }
    assert_eq!(play.client.state(), "REQUESTING");
    play.grant(5, FIRST, 3600);
    assert_eq!(play.client.state(), "BOUND");
}

#[test]
fn a_request_repeats_the_seconds_of_its_discover() {
    for seed in 0..50 {
        let mut play = Play::new(seed);
        for _ in 0..6 {
            play.run_until_sent();
        }
        play.run_until(play.now + secs(0.4));
        let seconds = |play: &Play| play.sent.last().unwrap().1.bytes[8..10].to_owned();
        let discover = seconds(&play);
        play.grant(2, FIRST, 3600);
        assert_eq!(seconds(&play), discover);
        play.run_until_sent();
        assert_eq!(seconds(&play), discover, "also when it is repeated");
    }
}

#[test]
fn empty_offers_and_acks_are_ignored() {
    let mut play = Play::new(3);
    for _ in 0..2 {
        play.answer(2, Ipv4Addr::UNSPECIFIED, &[]);
        assert_eq!(play.client.state(), "SELECTING");
        play.run_until_sent();
    }
    play.grant(2, FIRST, 3600);
    play.answer(5, Ipv4Addr::UNSPECIFIED, &[]);
    assert_eq!(play.client.state(), "REQUESTING");
    play.run_until_sent();
    play.grant(5, FIRST, 3600);
    assert_eq!(play.client.state(), "BOUND");
    assert!(play.now < secs(1010.0));
    assert_eq!(play.client.counters().dropped.empty(), 3);
}

#[test]
fn copies_late_replies_and_other_servers_change_nothing() {
    let mut play = Play::new(4);
    let lease = [(54, &SERVER[..]), (51, &[0, 0, 14, 16])];
    play.answer(2, FIRST, &lease);
    play.answer(2, FIRST, &lease);
    play.answer(2, OTHER, &[(54, &[10, 0, 1, 2]), (51, &[0, 0, 14, 16])]);
    assert_eq!(play.sent.len(), 2, "one REQUEST, for the first offer");
    play.answer(6, Ipv4Addr::UNSPECIFIED, &[(54, &[10, 0, 1, 2])]);
    assert_eq!(play.client.state(), "REQUESTING", "another server's NAK");
    play.deliver(5, 1, FIRST, &lease);
    assert_eq!(
        play.client.state(),
        "REQUESTING",
        "another transaction's ACK"
    );
    play.answer(5, FIRST, &lease);
    play.answer(5, FIRST, &lease);
    assert_eq!(play.events.len(), 1, "one lease, published once");
}

#[test]
fn an_unanswered_request_goes_back_to_discovering() {
    let mut play = Play::new(5);
    play.grant(2, FIRST, 3600);
    play.run_until(play.now + secs(25.0));
    assert_eq!(play.client.state(), "SELECTING");
    assert!(play.events.is_empty());
}

#[test]
fn an_ack_to_a_discover_is_a_lease_if_the_server_says_so() {
    let options = [(54, &SERVER[..]), (51, &[0, 0, 14, 16])];
    let mut play = Play::new(20);
    play.answer(5, FIRST, &options);
    assert_eq!(play.client.state(), "SELECTING", "an ACK out of the blue");
    play.answer(2, FIRST, &[&options[..], &[(80, &[])]].concat());
    assert_eq!(play.client.state(), "REQUESTING", "an OFFER with option 80");
    let mut play = Play::new(20);
    play.answer(5, FIRST, &[&options[..], &[(80, &[])]].concat());
    assert_eq!((play.client.state(), play.sent.len()), ("BOUND", 1));
}

/// An offer of the server at 10.0.1.`server` for an address of the same end.
fn offer(play: &mut Play, server: u8) {
    let id = [10, 0, 1, server];
    let (_, last) = play.sent.last().unwrap();
    let xid = u32::from_be_bytes(last.bytes[4..8].try_into().unwrap());
    let options = [(54, &id[..]), (51, &[0, 0, 14, 16])];
    play.deliver(2, xid, [10, 0, 1, 100 + server].into(), &options);
}

/// Option 54 of the last message.
fn asked_server(play: &Play) -> Option<u8> {
    let (_, last) = play.sent.last().unwrap();
    let options = options_of(&last.bytes);
    options.get(&54).map(|server| server[3])
}

#[test]
fn a_server_that_does_not_keep_its_word_is_left_for_another() {
    let mut play = Play::new(21);
    let start = play.now;
    offer(&mut play, 66);
    offer(&mut play, 1);
    assert_eq!(asked_server(&play), Some(66), "the first offer is taken");
    while asked_server(&play) == Some(66) {
        play.run_until_sent();
    }
    assert_eq!(asked_server(&play), Some(1));
    assert!(play.now - start < secs(4.5), "{:?}", play.now - start);
    play.answer(
        5,
        [10, 0, 1, 101].into(),
        &[(54, &SERVER), (51, &[0, 0, 14, 16])],
    );
    assert_eq!(play.client.state(), "BOUND");
}

#[test]
fn after_it_was_let_down_the_client_prefers_others_and_takes_what_there_is() {
    let mut play = Play::new(22);
    offer(&mut play, 66);
    while play.client.state() == "REQUESTING" {
        play.run_until(play.client.poll_timeout().unwrap());
    }
    // Quicker than the good one again.
    offer(&mut play, 66);
    assert_eq!(play.client.state(), "SELECTING");
    offer(&mut play, 1);
    assert_eq!(asked_server(&play), Some(1));
    // And alone.
    let mut play = Play::new(22);
    offer(&mut play, 66);
    while play.client.state() == "REQUESTING" {
        play.run_until(play.client.poll_timeout().unwrap());
    }
    offer(&mut play, 66);
    play.run_until_sent();
    assert_eq!(asked_server(&play), Some(66));
}

#[test]
fn a_relay_that_cannot_unicast_is_asked_to_broadcast_in_the_end() {
    let mut play = Play::new(23);
    for _ in 0..11 {
        play.run_until_sent();
    }
    let broadcast: Vec<bool> = play.sent.iter().map(|(_, t)| t.bytes[10] == 0x80).collect();
    let (first, later) = broadcast.split_at(6);
    assert!(first.iter().all(|flag| !flag), "{broadcast:?}");
    assert_eq!(later, [true, false, true, false, true, false]);
    play.run_until_sent();
    play.grant(2, FIRST, 3600);
    let (_, request) = play.sent.last().unwrap();
    assert_eq!(request.bytes[10], 0x80, "the REQUEST as the DISCOVER");
}

#[test]
fn a_link_that_flaps_is_no_storm_of_messages() {
    let mut play = Play::new(24);
    let start = play.now;
    for round in 0..1000 {
        play.client.handle_link(round % 2 == 1, play.now);
        play.client.handle_path_change(play.now);
        play.gather();
        play.run_until(play.now + secs(0.01));
    }
    let count = play.sent.len();
    let seconds = (play.now - start).as_secs_f64();
    assert!(
        (2..=(seconds / 0.2) as usize + 1).contains(&count),
        "{count}"
    );
}

#[test]
fn a_lease_of_an_earlier_life_is_confirmed_without_being_lost() {
    for seed in 0..20 {
        let mut play = Play::with(Client::new(identity(), seed).resume(lease(100), secs(1000.0)));
        assert!(matches!(&play.events[..], [(_, Event::Leased(_))]));
        assert_eq!(play.client.state(), "REBOOTING");
        let (_, request) = play.sent[0].clone();
        let options = options_of(&request.bytes);
        assert_eq!(options[&50], FIRST.octets());
        assert!(!options.contains_key(&54));
        assert_eq!(request.bytes[12..16], [0; 4], "ciaddr");
        play.grant(5, FIRST, 3600);
        assert_eq!(play.client.state(), "BOUND");
        assert_eq!(play.events.len(), 2, "prolonged, never lost");
    }
}

#[test]
fn a_confirmation_that_nobody_answers_leaves_the_lease_as_it_was() {
    let mut play = Play::with(Client::new(identity(), 25).resume(lease(100), secs(1000.0)));
    let start = play.now;
    play.run_until(start + secs(25.0));
    assert_eq!((play.client.state(), play.sent.len()), ("BOUND", 4));
    play.run_until(start + secs(60.0));
    assert_eq!(play.client.state(), "RENEWING", "at its own T1");
    play.run_until(start + secs(100.0));
    assert!(matches!(
        play.events[1..],
        [(_, Event::Lost(Loss::Expired))]
    ));
}

#[test]
fn a_refused_confirmation_ends_the_lease() {
    let mut play = Play::with(Client::new(identity(), 26).resume(lease(100), secs(1000.0)));
    play.answer(6, Ipv4Addr::UNSPECIFIED, &[(54, &SERVER)]);
    assert_eq!(play.client.state(), "SELECTING");
    assert!(matches!(
        play.events[1..],
        [(_, Event::Lost(Loss::Refused))]
    ));
}

#[test]
fn a_lease_that_was_over_is_not_resumed() {
    let mut play = Play::with(Client::new(identity(), 27).resume(lease(100), secs(1100.0)));
    play.gather();
    assert_eq!(play.client.state(), "SELECTING");
    assert!(play.events.is_empty());
}
