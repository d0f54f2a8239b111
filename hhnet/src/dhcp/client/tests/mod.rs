// SPDX-License-Identifier: Apache-2.0
//! The machine, played in virtual time.

mod acquire;
mod conflict;
mod fabric;
mod faults;
mod hold;
mod net;
mod odd;
mod random;
mod servers;
mod strict;
mod way;

use super::*;
use crate::dhcp::{
    reply::{decode, options_of, tests::reply_bytes},
    request::tests::identity,
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
        Play::with(Client::new(identity(), seed))
    }

    fn with(client: Client) -> Play {
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
            .handle_reply(&decode(&bytes, &identity()).unwrap(), self.now);
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

    /// The lease that whoever follows the events has in force.
    fn published(&self) -> Option<&Lease> {
        let newest = self.events.iter().rev().find_map(|(_, event)| match event {
            Event::Leased(lease) => Some(Some(&**lease)),
            Event::Lost(_) => Some(None),
            Event::Conflict(_) => None,
        });
        newest.flatten()
    }

    /// Addresses in the order they were leased, a renewed one once.
    fn addresses(&self) -> Vec<Ipv4Addr> {
        let leases = self.events.iter().filter_map(|(_, event)| match event {
            Event::Leased(lease) => Some(lease.prefix.address),
            Event::Lost(_) | Event::Conflict(_) => None,
        });
        let mut addresses: Vec<_> = leases.collect();
        addresses.dedup();
        addresses
    }

    /// How often the lease was lost.
    fn losses(&self) -> usize {
        let lost = |(_, event): &&(Duration, Event)| matches!(event, Event::Lost(_));
        self.events.iter().filter(lost).count()
    }

    /// Messages of a kind: when, in seconds after `start`.
    fn sent_of_kind(&self, kind: u8, start: Duration) -> Vec<f64> {
        let messages = self.sent.iter().filter(|(at, transmit)| {
            let arp = transmit.to == Destination::Neighbors;
            *at >= start && !arp && options_of(&transmit.bytes)[&53] == [kind]
        });
        messages
            .map(|(at, _)| (*at - start).as_secs_f64())
            .collect()
    }

    fn sent_since(&self, start: Duration) -> Vec<f64> {
        let after = self.sent.iter().filter(|(at, _)| *at > start);
        after.map(|(at, _)| (*at - start).as_secs_f64()).collect()
    }
}

/// A lease of the first address, obtained at 1000 s.
fn lease(seconds: u32) -> Lease {
    let time = seconds.to_be_bytes();
    let options = [(54, &SERVER[..]), (51, &time[..]), (1, &[255, 255, 255, 0])];
    let bytes = reply_bytes(5, 1, FIRST, &options);
    Lease::from_reply(&decode(&bytes, &identity()).unwrap(), secs(1000.0)).unwrap()
}

fn is_unicast(transmit: &Transmit) -> bool {
    matches!(transmit.to, Destination::Server { .. })
}
