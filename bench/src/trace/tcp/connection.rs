// SPDX-License-Identifier: Apache-2.0
//! The state of a connection: numbers, clocks, and what is to be sent again.

use etherparse::{TcpHeader, TcpOptionElement};
use rand::{Rng as _, RngCore as _};

use super::super::{Class, packet::Identity, path::Path, wire::Wire};
use super::{RETRANSMITTED, SPURIOUS, Segment, Stack};

pub(super) const MILLISECOND: u64 = 1_000_000;

/// A tick less than Linux' shortest timeout of a probe, two of them at 250 Hz.
const PROBE_LEAST: u64 = 4 * MILLISECOND;
/// The shortest timeout for a retransmission in Linux.
const TIMEOUT_LEAST: u64 = 200 * MILLISECOND;
/// From a neighbour in the rack to another site.
const ROUND_TRIP: (f64, f64) = (100e3, 20e6);

/// One connection, seen from its peer, whose packets are received.
#[derive(Debug)]
pub(in super::super) struct Connection {
    path: Path,
    stack: Stack,
    ports: (u16, u16),
    member: u8,
    identity: Identity,
    sequence: u32,
    acknowledged: u32,
    window: u16,
    /// Milliseconds beside the trace's clock: the peer's and the server's.
    clocks: (u32, u32),
    round_trip: u64,
    unacknowledged: Vec<Again>,
}

/// A segment that will be sent again.
#[derive(Debug)]
struct Again {
    due: u64,
    sequence: u32,
    payload: Vec<u8>,
}

impl Connection {
    pub(super) fn new(wire: &mut Wire, v6: bool, stack: Stack, service: (u16, bool)) -> Self {
        let path = Path::draw(wire, v6);
        let (port, peer_serves) = service;
        let other = wire.rng.random_range(32768..61000);
        let ports = if peer_serves {
            (port, other)
        } else {
            (other, port)
        };
        Self {
            member: path.member(ports),
            path,
            stack,
            ports,
            identity: if stack.identity {
                Identity::Counter(wire.rng.random())
            } else {
                Identity::Zero
            },
            sequence: wire.rng.next_u32(),
            acknowledged: wire.rng.next_u32(),
            window: wire.rng.random_range(200..2000),
            clocks: (wire.rng.next_u32(), wire.rng.next_u32()),
            round_trip: wire.log_uniform(ROUND_TRIP.0, ROUND_TRIP.1),
            unacknowledged: Vec::new(),
        }
    }

    /// The peer's SYN, or its answer to ours; a lost SYN comes again after a
    /// second. Returns when that is done.
    pub(super) fn open(&mut self, now: u64, peer_serves: bool, wire: &mut Wire) -> u64 {
        let mut header = self.header(now, &[]);
        (header.syn, header.ack) = (true, peer_serves);
        header.acknowledgment_number *= u32::from(peer_serves);
        let mut opened = now;
        if !peer_serves && wire.chance(0.01) {
            self.put(opened, header.clone(), &[], Segment::Handshake, wire);
            opened += 1_000 * MILLISECOND;
            header.options = self.header(opened, &[]).options;
        }
        if peer_serves {
            // Linux answers from no socket yet, with an identification of 0.
            let bytes = self.path.tcp(0, header, &[]);
            let class = Class::Tcp(Segment::Handshake, self.stack);
            wire.send(opened, self.member, class, bytes);
        } else {
            self.put(opened, header, &[], Segment::Handshake, wire);
            self.sequence = self.sequence.wrapping_add(1);
            opened += self.round_trip;
            self.acknowledge(opened, 1, wire);
        }
        opened
    }

    /// The peer's FIN.
    pub(super) fn close(&mut self, now: u64, wire: &mut Wire) {
        let mut header = self.header(now, &[]);
        header.fin = true;
        self.put(now, header, &[], Segment::Handshake, wire);
    }

    /// Sends data, or loses it on the way, in one of a hundred cases to send it
    /// again later.
    pub(super) fn data(&mut self, now: u64, payload: Vec<u8>, wire: &mut Wire) {
        let again = wire.chance(RETRANSMITTED);
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(payload.len() as u32);
        if !again || wire.chance(SPURIOUS) {
            self.push(now, sequence, &payload, Segment::Data, wire);
        }
        if again {
            self.unacknowledged.push(Again {
                due: now + self.retransmission(wire),
                sequence,
                payload,
            });
        }
    }

    /// How long after the first: three in ten for duplicate acknowledgements, as
    /// many by a probe of the tail, the rest by a timeout.
    fn retransmission(&self, wire: &mut Wire) -> u64 {
        let trip = self.round_trip;
        match wire.rng.random_range(0..10) {
            // With Linux' allowance for reordering, a quarter of the round trip.
            0..3 => trip * 5 / 4 + wire.rng.random_range(0..trip),
            3..6 => (2 * trip).max(PROBE_LEAST + wire.rng.random_range(0..PROBE_LEAST)),
            _ => TIMEOUT_LEAST + trip + wire.rng.random_range(0..4 * MILLISECOND),
        }
    }

    /// When there is something to send again.
    pub(super) fn due(&self) -> Option<u64> {
        self.unacknowledged.iter().map(|again| again.due).min()
    }

    /// Sends again what is due: the same bytes with a timestamp and, where it
    /// counts, an identification of their own.
    pub(super) fn retransmit(&mut self, now: u64, wire: &mut Wire) {
        let due = |again: &mut Again| again.due <= now;
        let due: Vec<Again> = self.unacknowledged.extract_if(.., due).collect();
        for again in due {
            let Again {
                sequence, payload, ..
            } = again;
            self.push(now, sequence, &payload, Segment::Retransmission, wire);
        }
    }

    /// Acknowledges `bytes` more.
    pub(super) fn acknowledge(&mut self, now: u64, bytes: u32, wire: &mut Wire) {
        self.acknowledged = self.acknowledged.wrapping_add(bytes);
        let header = self.header(now, &[]);
        self.put(now, header, &[], Segment::Acknowledgement, wire);
    }

    /// Acknowledges the same again, because the segment that follows has not arrived
    /// yet but `after` others have. Without selective acknowledgements all of these
    /// are equal, but for an identification.
    pub(super) fn acknowledge_again(&mut self, now: u64, after: u32, wire: &mut Wire) {
        let start = self.acknowledged.wrapping_add(1448);
        let end = start.wrapping_add(after * 1448);
        let block = TcpOptionElement::SelectiveAcknowledgement((start, end), [None; 3]);
        let options = [TcpOptionElement::Noop, TcpOptionElement::Noop, block];
        let options: &[_] = if self.stack.selective { &options } else { &[] };
        let header = self.header(now, options);
        self.put(now, header, &[], Segment::DuplicateAcknowledgement, wire);
    }

    /// The most data in a segment.
    pub(super) const fn room(&self) -> usize {
        let ip = if self.path.is_v6() { 40 } else { 20 };
        let tcp = if self.stack.timestamps { 32 } else { 20 };
        1500 - ip - tcp
    }

    fn push(&mut self, now: u64, sequence: u32, payload: &[u8], what: Segment, wire: &mut Wire) {
        let mut header = self.header(now, &[]);
        header.sequence_number = sequence;
        header.psh = payload.len() < self.room();
        self.put(now, header, payload, what, wire);
    }

    fn put(&mut self, at: u64, header: TcpHeader, data: &[u8], what: Segment, wire: &mut Wire) {
        let bytes = self.path.tcp(self.identity.next(), header, data);
        wire.send(at, self.member, Class::Tcp(what, self.stack), bytes);
    }

    /// A header with the numbers as they are, and with the timestamp of `now`.
    fn header(&self, now: u64, options: &[TcpOptionElement]) -> TcpHeader {
        let (from, to) = self.ports;
        let mut header = TcpHeader::new(from, to, self.sequence, self.window);
        header.ack = true;
        header.acknowledgment_number = self.acknowledged;
        let mut elements = Vec::with_capacity(6);
        if self.stack.timestamps {
            let now = (now / MILLISECOND) as u32;
            // What is echoed left the server half a round trip ago.
            let echoed = now.wrapping_sub((self.round_trip / 2 / MILLISECOND) as u32);
            let (own, echo) = (
                now.wrapping_add(self.clocks.0),
                echoed.wrapping_add(self.clocks.1),
            );
            elements.extend([TcpOptionElement::Noop, TcpOptionElement::Noop]);
            elements.push(TcpOptionElement::Timestamp(own, echo));
        }
        elements.extend_from_slice(options);
        let set = header.set_options(&elements);
        set.expect("timestamps and one block fit into 40 bytes");
        header
    }
}
