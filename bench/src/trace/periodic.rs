// SPDX-License-Identifier: Apache-2.0
//! Senders with a clock that say the same thing again and again.

use etherparse::IpNumber;
use etherparse::checksum::Sum16BitWords;
use rand::Rng as _;

use super::packet::Identity;
use super::path::{Addresses, Path};
use super::wire::{Source, Wire};
use super::{Class, Marks};

/// A constant payload to one destination.
#[derive(Debug)]
pub(super) struct Beat {
    path: Path,
    ports: (u16, u16),
    identity: Identity,
    payload: Vec<u8>,
    class: Class,
    timing: Timing,
    /// When the next one would be sent by a perfect clock.
    ideal: u64,
}

/// When a sender sends.
#[derive(Clone, Copy, Debug)]
enum Timing {
    /// At random between two numbers of nanoseconds after the last one, as BFD does
    /// so that sessions do not fall into step.
    Between(u64, u64),
    /// By a timer with that period, whose wakeups are late: by a fiftieth of it on
    /// average, and in one of five thousand cases by a millisecond on average,
    /// because another task had the processor. What fell due meanwhile follows at once.
    Timer(u64),
}

const STALLS: f64 = 1.0 / 5000.0;
const STALL: f64 = 1e6;
/// Between two calls of `sendto`.
const CALL: u64 = 5_000;

impl Beat {
    /// A heartbeat of a cluster or of a routing daemon's neighbour, on IPv4 from an
    /// unconnected socket: every `period` nanoseconds, at least five milliseconds.
    pub(super) fn heart(wire: &mut Wire, period: u64) -> Self {
        let timing = Timing::Between(period, period + period / 20);
        Self::new(wire, (5405, 5405), 64, Class::Heartbeat, timing)
    }

    /// BFD by IPv4 with an interval agreed on: a session in state Up says the same
    /// all the time. RFC 5880 asks for up to a quarter less than the interval.
    pub(super) fn bfd(wire: &mut Wire, interval: u64) -> Self {
        let timing = Timing::Between(interval * 3 / 4, interval);
        let mut beat = Self::new(wire, (49152, 3784), 24, Class::Bfd, timing);
        beat.path.hops = 255;
        beat
    }

    /// A stream of samples that do not change, by a timer.
    pub(super) fn stream(wire: &mut Wire, hertz: u64) -> Self {
        let timing = Timing::Timer(1_000_000_000 / hertz);
        Self::new(wire, (30000, 30001), 100, Class::Stream, timing)
    }

    /// Keepalived's VRRP every second: its own IP header, which counts, to a
    /// multicast address.
    pub(super) fn vrrp(wire: &mut Wire) -> Self {
        let second = 1_000_000_000;
        let timing = Timing::Between(second, second + second / 100);
        let mut beat = Self::new(wire, (0, 0), 24, Class::Vrrp, timing);
        beat.identity = Identity::Counter(wire.rng.random());
        beat.path.hops = 255;
        beat.path.destination = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x12];
        if let Addresses::V4 {
            source,
            destination,
        } = &mut beat.path.addresses
        {
            *destination = [224, 0, 0, 18];
            beat.payload = advertisement(*source);
        }
        beat
    }

    fn new(wire: &mut Wire, ports: (u16, u16), size: usize, class: Class, timing: Timing) -> Self {
        Self {
            path: Path::draw(wire, false),
            ports: (ports.0 + wire.rng.random_range(0..1000), ports.1),
            identity: Identity::Zero,
            payload: wire.payload(size, size),
            class,
            timing,
            ideal: 0,
        }
    }

    fn put(&mut self, now: u64, wire: &mut Wire) {
        let id = self.identity.next();
        let bytes = if self.class == Class::Vrrp {
            self.path.packet(id, IpNumber::VRRP, &[&self.payload])
        } else {
            self.path.udp(id, self.ports, &self.payload)
        };
        wire.send(now, self.path.member(self.ports), self.class, bytes);
    }
}

impl Source for Beat {
    fn send(&mut self, now: u64, wire: &mut Wire) -> u64 {
        self.put(now, wire);
        match self.timing {
            Timing::Between(least, most) => now + wire.rng.random_range(least..=most),
            Timing::Timer(period) => {
                if self.ideal == 0 {
                    self.ideal = now;
                }
                self.ideal += period;
                let late = if wire.chance(STALLS) {
                    wire.exponential(STALL)
                } else {
                    wire.exponential(period as f64 / 50.0)
                };
                (self.ideal + late).max(now + CALL)
            }
        }
    }
}

/// Of a VRRP version 2 router (RFC 3768) with one address.
fn advertisement(address: [u8; 4]) -> Vec<u8> {
    let mut body = [[0x21, 51, 100, 1], [0, 1, 0, 0], address, [0; 4], [0; 4]].concat();
    let sum = Sum16BitWords::new().add_slice(&body).ones_complement();
    // As the IP header, summed in the machine's order of bytes.
    body[6..8].copy_from_slice(&sum.to_ne_bytes());
    body
}

impl Marks {
    /// Whether packets are counted.
    pub(super) const fn of(identity: Identity) -> Self {
        match identity {
            Identity::Counter(_) => Self::Counted,
            Identity::Zero => Self::None,
        }
    }
}
