// SPDX-License-Identifier: Apache-2.0
//! Servers with ways of their own.

use super::{
    fabric::{Server, minute, short, xid},
    net::{Net, Wire, bound},
    *,
};

const SEEDS: std::ops::Range<u64> = 0..20;

/// The server moves the client, when it first asks and later.
#[test]
fn an_address_the_server_has_changed_is_taken() {
    for seed in SEEDS {
        let mut net = Net::new(seed, &[short()], Wire::default());
        net.run(0.0015);
        net.servers[0].address = OTHER.octets()[3];
        net.run_until_bound(1.0);
        assert_eq!(net.play.addresses(), [OTHER], "offered another one");
        net.servers[0].address = FIRST.octets()[3];
        net.run(6.0);
        assert_eq!(net.play.addresses(), [OTHER, FIRST]);
        assert_eq!(
            (net.play.losses(), net.play.client.counters().changes),
            (0, 1)
        );
        net.run(20.0);
        assert_eq!(net.play.addresses(), [OTHER, FIRST], "renewed as it is");
    }
}

/// A server in trouble answers, but says nothing.
#[test]
fn empty_replies_are_no_replies() {
    for (seed, empty) in SEEDS.flat_map(|seed| (1..6).map(move |empty| (seed, empty))) {
        let server = Server {
            empty,
            ..Server::default()
        };
        let mut net = Net::new(seed, &[server], Wire::default());
        let start = net.play.now;
        let took = net.run_until_bound(8.0);
        let asked = net.play.sent_of_kind(1, start);
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 4.0));
        assert!(took < f64::from(empty) * 1.1);
        // And while it is to be renewed.
        net.servers[0].empty = 3;
        net.run(3599.0);
        assert_eq!((net.play.losses(), net.play.addresses()), (0, vec![FIRST]));
        assert_eq!(
            net.play.client.counters().dropped.empty(),
            u64::from(empty) + 3
        );
    }
}

/// The server refuses, in each state that asks something.
#[test]
fn a_refusal_is_obeyed_in_every_state() {
    for (wait, state) in [(31.0, "RENEWING"), (53.0, "REBINDING")] {
        let server = minute();
        let mut net = bound(50, server.clone());
        net.servers[0].dead = true;
        net.run(wait);
        assert_eq!(net.play.client.state(), state);
        net.servers[0] = Server {
            refuses: true,
            ..server
        };
        net.run(12.0);
        assert!(
            matches!(net.play.events[1].1, Event::Lost(Loss::Refused)),
            "{state}"
        );
        net.servers[0].refuses = false;
        net.run_until_bound(20.0);
    }
}

/// Refusals without end, asked for and not.
#[test]
fn a_storm_of_refusals_is_no_storm_of_questions() {
    for seed in SEEDS {
        let server = Server {
            refuses: true,
            ..Server::default()
        };
        let mut net = Net::new(seed, &[server], Wire::default());
        let start = net.play.now;
        for _ in 0..6000 {
            net.run(0.01);
            let (_, last) = net.play.sent.last().unwrap();
            let (xid, server) = (xid(last), [(54, &SERVER[..])]);
            net.play.deliver(6, xid, Ipv4Addr::UNSPECIFIED, &server);
        }
        let asked = net.play.sent_of_kind(1, start).len();
        assert!((4..=12).contains(&asked), "{asked} in a minute");
        net.servers[0].refuses = false;
        net.run_until_bound(70.0);
    }
}

/// What another server says about a question that was not put to it.
#[test]
fn a_refusal_of_another_server_is_ignored() {
    for seed in SEEDS {
        let mut net = bound(seed, short());
        let other = [(54, &[10, 0, 1, 66][..])];
        for _ in 0..80 {
            net.run(0.1);
            let (_, last) = net.play.sent.last().unwrap();
            net.play
                .deliver(6, xid(last), Ipv4Addr::UNSPECIFIED, &other);
        }
        assert_eq!((net.play.losses(), net.play.addresses()), (0, vec![FIRST]));
    }
}

/// Of two servers the quick one never keeps its word.
#[test]
fn a_server_that_only_offers_delays_a_lease_once() {
    for seed in SEEDS {
        let rogue = Server {
            id: 66,
            address: 66,
            rogue: true,
            ..Server::default()
        };
        let slow = Server {
            delay: secs(0.4),
            ..Server::default()
        };
        let mut net = Net::new(seed, &[rogue, slow], Wire::default());
        let took = net.run_until_bound(6.0);
        assert!(took > 1.0, "the rogue was asked first");
        assert_eq!(net.play.addresses(), [FIRST]);
        let questions = net.play.sent.iter().map(|(_, t)| options_of(&t.bytes));
        let rogue = [10, 0, 1, 66];
        let asked = questions.filter(|o| o.get(&54).is_some_and(|id| id[..] == rogue));
        assert_eq!(asked.count(), 2);
    }
}
