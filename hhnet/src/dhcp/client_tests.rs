// SPDX-License-Identifier: Apache-2.0
//! The machine, played in virtual time.

use proptest::prelude::*;

use super::*;
use crate::dhcp::message::{
    decode,
    tests::{MAC, identity, reply_bytes},
};

const SERVER: [u8; 4] = [10, 0, 1, 1];
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 10);
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 77);

/// A client, its clock, and what it has sent.
struct Play {
    client: Client,
    now: Duration,
    sent: Vec<(Duration, Transmit)>,
    events: Vec<(Duration, Event)>,
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

impl Play {
    fn new(seed: u64) -> Play {
        let client = Client::new(identity(), seed);
        let mut play = Play {
            client,
            now: secs(1000.0),
            sent: vec![],
            events: vec![],
        };
        play.client.handle_link(true, play.now);
        play.gather();
        play
    }

    fn gather(&mut self) {
        while let Some(transmit) = self.client.poll_transmit() {
            self.sent.push((self.now, transmit));
        }
        while let Some(event) = self.client.poll_event() {
            self.events.push((self.now, event));
        }
    }

    /// Lets time pass, timer by timer.
    fn run_until(&mut self, end: Duration) {
        while let Some(next) = self.client.poll_timeout().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.client.handle_timeout(self.now);
            self.gather();
        }
        self.now = end;
    }

    /// Lets time pass until the next message leaves.
    fn run_until_sent(&mut self) -> (Duration, Transmit) {
        let count = self.sent.len();
        while self.sent.len() == count {
            let next = self
                .client
                .poll_timeout()
                .expect("a client that waits for something");
            self.run_until(next);
        }
        self.sent[count].clone()
    }

    fn answer(&mut self, kind: u8, yiaddr: Ipv4Addr, options: &[(u8, &[u8])]) {
        let (_, last) = self.sent.last().unwrap();
        let xid = u32::from_be_bytes(last.bytes[4..8].try_into().unwrap());
        self.deliver(kind, xid, yiaddr, options);
    }

    fn deliver(&mut self, kind: u8, xid: u32, yiaddr: Ipv4Addr, options: &[(u8, &[u8])]) {
        let bytes = reply_bytes(kind, xid, yiaddr, options);
        self.client
            .handle_reply(&decode(&bytes, MAC).unwrap(), self.now);
        self.gather();
    }

    fn grant(&mut self, kind: u8, yiaddr: Ipv4Addr, lease: u32) {
        self.answer(
            kind,
            yiaddr,
            &[
                (54, &SERVER),
                (51, &lease.to_be_bytes()),
                (1, &[255, 255, 255, 0]),
            ],
        );
    }

    /// OFFER and ACK, as a good server gives them.
    fn bind(&mut self, lease: u32) {
        self.grant(2, FIRST, lease);
        self.grant(5, FIRST, lease);
        assert_eq!(self.client.state(), "BOUND");
    }

    fn sent_since(&self, start: Duration) -> Vec<f64> {
        let after = self.sent.iter().filter(|(at, _)| *at > start);
        after.map(|(at, _)| (*at - start).as_secs_f64()).collect()
    }
}

fn is_unicast(transmit: &Transmit) -> bool {
    matches!(transmit.to, Destination::Server { .. })
}

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
    play.run_until(now + secs(1.1));
    assert!(play.sent.len() >= count + 2, "quick again");
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
    assert_eq!(play.client.counters().empty, 3);
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
            Event::Lost(why) => panic!("lost: {why}"),
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
    play.gather();
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

/// Something that happens to a client.
#[derive(Debug, Clone)]
enum Happening {
    Wait(u32),
    Jump(u32),
    Link(bool),
    Path,
    Message {
        kind: u8,
        right_xid: bool,
        empty: bool,
        lease: u32,
        last_octet: u8,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        (0..100_000u32).prop_map(Happening::Wait),
        (0..4_000_000u32).prop_map(Happening::Jump),
        any::<bool>().prop_map(Happening::Link),
        Just(Happening::Path),
        (
            0..9u8,
            prop::bool::weighted(0.8),
            any::<bool>(),
            0..90u32,
            9..12u8
        )
            .prop_map(
                |(kind, right_xid, empty, lease, last_octet)| Happening::Message {
                    kind: if kind < 6 {
                        [2, 5][usize::from(kind % 2)]
                    } else {
                        6
                    },
                    right_xid,
                    empty,
                    lease,
                    last_octet,
                }
            ),
    ]
}

proptest! {
    #[test]
    fn whatever_happens_the_rules_hold(
        seed in any::<u64>(),
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let mut play = Play::new(seed);
        let mut linked = true;
        for happening in happenings {
            match happening {
                Happening::Wait(ms) => play.run_until(play.now + Duration::from_millis(ms.into())),
                Happening::Jump(ms) => {
                    play.now += Duration::from_millis(ms.into());
                    play.client.handle_timeout(play.now);
                    play.gather();
                }
                Happening::Link(up) => {
                    linked = up;
                    play.client.handle_link(up, play.now);
                    play.gather();
                }
                Happening::Path => {
                    play.client.handle_path_change(play.now);
                    play.gather();
                }
                Happening::Message { kind, right_xid, empty, lease, last_octet } => {
                    let yiaddr = Ipv4Addr::new(10, 0, 1, last_octet);
                    let lease = lease.to_be_bytes();
                    let options = [(54, &SERVER[..]), (51, &lease[..])];
                    let options = if empty { &options[..1] } else { &options[..] };
                    if right_xid { play.answer(kind, yiaddr, options) }
                    else { play.deliver(kind, 1, yiaddr, options) }
                }
            }
            // An event stream that, replayed, gives the lease the client holds.
            let published = play.events.last().and_then(|(_, event)| match event {
                Event::Leased(lease) => Some(lease),
                Event::Lost(_) => None,
            });
            prop_assert_eq!(published, play.client.lease());
            // Never past its end, always something to wait for.
            if let Some(expiry) = play.client.lease().and_then(Lease::expiry) {
                prop_assert!(expiry > play.now);
                prop_assert!(play.client.poll_timeout().unwrap() <= expiry);
            } else if linked {
                prop_assert!(play.client.poll_timeout().is_some());
            }
            prop_assert!(play.client.poll_timeout().is_none_or(|next| next > play.now));
        }
        // A renewal names the address that was leased when it left, and nothing else does.
        for (_, transmit) in &play.sent {
            if is_unicast(transmit) {
                prop_assert_ne!(&transmit.bytes[12..16], &[0; 4]);
            }
        }
    }
}
