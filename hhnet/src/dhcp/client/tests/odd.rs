// SPDX-License-Identifier: Apache-2.0
//! Odd links, clocks and messages.

use super::{
    fabric::{Server, minute, xid},
    net::{Net, Wire, bound},
    *,
};
use crate::dhcp::{
    packet::wrap,
    request::{Identity, tests::MAC},
};

/// No carrier for half a second, three, thirty.
#[test]
fn an_address_outlives_a_link_that_comes_back() {
    for (seed, away) in (0..20).flat_map(|seed| [0.5, 3.0, 30.0].map(|away| (seed, away))) {
        let mut net = bound(seed, Server::default());
        net.run(100.0);
        net.link(false);
        let (silent, heard) = (net.play.sent.len(), net.play.events.len());
        net.run(away);
        assert_eq!(
            (net.play.sent.len(), net.play.events.len()),
            (silent, heard)
        );
        net.link(true);
        assert_eq!(net.play.client.state(), "REBOOTING");
        net.run(1.0);
        assert_eq!(net.play.sent.len(), silent + 1, "confirmed at once");
        assert_eq!((net.play.losses(), net.play.addresses()), (0, vec![FIRST]));
        // Another network: its server knows nothing of the old address.
        net.link(false);
        net.servers[0] = Server {
            id: 2,
            refuses: true,
            ..Server::default()
        };
        net.link(true);
        net.run(0.5);
        assert_eq!(net.play.losses(), 1);
    }
}

/// A link that comes back later than the lease lasts.
#[test]
fn a_lease_ends_in_time_without_a_link() {
    let mut net = bound(60, minute());
    net.link(false);
    net.run(61.0);
    assert_eq!((net.play.losses(), net.play.client.state()), (1, "NO LINK"));
    assert_eq!(net.play.client.poll_timeout(), None);
    net.link(true);
    net.run_until_bound(1.0);
}

/// Sleep past T1, T2 and the end.
#[test]
fn sleep_counts() {
    for seed in 0..20 {
        for (slept, state) in [
            (10.0, "BOUND"),
            (35.0, "RENEWING"),
            (55.0, "REBINDING"),
            (60.0, "SELECTING"),
            (1e9, "SELECTING"),
        ] {
            let mut net = bound(seed, minute());
            let start = net.play.now;
            net.sleep(secs(slept));
            assert_eq!(net.play.client.state(), state, "{slept} s");
            assert_eq!(net.play.losses(), usize::from(slept >= 60.0));
            let woken = net.play.sent_since(start).len();
            assert_eq!(woken, usize::from(slept > 30.0), "one message at once");
            net.run_until_bound(1.0);
            assert_eq!(net.play.addresses(), [FIRST]);
        }
    }
}

/// Times and options nobody should send.
#[test]
fn odd_times_and_options_still_make_a_lease_that_is_renewed() {
    let time = |code: u8, seconds: u32| (code, seconds.to_be_bytes().to_vec());
    let none = (12, vec![]);
    for (lease, more) in [
        (1, none.clone()),
        (2, time(58, 2)),
        (10, time(58, 9)),
        (60, time(58, 0)),
        (60, time(58, u32::MAX)),
        (60, time(59, 1)),
        (u32::MAX - 1, time(59, u32::MAX)),
        (600, (26, vec![0xff, 0xff])),
        (600, (26, vec![0, 67])),
        (600, (1, vec![255, 0, 255, 0])),
        (600, (15, b"caf\xe9".to_vec())),
        (600, (119, b"\xc0\0".to_vec())),
        (600, (52, vec![3])),
        (600, (121, [24, 10, 0, 1, 10, 0, 1, 1].repeat(30))),
    ] {
        let server = Server {
            lease,
            more: vec![more.clone()],
            ..Server::default()
        };
        let mut net = bound(61, server);
        net.run(f64::from(lease.min(100_000)) * 3.0);
        assert_eq!(net.play.losses(), 0, "{lease} s, {more:?}");
        let count = net.play.sent.len();
        assert!(count <= 20, "{lease} s, {more:?}: {count} messages");
    }
}

/// No lease time, and one for ever.
#[test]
fn a_lease_of_no_time_is_none_and_one_for_ever_stays() {
    let server = |lease| Server {
        lease,
        ..Server::default()
    };
    let mut none = Net::new(62, &[server(0)], Wire::default());
    none.run(600.0);
    assert_eq!(
        (none.play.client.state(), none.play.events.len()),
        ("SELECTING", 0)
    );
    let mut ever = bound(62, server(u32::MAX));
    ever.run(1e9);
    assert_eq!(
        (ever.play.client.state(), ever.play.sent.len()),
        ("BOUND", 2)
    );
}

/// Packets that are none, each in every state that listens.
#[test]
fn malformed_packets_change_nothing() {
    let server = Server {
        dead: true,
        ..minute()
    };
    let mut net = Net::new(63, &[server], Wire::default());
    for wait in [0.0, 31.0, 22.0] {
        net.servers[0].dead = wait > 0.0;
        net.run(if wait > 0.0 { wait } else { 2.0 });
        let (state, before) = (net.play.client.state(), net.play.events.len());
        let mut count = 0;
        for packet in malformed(&net) {
            net.hear(&packet);
            count += 1;
        }
        net.play.gather();
        assert_eq!(
            (net.play.client.state(), net.play.events.len()),
            (state, before)
        );
        assert!(net.play.client.counters().dropped.total() >= count);
    }
    assert_eq!(net.play.client.state(), "REBINDING");
}

/// Answers to the last question, each with something wrong.
fn malformed(net: &Net) -> Vec<Vec<u8>> {
    let (_, last) = net.play.sent.last().unwrap();
    let options = [(54, &SERVER[..]), (51, &[0, 0, 14, 16])];
    let good = reply_bytes(5, xid(last), FIRST, &options);
    let packet = |message: &[u8]| {
        let mut packet = wrap(SERVER.into(), Ipv4Addr::BROADCAST, message);
        packet[20..24].rotate_left(2);
        packet
    };
    let whole = packet(&good);
    let cut = (0..whole.len()).map(|len| whole[..len].to_vec());
    // One that lacks no more than its END is good.
    let short = (0..good.len() - 1).map(|len| packet(&good[..len]));
    let messages = [
        (0, 1),
        (1, 6),
        (2, 0),
        (2, 5),
        (2, 7),
        (2, 17),
        (2, 255),
        (28, 9),
        (236, 0),
    ];
    let headers = [
        (0, 0x44),
        (0, 0x4f),
        (0, 0x65),
        (6, 0x20),
        (9, 6),
        (23, 67),
        (25, 0xff),
    ];
    let messages = messages.map(|change| packet(&changed(&good, change)));
    let headers = headers.map(|change| changed(&whole, change));
    cut.chain(short).chain(messages).chain(headers).collect()
}

fn changed(bytes: &[u8], (at, value): (usize, u8)) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] = value;
    bytes
}

/// Each sort of identifier, repeated by the server, wrongly or not at all.
#[test]
fn identifiers_are_the_same_in_all_messages_and_in_replies() {
    let duid = Identity::duid_id(MAC, &[0, 3, 0, 1, 2, 0, 0, 0, 0, 1]);
    for id in [Some(Identity::mac_id(MAC)), Some(duid), None] {
        for echo in [None, id.clone(), Some(vec![1, 9, 9, 9, 9, 9, 9])] {
            let who = Identity {
                client_id: id.clone(),
                ..identity()
            };
            let taken = id.is_none() || echo.is_none() || echo == id;
            let server = Server {
                more: echo.into_iter().map(|echo| (61, echo)).collect(),
                ..minute()
            };
            let mut net = Net::with(Client::new(who, 64), 64, &[server], Wire::default());
            net.run(100.0);
            assert_eq!(net.play.client.lease().is_some(), taken, "{id:?}");
            for (_, transmit) in &net.play.sent {
                let sent = options_of(&transmit.bytes).remove(&61);
                assert!(sent.is_none_or(|id| id.len() >= 2));
            }
        }
    }
}
