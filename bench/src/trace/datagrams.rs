// SPDX-License-Identifier: Apache-2.0
//! UDP, ICMP and what is too long for one frame.

use etherparse::IcmpEchoHeader;
use rand::Rng as _;

use super::packet::Identity;
use super::path::Path;
use super::wire::{Source, Wire};
use super::{Class, Marks};

/// Messages of an application, each with another content: media, tunnels, QUIC.
#[derive(Debug)]
pub(super) struct Messages {
    path: Path,
    ports: (u16, u16),
    member: u8,
    identity: Identity,
    marks: Marks,
    interval: f64,
}

impl Messages {
    /// From a connected socket, whose packets are counted, or from one that sends
    /// to many.
    pub(super) fn new(wire: &mut Wire, v6: bool, connected: bool, rate: f64) -> Self {
        let path = Path::draw(wire, v6);
        let ports = (
            wire.rng.random_range(1024..65000),
            wire.rng.random_range(1024..65000),
        );
        let identity = if connected && !v6 {
            Identity::Counter(wire.rng.random())
        } else {
            Identity::Zero
        };
        Self {
            member: path.member(ports),
            path,
            ports,
            identity,
            marks: Marks::of(identity),
            interval: 1e9 / rate,
        }
    }
}

impl Source for Messages {
    fn send(&mut self, now: u64, wire: &mut Wire) -> u64 {
        let payload = wire.payload(24, 1300);
        let bytes = self.path.udp(self.identity.next(), self.ports, &payload);
        wire.send(now, self.member, Class::Udp(self.marks), bytes);
        now + wire.exponential(self.interval)
    }
}

/// A client that asks the server's resolver and, where no answer comes, asks again
/// with the same words; and the resolver's own upstream, which answers.
#[derive(Debug)]
pub(super) struct Names {
    path: Path,
    asks: bool,
    identity: Identity,
    interval: f64,
    again: Vec<(u64, (u16, u16), Vec<u8>)>,
    next: u64,
}

/// Of all questions, these are asked twice.
const UNANSWERED: f64 = 0.02;
/// glibc waits five seconds for an answer, others one.
const PATIENCE: [u64; 2] = [1_000_000_000, 5_000_000_000];

impl Names {
    pub(super) fn new(wire: &mut Wire, v6: bool, asks: bool, rate: f64) -> Self {
        // A stub resolver connects its socket; a server answers from one for all.
        let identity = if asks && !v6 {
            Identity::Counter(wire.rng.random())
        } else {
            Identity::Zero
        };
        Self {
            path: Path::draw(wire, v6),
            asks,
            identity,
            interval: 1e9 / rate,
            again: Vec::new(),
            next: 0,
        }
    }

    fn message(&mut self, now: u64, ports: (u16, u16), payload: &[u8], wire: &mut Wire) {
        let bytes = self.path.udp(self.identity.next(), ports, payload);
        let class = Class::Dns(Marks::of(self.identity));
        wire.send(now, self.path.member(ports), class, bytes);
    }
}

impl Source for Names {
    fn send(&mut self, now: u64, wire: &mut Wire) -> u64 {
        let due: Vec<_> = self.again.extract_if(.., |(due, ..)| *due <= now).collect();
        for (_, ports, payload) in due {
            self.message(now, ports, &payload, wire);
        }
        if now >= self.next {
            let port = wire.rng.random_range(32768..61000);
            let ports = if self.asks { (port, 53) } else { (53, port) };
            // The first two bytes are the number of the question.
            let payload = wire.payload(30, if self.asks { 60 } else { 400 });
            self.message(now, ports, &payload, wire);
            if self.asks && wire.chance(UNANSWERED) {
                let patience = PATIENCE[wire.rng.random_range(0..2)];
                self.again.push((now + patience, ports, payload));
            }
            self.next = now + wire.exponential(self.interval);
        }
        let due = self.again.iter().map(|(due, ..)| *due).min();
        due.map_or(self.next, |due| due.min(self.next))
    }
}

/// Answers of a time server: 48 bytes with three different clocks in them.
#[derive(Debug)]
pub(super) struct Clock {
    path: Path,
    interval: f64,
}

impl Clock {
    pub(super) fn new(wire: &mut Wire, rate: f64) -> Self {
        Self {
            path: Path::draw(wire, false),
            interval: 1e9 / rate,
        }
    }
}

impl Source for Clock {
    fn send(&mut self, now: u64, wire: &mut Wire) -> u64 {
        let ports = (123, 123);
        let payload = wire.payload(48, 48);
        let bytes = self.path.udp(0, ports, &payload);
        let class = Class::Ntp;
        wire.send(now, self.path.member(ports), class, bytes);
        now + wire.exponential(self.interval)
    }
}

/// One ping: requests, or replies to ours, with the same content but for the number
/// and the time in it.
#[derive(Debug)]
pub(super) struct Ping {
    path: Path,
    member: u8,
    reply: bool,
    identity: Identity,
    echo: IcmpEchoHeader,
    interval: u64,
}

impl Ping {
    pub(super) fn new(wire: &mut Wire, v6: bool, rate: f64) -> Self {
        let path = Path::draw(wire, v6);
        // Some systems set "don't fragment" and an identification of 0.
        let identity = if v6 || wire.chance(0.3) {
            Identity::Zero
        } else {
            Identity::Counter(wire.rng.random())
        };
        Self {
            member: path.member((0, 0)),
            path,
            reply: wire.chance(0.5),
            identity,
            echo: IcmpEchoHeader {
                id: wire.rng.random(),
                seq: 0,
            },
            interval: (1e9 / rate) as u64,
        }
    }
}

impl Source for Ping {
    fn send(&mut self, now: u64, wire: &mut Wire) -> u64 {
        self.echo.seq = self.echo.seq.wrapping_add(1);
        let mut payload: Vec<u8> = (0..56).collect();
        payload[..8].copy_from_slice(&now.to_ne_bytes());
        let (id, echo) = (self.identity.next(), self.echo);
        let bytes = self.path.echo(id, self.reply, echo, &payload);
        let class = Class::Echo(Marks::of(self.identity));
        wire.send(now, self.member, class, bytes);
        now + self.interval + wire.exponential(self.interval as f64 / 100.0)
    }
}

/// Datagrams of several frames, as NFS over UDP has them.
#[derive(Debug)]
pub(super) struct LongMessages {
    path: Path,
    ports: (u16, u16),
    id: u32,
    interval: f64,
}

impl LongMessages {
    pub(super) fn new(wire: &mut Wire, v6: bool, rate: f64) -> Self {
        // Two to six frames, four on average.
        const FRAMES: f64 = 4.0;
        Self {
            path: Path::draw(wire, v6),
            ports: (wire.rng.random_range(1024..65000), 2049),
            id: wire.rng.random(),
            interval: 1e9 * FRAMES / rate,
        }
    }
}

impl Source for LongMessages {
    fn send(&mut self, now: u64, wire: &mut Wire) -> u64 {
        self.id = self.id.wrapping_add(1);
        let payload = wire.payload(1500, 8192);
        // Not all fragments have ports, so a hash that kept them together uses none.
        let member = self.path.member((0, 0));
        let frames = self.path.fragments(self.id, self.ports, &payload);
        let class = Class::Fragment(if self.path.is_v6() { 6 } else { 4 });
        for (at, bytes) in (now..).step_by(1_230).zip(frames) {
            wire.send(at, member, class, bytes);
        }
        now + wire.exponential(self.interval)
    }
}
