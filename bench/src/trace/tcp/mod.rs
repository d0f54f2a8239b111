// SPDX-License-Identifier: Apache-2.0
//! TCP connections, as far as the server receives them.

mod connection;
mod role;

use std::fmt;

use rand::Rng as _;

use self::connection::{Connection, MILLISECOND};
pub(super) use self::role::Role;
use super::wire::{Source, Wire};

/// What marks the packets of a system, so that no two of them are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stack {
    /// The identification of IPv4 counts; otherwise it is 0, or there is none.
    pub identity: bool,
    /// Segments carry timestamps.
    pub timestamps: bool,
    /// Acknowledgements of what follows a gap say what has arrived.
    pub selective: bool,
}

/// By the share of packets in percent, over IPv4.
///
/// Linux increments the identification with every packet of a connected socket,
/// acknowledgements among them, and has timestamps. Windows counts too, but has
/// no timestamps; macOS and iOS have timestamps and an identification of 0; some
/// load balancers and embedded stacks have neither, nor selective acknowledgements.
const STACKS_V4: [(f64, Stack); 4] = [
    (85.0, Stack::new(true, true, true)),
    (8.0, Stack::new(true, false, true)),
    (5.0, Stack::new(false, true, true)),
    (2.0, Stack::new(false, false, false)),
];

/// Over IPv6, which has no identification: with timestamps, Windows, and Linux where
/// selective acknowledgements were switched off, as many did for CVE-2019-11477.
const STACKS_V6: [(f64, Stack); 3] = [
    (91.0, Stack::new(false, true, true)),
    (8.0, Stack::new(false, false, true)),
    (1.0, Stack::new(false, true, false)),
];

impl Stack {
    const fn new(identity: bool, timestamps: bool, selective: bool) -> Self {
        Self {
            identity,
            timestamps,
            selective,
        }
    }

    /// All of them over that version of IP, with their shares.
    pub(super) const fn shares(v6: bool) -> &'static [(f64, Self)] {
        if v6 { &STACKS_V6 } else { &STACKS_V4 }
    }
}

/// Of all segments with data, these are sent a second time.
const RETRANSMITTED: f64 = 0.01;
/// Of these, the first arrived as well: what was retransmitted for a late or lost
/// acknowledgement, for reordering, or by a probe. Otherwise it was lost on its
/// way, and only the second one is seen.
const SPURIOUS: f64 = 0.5;
/// Of all acknowledgements, these are the first of a run of duplicates.
const GAPS: f64 = 0.01;

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// SYN, SYN with ACK, FIN.
    Handshake,
    /// With payload, for the first time.
    Data,
    /// With payload that was sent before.
    Retransmission,
    /// Without payload.
    Acknowledgement,
    /// The same acknowledgement number again.
    DuplicateAcknowledgement,
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks = match (self.identity, self.timestamps) {
            (true, true) => "id and timestamp",
            (true, false) => "id",
            (false, true) => "timestamp",
            (false, false) => "neither id nor timestamp",
        };
        let gaps = if self.selective { "" } else { ", no SACK" };
        write!(f, "{marks}{gaps}")
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Handshake => "handshake",
            Self::Data => "data",
            Self::Retransmission => "retransmission",
            Self::Acknowledgement => "acknowledgement",
            Self::DuplicateAcknowledgement => "duplicate acknowledgement",
        })
    }
}

/// One connection after the other, always of the same kind.
#[derive(Debug)]
pub(super) struct Flow {
    role: Role,
    v6: bool,
    stack: Stack,
    /// Mean time from one burst to the next.
    interval: f64,
    connection: Option<Connection>,
    /// When the next burst begins.
    burst: u64,
    /// Bursts until the connection ends.
    left: u32,
}

impl Flow {
    /// With that many packets in a second, on average.
    pub(super) fn new(role: Role, v6: bool, stack: Stack, packets_per_second: f64) -> Self {
        Self {
            role,
            v6,
            stack,
            interval: role.mean_packets() / packets_per_second * 1e9,
            connection: None,
            burst: 0,
            left: 0,
        }
    }

    /// A connection that lasts for `5..100` bursts.
    fn connect(&mut self, now: u64, wire: &mut Wire) {
        let service = self.role.service();
        let mut connection = Connection::new(wire, self.v6, self.stack, service);
        let opened = connection.open(now, self.role.is_server(), wire);
        self.burst = opened + wire.exponential(self.interval);
        self.left = wire.rng.random_range(5..100);
        self.connection = Some(connection);
    }
}

impl Source for Flow {
    fn send(&mut self, now: u64, wire: &mut Wire) -> u64 {
        let Some(connection) = &mut self.connection else {
            self.connect(now, wire);
            return self.burst;
        };
        connection.retransmit(now, wire);
        if self.left > 0 && now >= self.burst {
            let end = self.role.burst(connection, now, wire);
            self.burst = end + wire.exponential(self.interval);
            self.left -= 1;
        }
        match (self.left, connection.due()) {
            (0, None) => {
                let end = now.max(self.burst);
                connection.close(end, wire);
                self.connection = None;
                end + MILLISECOND
            }
            (0, Some(due)) => due,
            (_, due) => due.map_or(self.burst, |due| due.min(self.burst)),
        }
    }
}
