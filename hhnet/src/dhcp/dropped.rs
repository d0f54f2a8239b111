// SPDX-License-Identifier: Apache-2.0
//! Why things that came over the wire were not used, and how often.

use serde::Serialize;

use super::{lease::NoLease, packet::Rejected, reply::Malformed};

/// Why a packet or a message was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// No packet for a DHCP client, or a damaged one.
    #[error(transparent)]
    Packet(#[from] Rejected),
    /// No DHCP message for this client, or a damaged one.
    #[error(transparent)]
    Message(#[from] Malformed),
    /// An OFFER or an ACK without what makes a lease: what the fabric's server
    /// answers when its pool is exhausted or it does not know the subnet.
    #[error(transparent)]
    Empty(#[from] NoLease),
    /// An answer that came more often than it was asked for: two relays passed on the
    /// question.
    #[error("a duplicate")]
    Copy,
    /// Answers no open question: one that came late, or was never asked for.
    #[error("no open question")]
    Stray,
    /// Another server than the one that was asked.
    #[error("from another server")]
    OtherServer,
    /// A lease that was over before it came.
    #[error("already expired")]
    Expired,
}

/// All reasons, and their names in metrics.
const REASONS: [(Reason, &str); 14] = [
    (Reason::Packet(Rejected::Truncated), "truncated_packet"),
    (Reason::Packet(Rejected::NotForUs), "not_for_us"),
    (Reason::Packet(Rejected::Checksum), "checksum"),
    (Reason::Message(Malformed::Short), "short_message"),
    (Reason::Message(Malformed::NotAReply), "not_a_reply"),
    (Reason::Message(Malformed::OtherClient), "other_client"),
    (Reason::Message(Malformed::OtherId), "other_client_id"),
    (Reason::Empty(NoLease::Address), "no_address"),
    (Reason::Empty(NoLease::Server), "no_server_id"),
    (Reason::Empty(NoLease::Time), "no_lease_time"),
    (Reason::Copy, "duplicate"),
    (Reason::Stray, "stray"),
    (Reason::OtherServer, "other_server"),
    (Reason::Expired, "expired"),
];

/// How often each [`Reason`] has dropped something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dropped([u64; REASONS.len()]);

impl Dropped {
    /// Counts one. Returns whether it is the first for this reason: worth a
    /// line in the log, which a flood must not fill.
    pub fn count(&mut self, reason: Reason) -> bool {
        let known = REASONS.iter().position(|(known, _)| *known == reason);
        let count = known.and_then(|index| self.0.get_mut(index));
        count.is_some_and(|count| {
            *count += 1;
            *count == 1
        })
    }

    /// The names of all reasons in metrics.
    pub fn reasons() -> impl Iterator<Item = &'static str> {
        REASONS.iter().map(|(_, name)| *name)
    }

    /// Each reason's name in metrics, and its count.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Self::reasons().zip(self.0)
    }

    /// Replies without a lease in them.
    pub fn empty(&self) -> u64 {
        let all = REASONS.iter().zip(self.0);
        all.filter(|((reason, _), _)| matches!(reason, Reason::Empty(_)))
            .map(|(_, count)| count)
            .sum()
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

impl Serialize for Dropped {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_count_of_its_own() {
        let mut dropped = Dropped::default();
        for (reason, _) in REASONS {
            assert!(dropped.count(reason), "{reason}: the first");
            assert!(!dropped.count(reason), "{reason}: the second");
        }
        assert!(dropped.iter().all(|(_, count)| count == 2));
        assert_eq!((dropped.empty(), dropped.total()), (6, 28));
    }
}
