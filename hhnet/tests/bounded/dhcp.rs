// SPDX-License-Identifier: Apache-2.0
//! Servers and neighbours that never stop talking, to a client in virtual time.

use std::{collections::BTreeSet, net::Ipv4Addr, time::Duration};

use hhnet::dhcp::{
    arp::Arp,
    client::{Client, Counters, Event},
    lease::Lease,
    reply::decode,
    request::Identity,
};
use rand::{Rng as _, RngCore as _, SeedableRng as _, rngs::SmallRng};

use super::{MANY, meter};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// What may be more in use at the end than after the first messages: the largest lease.
const KEPT: i64 = 64 << 10;
/// What may be in use for a moment: a message's options, the lease that comes of it and
/// copies of that.
const MOMENT: i64 = 256 << 10;

fn identity() -> Identity {
    Identity {
        mac: MAC,
        client_id: Some(Identity::mac_id(MAC)),
        hostname: Some("server-01".into()),
        max_message: 1500,
    }
}

/// A reply of any server, to any question or to `open`, with any options.
fn message(chance: &mut SmallRng, number: u32, open: u32) -> Vec<u8> {
    let kind = [OFFER, ACK, ACK, NAK][chance.random_range(0..4)];
    let xid = if chance.random_bool(0.7) {
        open
    } else {
        number
    };
    let mut bytes = vec![2, 1, 6, 0];
    bytes.extend(xid.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend((0x0a00_0000 | number).to_be_bytes()); // yiaddr, 10.…
    bytes.extend([0; 4]);
    bytes.extend(number.to_be_bytes()); // giaddr
    bytes.extend(MAC);
    bytes.resize(236, 0);
    bytes.extend([99, 130, 83, 99, 53, 1, kind]);
    // Mostly one of a few, who are asked again; else one of many.
    let servers = if chance.random_bool(0.7) {
        1..4
    } else {
        1..1 << 24
    };
    let server = 0x0a00_0000 | chance.random_range(servers);
    let lease = chance.random_range(1..30_u32);
    for (code, value) in [(54, server), (51, lease), (1, 0xffff_ff00)] {
        bytes.extend([code, 4]);
        bytes.extend(value.to_be_bytes());
    }
    // Names, routes, servers and whatever there is, as long as a message allows.
    for _ in 0..chance.random_range(0..8) {
        let code = [3, 6, 12, 15, 33, 42, 56, 66, 67, 119, 121, 249][chance.random_range(0..12)];
        let mut value = vec![0; chance.random_range(0..=255)];
        if chance.random_bool(0.5) {
            chance.fill_bytes(&mut value);
        } else {
            value.fill(b'a' + (number % 26) as u8);
        }
        bytes.extend([code, value.len() as u8]);
        bytes.extend(value);
    }
    bytes.push(255);
    bytes
}

/// What a driver does with what the client wants done: it takes it.
#[derive(Default)]
struct Driver {
    /// The transaction that is open.
    open: u32,
    sent: u64,
    events: u64,
    first_drops: u64,
    states: BTreeSet<&'static str>,
}

impl Driver {
    fn settle(&mut self, client: &mut Client) {
        while let Some(transmit) = client.poll_transmit() {
            self.sent += 1;
            // An ARP packet has no transaction.
            if let Some(xid) = transmit.bytes.get(4..8).filter(|_| transmit.what != "ARP") {
                self.open = u32::from_be_bytes(xid.try_into().expect("four bytes"));
            }
        }
        while let Some(event) = client.poll_event() {
            self.events += 1;
            if let Event::Leased(lease) = event {
                assert_bounded(&lease);
            }
        }
        while client.poll_first_drop().is_some() {
            self.first_drops += 1;
        }
        self.states.insert(client.state());
    }
}

fn assert_bounded(lease: &Lease) {
    // Each route may need one to its gateway.
    assert!(lease.routes.len() <= 2 * 128, "{}", lease.routes.len());
    assert!(lease.dns.len() <= 16 && lease.ntp.len() <= 16);
    assert!(lease.search.len() <= 16);
    let names = lease.hostname.iter().chain(&lease.domain);
    assert!(names.chain(&lease.search).all(|name| name.len() <= 253));
}

/// A message every millisecond, for a quarter of an hour.
#[test]
fn a_million_messages_of_servers_leave_nothing_behind() {
    let mut chance = SmallRng::seed_from_u64(1);
    let mut client = Client::new(identity(), 1);
    let mut driver = Driver::default();
    let mut now = Duration::from_secs(1000);
    client.handle_link(true, now);
    let mut before = 0;
    for number in 0..MANY {
        if number == MANY / 100 {
            before = meter::begin();
        }
        now += Duration::from_millis(1);
        client.handle_timeout(now);
        driver.settle(&mut client);
        let bytes = message(&mut chance, number, driver.open);
        if let Ok(reply) = decode(&bytes, &identity()) {
            client.handle_reply(&reply, now);
        }
        driver.settle(&mut client);
    }
    meter::expect_bounded(before, KEPT, MOMENT);
    for state in ["SELECTING", "REQUESTING", "BOUND", "RENEWING"] {
        assert!(driver.states.contains(state), "{:?}", driver.states);
    }
    assert!(driver.first_drops <= 14, "{}", driver.first_drops);
    // A line in the log for each message that was sent or was of use, and for each event.
    let Counters {
        offers, acks, naks, ..
    } = client.counters();
    let lines = driver.sent + driver.events + driver.first_drops + offers + acks + naks;
    let seconds = u64::from(MANY) / 1000;
    assert!(acks + naks > seconds / 10, "{:?}", client.counters());
    assert!(lines < 15 * seconds, "{lines} lines in {seconds} s");
}

/// Neighbours who all say that the address is theirs, to a client that would defend it.
#[test]
fn a_million_arp_packets_leave_nothing_behind() {
    let mut chance = SmallRng::seed_from_u64(2);
    let mut client = Client::new(identity(), 2).with_probes();
    let mut driver = Driver::default();
    let mut now = Duration::from_secs(1000);
    client.handle_link(true, now);
    driver.settle(&mut client);
    let mut before = 0;
    for number in 0..MANY {
        if number == MANY / 100 {
            before = meter::begin();
        }
        now += Duration::from_millis(1);
        client.handle_timeout(now);
        driver.settle(&mut client);
        // A good server, once in a while; then there is an address to quarrel about.
        if number % 5000 < 2 {
            let kind = [OFFER, ACK][(number % 5000) as usize];
            let mut bytes = message(&mut chance, 7, driver.open);
            bytes.truncate(242);
            bytes[4..8].copy_from_slice(&driver.open.to_be_bytes());
            bytes.extend([kind, 54, 4, 10, 0, 0, 1, 51, 4, 0, 0, 0, 60, 255]);
            client.handle_reply(&decode(&bytes, &identity()).expect("a reply"), now);
            driver.settle(&mut client);
        }
        let [.., c, d] = number.to_be_bytes();
        let sender = [2, 1, chance.random(), chance.random(), c, d];
        // Probes for it would have the client give it up; they come now and then.
        let address = client.watched().unwrap_or(Ipv4Addr::from(number));
        let arp = match number % 100_000 {
            0 => Arp::probe(sender, address),
            _ if client.state() == "PROBING" => Arp::announcement(sender, number.into()),
            _ => Arp::announcement(sender, address),
        };
        let arp = Arp::decode(&arp.encode()).expect("an ARP packet");
        client.handle_arp(&arp, now);
        driver.settle(&mut client);
    }
    meter::expect_bounded(before, KEPT, MOMENT);
    let (conflicts, seconds) = (client.counters().conflicts, u64::from(MANY) / 1000);
    assert!(driver.states.contains("PROBING") && driver.states.contains("BOUND"));
    // Defended each ten seconds (RFC 5227, section 2.4).
    assert!((1..=seconds / 10 + 20).contains(&conflicts), "{conflicts}");
    assert!(driver.sent < seconds, "{} were sent", driver.sent);
}
