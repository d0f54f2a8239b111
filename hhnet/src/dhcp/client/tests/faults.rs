// SPDX-License-Identifier: Apache-2.0
//! Faults of the wire, and servers that are not there.

use super::{
    fabric::{Server, l3, minute, short, xid},
    net::{Net, Wire, bound},
    *,
};

const SEEDS: std::ops::Range<u64> = 0..20;

/// Loss of a tenth to a half of all packets, each way.
#[test]
fn loss_delays_a_lease_and_costs_none() {
    for (loss, median, most) in [(0.1, 1.0, 10.0), (0.3, 5.0, 90.0), (0.5, 20.0, 300.0)] {
        let mut took = vec![];
        for seed in SEEDS {
            let server = Server {
                lease: 600,
                ..Server::default()
            };
            let wire = Wire {
                loss,
                ..Wire::default()
            };
            let mut net = Net::new(seed, &[server], wire);
            took.push(net.run_until_bound(most));
            net.run(7200.0);
            assert_eq!(net.play.addresses(), [FIRST], "{loss}, seed {seed}");
            assert!(loss > 0.1 || net.play.losses() == 0, "{loss}, seed {seed}");
        }
        took.sort_by(f64::total_cmp);
        assert!(took[took.len() / 2] <= median, "{loss}: {took:?}");
    }
}

/// Every packet comes twice.
#[test]
fn copies_cause_no_message_and_no_event() {
    for seed in SEEDS {
        let wire = Wire {
            copies: 1.0,
            jitter: secs(0.2),
            ..Wire::default()
        };
        let mut net = Net::new(seed, &[Server::default()], wire);
        net.run(1000.0);
        assert_eq!((net.play.sent.len(), net.play.events.len()), (2, 1));
        net.run(1000.0);
        assert_eq!((net.play.sent.len(), net.play.events.len()), (3, 2));
    }
}

/// Replies overtake each other and come seconds late. The server gives
/// another address in each transaction, so that one taken from an old one shows.
#[test]
fn only_replies_to_the_open_transaction_count() {
    for seed in SEEDS {
        let server = Server {
            restless: true,
            lease: 60,
            ..Server::default()
        };
        let wire = Wire {
            jitter: secs(4.0),
            copies: 0.3,
            ..Wire::default()
        };
        let mut net = Net::new(seed, &[server], wire);
        let mut leases = 0;
        for _ in 0..4000 {
            net.run(0.25);
            if net.play.events.len() > leases
                && let Some(lease) = net.play.published()
            {
                leases = net.play.events.len();
                let (_, question) = net.play.sent.last().unwrap();
                let address = net.servers[0].address_for(xid(question));
                assert_eq!(lease.prefix.address, address, "seed {seed}");
            }
        }
        assert!(leases > 20 && net.play.losses() == 0, "{leases} leases");
    }
}

/// Bits flip, one in every fifth packet.
#[test]
fn damaged_packets_are_lost_packets() {
    for seed in SEEDS {
        let wire = Wire {
            flips: 0.2,
            ..Wire::default()
        };
        let server = minute();
        let mut net = Net::new(seed, &[server], wire);
        net.run_until_bound(30.0);
        net.run(3600.0);
        assert_eq!((net.play.addresses(), net.play.losses()), (vec![FIRST], 0));
        assert!(net.play.client.counters().dropped.total() > 5);
    }
}

/// A lease of ten seconds, and renewals that are lost.
#[test]
fn a_short_lease_outlives_three_lost_renewals() {
    for (seed, renewals) in SEEDS.flat_map(|seed| (0..4).map(move |lost| (seed, lost))) {
        let mut net = bound(seed, l3());
        net.wire.renewals = renewals;
        net.run(9.0);
        let lease = net.play.published().unwrap();
        assert_eq!(lease.times.lease, Some(secs(1800.0)), "{renewals} lost");
        assert_eq!(net.play.losses(), 0);
    }
}

/// Nothing comes back from the server's own address, be it lost
/// or refused by its host; a broadcast gets through.
#[test]
fn rebinding_saves_a_lease_whose_server_cannot_be_reached() {
    for server in [l3(), short(), Server::default()] {
        for seed in SEEDS {
            let mut net = bound(seed, server.clone());
            net.servers[0].no_unicast = true;
            net.run(f64::from(server.first.unwrap_or(server.lease)) * 0.94);
            assert_eq!((net.play.losses(), net.play.client.state()), (0, "BOUND"));
            assert!(net.play.events.len() >= 2, "renewed");
        }
    }
}

/// Whoever looks at the lease each second must see its ten seconds.
#[test]
fn a_ten_second_lease_is_renewed_at_its_half() {
    for seed in SEEDS {
        let mut net = bound(seed, l3());
        let start = net.play.now;
        net.run(8.0);
        let renewals = net.play.sent_of_kind(3, start);
        let [renewal] = renewals[..] else {
            panic!("{renewals:?}")
        };
        assert!((4.5..=5.5).contains(&renewal), "{renewal}");
    }
}

/// The server is gone until after T1, T2 and the end.
#[test]
fn a_server_that_comes_back_is_found_soon() {
    for (seed, (gone, most)) in SEEDS.flat_map(|seed| {
        let cases = [
            (40.0, 13.0),
            (56.0, 4.0),
            (60.5, 2.0),
            (71.0, 4.0),
            (600.0, 70.0),
        ];
        cases.map(|case| (seed, case))
    }) {
        let server = minute();
        let mut net = bound(seed, server.clone());
        let start = net.play.now;
        net.servers[0].dead = true;
        net.run(gone);
        let lost = gone > 60.0;
        assert_eq!(net.play.losses(), usize::from(lost), "after {gone} s");
        if lost {
            let (at, _) = net.play.events[1];
            assert!((59.8..=60.0).contains(&(at - start).as_secs_f64()));
        }
        net.servers[0].dead = false;
        net.run_until_bound(most);
        assert_eq!(net.play.losses(), usize::from(lost), "back after {gone} s");
    }
}
