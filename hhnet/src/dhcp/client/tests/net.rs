// SPDX-License-Identifier: Apache-2.0
//! A client, its servers and the wire between them, in virtual time.

use rand::{Rng, RngCore};

use super::{fabric::Server, *};
use crate::dhcp::packet::{Checksum, unwrap, wrap};

/// What may happen to a packet, either way.
#[derive(Debug, Clone, Default)]
pub(super) struct Wire {
    /// Probabilities, from 0 to 1.
    pub(super) loss: f64,
    pub(super) copies: f64,
    pub(super) flips: f64,
    /// Longest delay; packets overtake each other.
    pub(super) jitter: Duration,
    /// So many renewals to lose, whatever else happens.
    pub(super) renewals: u32,
}

enum Packet {
    Up(Transmit),
    Down(Vec<u8>),
}

/// A client with a lease.
pub(super) fn bound(seed: u64, server: Server) -> Net {
    let mut net = Net::new(seed, &[server], Wire::default());
    net.run_until_bound(5.0);
    net
}

/// All of it.
pub(super) struct Net {
    pub(super) play: Play,
    pub(super) servers: Vec<Server>,
    pub(super) wire: Wire,
    rng: SmallRng,
    linked: bool,
    under_way: Vec<(Duration, Packet)>,
    /// How many of the client's messages have been put on the wire.
    taken: usize,
}

impl Net {
    pub(super) fn new(seed: u64, servers: &[Server], wire: Wire) -> Net {
        Net::with(Client::new(identity(), seed), seed, servers, wire)
    }

    pub(super) fn with(client: Client, seed: u64, servers: &[Server], wire: Wire) -> Net {
        let mut net = Net {
            play: Play::with(client),
            servers: servers.to_vec(),
            wire,
            rng: SmallRng::seed_from_u64(!seed),
            linked: true,
            under_way: vec![],
            taken: 0,
        };
        net.take_sent();
        net
    }

    pub(super) fn link(&mut self, up: bool) {
        self.linked = up;
        self.play.client.handle_link(up, self.play.now);
        self.settle();
    }

    /// Lets the clock jump: nothing arrives, no timer rings meanwhile.
    pub(super) fn sleep(&mut self, time: Duration) {
        self.under_way.clear();
        self.play.now += time;
        self.play.client.handle_timeout(self.play.now);
        self.settle();
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, seconds: f64) {
        let end = self.play.now + secs(seconds);
        loop {
            let timeout = self.play.client.poll_timeout();
            let arrival = self.under_way.iter().map(|(at, _)| *at).min();
            let next = [timeout, arrival].into_iter().flatten().min();
            let Some(next) = next.filter(|next| *next <= end) else {
                break;
            };
            self.play.now = next;
            if arrival == Some(next) {
                self.arrive(next);
            } else {
                self.play.client.handle_timeout(next);
            }
            self.settle();
        }
        self.play.now = end;
    }

    /// Runs until there is a lease; says how many seconds that took.
    pub(super) fn run_until_bound(&mut self, most: f64) -> f64 {
        let start = self.play.now;
        while self.play.client.state() != "BOUND" {
            self.run(0.05);
            let took = (self.play.now - start).as_secs_f64();
            assert!(took < most, "{} after {took} s", self.play.client.state());
        }
        (self.play.now - start).as_secs_f64()
    }

    fn arrive(&mut self, now: Duration) {
        let due = |(at, _): &(Duration, Packet)| *at == now;
        let at = self.under_way.iter().position(due).unwrap();
        match self.under_way.remove(at).1 {
            Packet::Down(bytes) if self.linked => self.hear(&bytes),
            Packet::Up(transmit) if self.linked => {
                for at in 0..self.servers.len() {
                    let delay = self.servers[at].delay;
                    if let Some(message) = self.servers[at].answer(&transmit) {
                        let mut packet = wrap(SERVER.into(), Ipv4Addr::BROADCAST, &message);
                        packet[20..24].rotate_left(2);
                        self.send(Packet::Down(packet), delay);
                    }
                }
            }
            Packet::Down(_) | Packet::Up(_) => {}
        }
    }

    /// A packet as the driver hands it in.
    pub(super) fn hear(&mut self, packet: &[u8]) {
        let client = &mut self.play.client;
        let message = unwrap(packet, Checksum::Complete).map_err(Reason::from);
        let reply = message.and_then(|(_, message)| Ok(decode(message, client.identity())?));
        match reply {
            Ok(reply) => client.handle_reply(&reply, self.play.now),
            Err(reason) => client.note_drop(reason),
        }
    }

    fn send(&mut self, packet: Packet, delay: Duration) {
        let copies = 1 + u32::from(self.rng.random_bool(self.wire.copies));
        for _ in 0..copies {
            if self.rng.random_bool(self.wire.loss) {
                continue;
            }
            let mut copy = match &packet {
                Packet::Up(transmit) => Packet::Up(transmit.clone()),
                Packet::Down(bytes) => Packet::Down(bytes.clone()),
            };
            if let Packet::Down(bytes) = &mut copy
                && self.rng.random_bool(self.wire.flips)
            {
                let bit = self.rng.next_u32() as usize % (bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
            let jitter = self.wire.jitter.mul_f64(self.rng.random());
            let at = self.play.now + delay + jitter + Duration::from_millis(1);
            self.under_way.push((at, copy));
        }
    }

    fn settle(&mut self) {
        self.play.gather();
        self.take_sent();
        self.check();
    }

    /// Puts on the wire what the client has sent.
    fn take_sent(&mut self) {
        for at in self.taken..self.play.sent.len() {
            let (_, transmit) = self.play.sent[at].clone();
            if transmit.to == Destination::Neighbors {
                continue;
            }
            self.check_message(&transmit);
            let renewal = transmit.bytes[12..16] != [0; 4];
            if renewal && self.wire.renewals > 0 {
                self.wire.renewals -= 1;
            } else if self.linked {
                self.send(Packet::Up(transmit), Duration::ZERO);
            }
        }
        self.taken = self.play.sent.len();
    }

    /// What holds at every moment.
    fn check(&self) {
        let client = &self.play.client;
        assert!(self.play.published().eq(&client.lease()));
        let expiry = client.lease().and_then(Lease::expiry);
        assert!(expiry.is_none_or(|expiry| expiry > self.play.now));
        let armed = client
            .poll_timeout()
            .is_some_and(|next| next > self.play.now);
        let idle = !self.linked || client.lease().is_some_and(|lease| lease.expiry().is_none());
        assert!(armed || idle, "{client:?}");
    }

    fn check_message(&self, transmit: &Transmit) {
        let options = options_of(&transmit.bytes);
        let ciaddr: [u8; 4] = transmit.bytes[12..16].try_into().unwrap();
        let id = self.play.client.identity().client_id.as_ref();
        assert_eq!(options.get(&61), id, "the same in all messages");
        if ciaddr == [0; 4] {
            assert!(options[&53] != [3] || options.contains_key(&50));
        } else {
            let ours = self.play.client.lease().map(|lease| lease.prefix.address);
            assert_eq!(Some(ciaddr.into()), ours);
            assert!(!options.contains_key(&50) && !options.contains_key(&54));
        }
    }
}
