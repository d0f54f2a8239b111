// SPDX-License-Identifier: Apache-2.0
//! What `hhnet dups` reports: frames that came twice, and what to make of them.

mod explain;
mod read;
mod text;

use std::net::IpAddr;

use hhnet_ebpf::{
    copies::{CopyCounters, DELAY_BUCKETS},
    duplicate::Verdict,
};
use serde::{Deserialize, Serialize};

pub(super) use self::read::Examples;
use super::report::{Counted, Duplicates, Transport};

/// What `hhnet dups` shows, and with `--json` prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DupReport {
    /// In words, what matters most first.
    pub explanations: Vec<String>,
    /// All members together.
    pub total: Compared,
    /// Each member.
    pub members: Vec<MemberDups>,
    /// Flows with duplicates, most first.
    pub flows: Vec<FlowDups>,
    /// Some of the copies, the newest first.
    pub examples: Vec<Example>,
}

/// What became of the frames that were received.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Frames received.
    pub received: u64,
    /// Those that were compared with the ones before.
    pub compared: u64,
    /// Copies of frames with an identity of their own (IP identification, echo
    /// sequence number, TCP timestamp), on the member of the first.
    pub strong_same_member: u64,
    /// The same, on another member.
    pub strong_other_member: u64,
    /// Copies of frames without: equal and close together.
    pub weak_same_member: u64,
    /// The same, on another member.
    pub weak_other_member: u64,
    /// Echo replies to a request that was answered already, under another IP
    /// identification: the request was duplicated, not the reply.
    pub answered_again: u64,
    /// Copies of which bonding drops one, as one of the members is not in use.
    pub suppressed: u64,
    /// TCP acknowledgements as before, which a receiver may well send.
    pub ambiguous: u64,
    /// Equal frames at the distance at which their flow repeats itself.
    pub repetitive: u64,
    /// Not compared: STP, LACP, LLDP, and frames cut short.
    pub skipped: u64,
    /// Not compared: our own, sent back to us.
    pub looped: u64,
    /// Not compared: put together by GRO before the program ran.
    pub merged: u64,
    /// Frames that came more than once.
    pub replicated: u64,
    /// RFC 5560, Type-P-one-way-packet-duplication-fraction: copies to each frame. Of
    /// all members together alone, as a frame and its copy may come to two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duplication_fraction: Option<f64>,
    /// RFC 5560, Type-P-one-way-replicated-packet-rate: the part of the frames that
    /// came more than once. Likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicated_packet_rate: Option<f64>,
    /// How long after the first the copies came: how many in less than 2, 4, 8, …
    /// units of 1.024 µs, but not in less than half of that.
    pub delays: [u64; DELAY_BUCKETS],
}

/// What became of the frames of one member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberDups {
    /// The interface.
    pub member: String,
    /// The bond it is a member of.
    pub bond: Option<String>,
    /// Whether bonding does not use it now.
    pub is_inactive: bool,
    /// Counters.
    #[serde(flatten)]
    pub compared: Compared,
    /// Members that got the first of the copies that came here, with their number.
    pub originals: Vec<(String, u64)>,
}

/// A flow with duplicates, on all members together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FlowDups {
    /// VLAN id; none if there was no tag, or none to be seen.
    pub vlan: Option<u16>,
    /// IP protocol number.
    pub protocol: u8,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Ports, or what the protocol has instead.
    #[serde(flatten)]
    pub transport: Transport,
    /// Frames, copies among them.
    pub packets: u64,
    /// The copies.
    pub duplicates: Duplicates,
    /// Members that received it.
    pub members: Vec<String>,
    /// In words.
    pub explanation: String,
}

/// One copy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Milliseconds ago.
    pub age_ms: u64,
    /// What it was found to be, as the counters are called.
    pub verdict: String,
    /// The member that got it.
    pub member: String,
    /// The member that got the first.
    pub original: String,
    /// Time since the first, in microseconds.
    pub delay_us: f64,
    /// Bytes on the wire.
    pub length: u32,
    /// What it was, in words: protocol, addresses, ports.
    pub summary: String,
    /// Its first bytes, in hexadecimal.
    pub bytes: String,
}

impl Compared {
    /// From the counters of a member that received so many frames.
    pub fn new(received: Counted, counters: &CopyCounters) -> Self {
        let of = |verdict: Verdict| counters.verdicts[verdict as usize];
        let mut compared = Self {
            received: received.packets,
            strong_same_member: of(Verdict::StrongSame),
            strong_other_member: of(Verdict::StrongCross),
            weak_same_member: of(Verdict::WeakSame),
            weak_other_member: of(Verdict::WeakCross),
            answered_again: of(Verdict::Answered),
            suppressed: of(Verdict::Suppressed),
            ambiguous: of(Verdict::Ambiguous),
            repetitive: of(Verdict::Repetitive),
            skipped: of(Verdict::Skipped),
            looped: of(Verdict::Looped),
            merged: of(Verdict::Merged),
            replicated: counters.replicated,
            ..Self::default()
        };
        for histogram in &counters.delays {
            for (into, count) in compared.delays.iter_mut().zip(histogram) {
                *into += count;
            }
        }
        compared.subtract();
        compared
    }

    /// All copies that reach the host.
    pub const fn copies(&self) -> u64 {
        self.strong_same_member
            + self.strong_other_member
            + self.weak_same_member
            + self.weak_other_member
    }

    /// Adds another member's.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.received, other.received),
            (&mut self.strong_same_member, other.strong_same_member),
            (&mut self.strong_other_member, other.strong_other_member),
            (&mut self.weak_same_member, other.weak_same_member),
            (&mut self.weak_other_member, other.weak_other_member),
            (&mut self.answered_again, other.answered_again),
            (&mut self.suppressed, other.suppressed),
            (&mut self.ambiguous, other.ambiguous),
            (&mut self.repetitive, other.repetitive),
            (&mut self.skipped, other.skipped),
            (&mut self.looped, other.looped),
            (&mut self.merged, other.merged),
            (&mut self.replicated, other.replicated),
        ];
        pairs.into_iter().for_each(|(into, count)| *into += count);
        for (into, count) in self.delays.iter_mut().zip(other.delays) {
            *into += count;
        }
        self.subtract();
    }

    fn subtract(&mut self) {
        let aside = self.skipped + self.looped + self.merged;
        self.compared = self.received.saturating_sub(aside);
    }

    /// Of packets that arrived at all, as RFC 5560 has it (section 3.3): a copy is not
    /// one of them, nor is one that is dropped.
    fn compare_ratios(&mut self) {
        let arrived = self
            .compared
            .saturating_sub(self.copies() + self.suppressed);
        let ratio = |count: u64| match arrived {
            0 => 0.0,
            arrived => super::spread::rounded(count as f64 / arrived as f64),
        };
        self.duplication_fraction = Some(ratio(self.copies()));
        self.replicated_packet_rate = Some(ratio(self.replicated));
    }

    /// Microseconds in which this part of the copies came; none of none.
    pub fn delay_quantile(&self, part: f64) -> Option<f64> {
        let all: u64 = self.delays.iter().sum();
        let mut so_far = 0;
        let bucket = self.delays.iter().position(|count| {
            so_far += count;
            all > 0 && so_far as f64 >= part * all as f64
        })?;
        Some(f64::from(2_u32 << bucket) * 1.024)
    }
}

#[cfg(test)]
mod tests;
