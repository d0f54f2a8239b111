// SPDX-License-Identifier: Apache-2.0
//! Keeping a lease, and losing it.

use super::*;

#[test]
fn renewal_at_half_rebinding_at_seven_eighths_end_at_the_end() {
    for seed in 0..50 {
        let mut play = Play::new(seed);
        play.bind(60);
        let start = play.now;
        let (first, message) = play.run_until_sent();
        assert!(
            (28.5..=31.5).contains(&(first - start).as_secs_f64()),
            "T1 {first:?}"
        );
        assert!(is_unicast(&message));
        assert_eq!(message.bytes[12..16], FIRST.octets(), "ciaddr");
        let rebind = loop {
            let (at, message) = play.run_until_sent();
            if !is_unicast(&message) {
                assert_eq!(message.to, Destination::Broadcast { source: FIRST });
                break at - start;
            }
        };
        assert!(
            (52.0..=53.0).contains(&rebind.as_secs_f64()),
            "T2 {rebind:?}"
        );
        play.run_until(start + secs(59.9));
        assert_eq!(play.events.len(), 1);
        play.run_until(start + secs(60.0));
        assert_eq!(
            play.events[1],
            (start + secs(60.0), Event::Lost(Loss::Expired))
        );
        assert_eq!(
            play.client.state(),
            "SELECTING",
            "and it looks for a new one"
        );
    }
}

#[test]
fn a_renewed_lease_runs_from_its_request() {
    let mut play = Play::new(6);
    play.bind(60);
    let (asked, _) = play.run_until_sent();
    play.run_until(asked + secs(0.5));
    play.grant(5, FIRST, 60);
    let Some((_, Event::Leased(lease))) = play.events.last() else {
        panic!("not renewed")
    };
    assert_eq!(lease.since, asked);
    assert_eq!(lease.expiry(), Some(asked + secs(60.0)));
}

#[test]
fn a_ten_second_lease_gets_many_chances_but_none_too_early() {
    for seed in 0..50 {
        let mut play = Play::new(seed);
        play.bind(10);
        let start = play.now;
        play.run_until(start + secs(9.99));
        let times = play.sent_since(start);
        assert!(times[0] > 4.5 && times[0] < 5.5, "{times:?}");
        let unicast = times.iter().filter(|at| **at < 8.75).count();
        assert!(unicast >= 3, "{times:?}");
        assert!(times.len() - unicast >= 2, "{times:?}");
        assert_eq!(play.client.state(), "REBINDING");
    }
}

/// A fabric that never gives more than its first ten seconds: the address goes in time, and
/// all begins again, for ever.
#[test]
fn a_ten_second_lease_that_nobody_prolongs_begins_again_each_time() {
    let mut play = Play::new(11);
    for cycle in 1..=10 {
        play.bind(10);
        let leased = play.now;
        play.run_until(leased + secs(10.5));
        assert_eq!(play.losses(), cycle);
        let lost = play.events.iter().rev();
        let lost = lost
            .clone()
            .find(|(_, event)| matches!(event, Event::Lost(_)));
        let after = lost.expect("it is lost").0 - leased;
        assert!(after > secs(9.0) && after <= secs(10.0), "{after:?}");
        assert!(play.published().is_none());
    }
}

#[test]
fn an_ack_may_bring_another_address() {
    let mut play = Play::new(7);
    play.grant(2, FIRST, 60);
    play.grant(5, OTHER, 60);
    play.run_until_sent();
    play.grant(5, FIRST, 60);
    let addresses: Vec<_> = play
        .events
        .iter()
        .map(|(_, event)| match event {
            Event::Leased(lease) => lease.prefix.address,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(addresses, [OTHER, FIRST]);
}

#[test]
fn a_nak_takes_the_lease_and_starts_again_ever_more_slowly() {
    let mut play = Play::new(8);
    play.bind(60);
    play.run_until_sent();
    let mut waits = vec![];
    for _ in 0..6 {
        let refused = play.now;
        play.answer(6, Ipv4Addr::UNSPECIFIED, &[(54, &SERVER)]);
        if play.client.state() == "INIT" {
            play.run_until_sent();
        }
        waits.push((play.now - refused).as_secs());
        play.grant(2, FIRST, 60);
        if play.client.state() == "SELECTING" {
            // The offer of a server that has just refused: not at once.
            play.run_until_sent();
        }
    }
    assert_eq!(waits, [0, 1, 2, 4, 8, 16]);
    let lost = play
        .events
        .iter()
        .filter(|(_, event)| matches!(event, Event::Lost(Loss::Refused)));
    assert_eq!(lost.count(), 1);
}

#[test]
fn without_a_link_nothing_is_sent_and_a_lease_is_kept() {
    let mut play = Play::new(9);
    play.client.handle_link(false, play.now);
    assert_eq!(play.client.poll_timeout(), None);
    play.client.handle_link(true, play.now);
    play.run_until_sent();
    play.bind(60);
    play.client.handle_link(false, play.now);
    assert!(play.client.lease().is_some());
}

#[test]
fn a_lease_for_ever_is_never_renewed() {
    let mut play = Play::new(10);
    play.bind(u32::MAX);
    assert_eq!(play.client.poll_timeout(), None);
}

#[test]
fn a_lease_is_confirmed_when_the_link_comes_back() {
    let mut play = Play::new(30);
    play.bind(3600);
    play.run_until(play.now + secs(60.0));
    play.client.handle_link(false, play.now);
    play.run_until(play.now + secs(3.0));
    assert_eq!(play.sent.len(), 2, "nothing is sent without link");
    play.client.handle_link(true, play.now);
    play.gather();
    assert_eq!((play.client.state(), play.sent.len()), ("REBOOTING", 3));
    assert_eq!(
        play.events.len(),
        1,
        "and the lease is in force all the time"
    );
    play.client.handle_link(true, play.now);
    play.gather();
    assert_eq!(play.sent.len(), 3, "news that are none");
}

#[test]
fn sleep_past_the_end_of_a_lease_ends_it() {
    let mut play = Play::new(31);
    play.bind(60);
    play.now += secs(3600.0);
    play.client.handle_timeout(play.now);
    play.gather();
    assert!(matches!(play.events[1].1, Event::Lost(Loss::Expired)));
    assert_eq!(play.client.state(), "SELECTING");
}

#[test]
fn without_a_link_a_lease_runs_out_in_silence() {
    let mut play = Play::new(35);
    play.bind(60);
    let (start, sent) = (play.now, play.sent.len());
    play.client.handle_link(false, play.now);
    play.run_until(start + secs(59.9));
    assert_eq!((play.client.state(), play.sent.len()), ("BOUND", sent));
    play.run_until(start + secs(600.0));
    assert_eq!((play.client.state(), play.sent.len()), ("NO LINK", sent));
    assert!(matches!(play.events[1].1, Event::Lost(Loss::Expired)));
}

#[test]
fn a_refusal_of_nobody_is_none() {
    let mut play = Play::new(36);
    play.bind(60);
    play.run_until_sent();
    play.answer(6, Ipv4Addr::UNSPECIFIED, &[]);
    play.answer(6, Ipv4Addr::UNSPECIFIED, &[(54, &[127, 0, 0, 1])]);
    assert_eq!((play.client.state(), play.events.len()), ("RENEWING", 1));
}

#[test]
fn another_servers_refusal_is_none_while_one_is_asked() {
    let mut play = Play::new(32);
    play.bind(60);
    play.run_until_sent();
    for _ in 0..100 {
        play.answer(6, Ipv4Addr::UNSPECIFIED, &[(54, &[10, 0, 1, 66])]);
    }
    assert_eq!((play.client.state(), play.events.len()), ("RENEWING", 1));
}

#[test]
fn a_release_names_address_and_server_and_is_only_for_leases() {
    let mut play = Play::new(33);
    play.client.release(play.now);
    play.gather();
    assert_eq!(play.sent.len(), 1, "the DISCOVER");
    play.bind(60);
    play.client.release(play.now);
    play.gather();
    let (_, release) = play.sent.last().unwrap();
    let server = Ipv4Addr::from(SERVER);
    assert_eq!(release.to, Destination::Server { server });
    assert_eq!(release.bytes[12..16], FIRST.octets());
    assert_eq!(options_of(&release.bytes)[&53], [7]);
}

#[test]
fn a_new_address_is_counted_as_a_change() {
    let mut play = Play::new(34);
    play.bind(60);
    play.run_until_sent();
    play.grant(5, FIRST, 60);
    assert_eq!(play.client.counters().changes, 0);
    play.run_until_sent();
    play.grant(5, OTHER, 60);
    assert_eq!(play.client.counters().changes, 1);
}

/// However many of the renewals of a ten-second lease are lost, one that is
/// answered before its end is enough.
#[test]
fn a_ten_second_lease_survives_any_loss_but_of_everything() {
    for (seed, lost) in (0..40).flat_map(|seed| (0..5).map(move |lost| (seed, lost))) {
        let mut play = Play::new(seed);
        play.bind(10);
        for _ in 0..lost {
            play.run_until_sent();
        }
        play.run_until_sent();
        play.grant(5, FIRST, 1800);
        assert_eq!(
            (play.client.state(), play.events.len()),
            ("BOUND", 2),
            "{lost} lost"
        );
    }
}

/// `networkctl reconfigure`: from DISCOVER on, at once, without a word of the old lease.
#[test]
fn a_client_that_starts_anew_asks_as_if_for_the_first_time() {
    let mut play = Play::new(12);
    play.bind(60);
    play.run_until(play.now + secs(10.0));
    let (now, before) = (play.now, play.sent.len());
    play.client.start_anew(now);
    play.gather();
    assert_eq!(
        play.events.last(),
        Some(&(now, Event::Lost(Loss::GivenBack)))
    );
    assert_eq!(play.client.state(), "SELECTING");
    assert_eq!(play.sent.len(), before + 1, "a DISCOVER, and nothing else");
    let (_, discover) = play.sent.last().unwrap();
    let options = options_of(&discover.bytes);
    assert_eq!(options[&53], [1]);
    assert!(!options.contains_key(&50), "no requested address");
    assert_eq!(discover.bytes[12..16], [0; 4], "ciaddr");
    play.grant(2, OTHER, 60);
    play.grant(5, OTHER, 60);
    assert_eq!(play.published().map(|l| l.prefix.address), Some(OTHER));
}

/// However long a NAK or silence would have made it wait.
#[test]
fn a_client_that_starts_anew_does_not_wait_for_an_old_pause() {
    let mut play = Play::new(13);
    play.run_until(play.now + secs(300.0));
    let now = play.now;
    play.client.start_anew(now);
    play.gather();
    play.run_until(now + secs(5.0));
    let again = play.sent_of_kind(1, now);
    assert!(again[0] == 0.0 && again.len() >= 4, "{again:?}");
    assert!(play.events.is_empty(), "there was no lease to lose");
}

/// Without a link there is nobody to ask; the lease is gone all the same.
#[test]
fn a_client_that_starts_anew_without_a_link_waits_for_it() {
    let mut play = Play::new(14);
    play.bind(60);
    play.client.handle_link(false, play.now);
    play.client.start_anew(play.now);
    play.gather();
    assert_eq!((play.losses(), play.client.state()), (1, "NO LINK"));
    play.client.handle_link(true, play.now);
    let (_, discover) = play.run_until_sent();
    assert_eq!(options_of(&discover.bytes)[&53], [1]);
}
