// SPDX-License-Identifier: Apache-2.0
//! What peers do with a connection.

use rand::Rng as _;

use super::super::wire::Wire;
use super::{GAPS, connection::Connection};

/// Time that a full frame takes on a link of 10 Gbit/s.
const FRAME_TIME: u64 = 1_230;

/// What the peer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Role {
    /// Much data, as full segments.
    Bulk,
    /// Acknowledgements of the server's data.
    Acknowledgements,
    /// A small request and, later, an acknowledgement of the answer.
    Requests,
}

impl Role {
    /// Packets of a [`burst`](Self::burst).
    pub(super) const fn mean_packets(self) -> f64 {
        match self {
            Self::Bulk => 8.5,
            // Four and a half, and one of a hundred is followed by eleven more.
            Self::Acknowledgements => 5.0,
            Self::Requests => 2.0,
        }
    }

    /// Whether the peer listens, and its answer to our SYN is received.
    pub(super) const fn is_server(self) -> bool {
        matches!(self, Self::Bulk)
    }

    /// The port that is listened on, and whether it is the peer's.
    pub(super) const fn service(self) -> (u16, bool) {
        match self {
            Self::Bulk => (443, true),
            Self::Acknowledgements => (5201, false),
            Self::Requests => (8080, false),
        }
    }

    /// Sends what comes without a pause; returns the time after it.
    pub(super) fn burst(self, connection: &mut Connection, now: u64, wire: &mut Wire) -> u64 {
        match self {
            Self::Bulk => bulk(connection, now, wire),
            Self::Acknowledgements => acknowledgements(connection, now, wire),
            Self::Requests => request(connection, now, wire),
        }
    }
}

/// Up to sixteen segments that the sender's card has cut from one, the last of
/// which need not be full.
fn bulk(connection: &mut Connection, mut now: u64, wire: &mut Wire) -> u64 {
    let segments = wire.rng.random_range(1..=16);
    let room = connection.room();
    for segment in 1..=segments {
        let least = if segment == segments { 1 } else { room };
        let payload = wire.payload(least, room);
        connection.data(now, payload, wire);
        now += FRAME_TIME;
    }
    now
}

/// An acknowledgement for every other segment that arrived, or for some more of
/// them that the peer's card has merged; after a gap one for each.
fn acknowledgements(connection: &mut Connection, mut now: u64, wire: &mut Wire) -> u64 {
    for _ in 0..wire.rng.random_range(1..=8) {
        let segments = wire.rng.random_range(1..=6) * 2;
        connection.acknowledge(now, segments * 1448, wire);
        now += u64::from(segments) * FRAME_TIME;
        if wire.chance(GAPS) {
            for after in 1..=wire.rng.random_range(3..=20) {
                connection.acknowledge_again(now, after, wire);
                now += FRAME_TIME + wire.exponential(FRAME_TIME as f64);
            }
        }
    }
    now
}

fn request(connection: &mut Connection, now: u64, wire: &mut Wire) -> u64 {
    let payload = wire.payload(20, 600);
    connection.data(now, payload, wire);
    let answered = now + 50_000 + wire.exponential(200_000.0);
    let bytes = wire.rng.random_range(50..20_000);
    connection.acknowledge(answered, bytes, wire);
    answered
}
