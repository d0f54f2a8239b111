// SPDX-License-Identifier: Apache-2.0
//! What `hhnet flows` reports: the data, its order and its JSON.

mod transport;

use std::{cmp::Reverse, fmt, net::IpAddr};

use hhnet_ebpf::{
    flow::{Copies, Count},
    member::{Kind, MemberCounters},
};
use serde::{Deserialize, Serialize};

pub use self::transport::Transport;
pub use super::spread::{Share, Spread};
use super::{
    Mode,
    expected::{Expected, Verdict},
    rates::Rate,
    spread::spread,
};
use crate::cli::By;

/// What `hhnet flows` shows, and with `--json` prints.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FlowReport {
    /// When it was read, in milliseconds since boot.
    pub at_ms: u64,
    /// Counters of each member and direction.
    pub members: Vec<Member>,
    /// How evenly the members of a bond share a direction, where there are several.
    pub spread: Vec<Spread>,
    /// How well each bond's sent flows follow its policy.
    pub policies: Vec<Verdict>,
    /// What flows are ordered by.
    pub by: By,
    /// Flows, the busiest first.
    pub flows: Vec<Flow>,
    /// Flows known, shown or not.
    pub total_flows: usize,
}

/// Which flows to report, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// So many at most.
    pub top: Option<usize>,
    /// The busiest by this first.
    pub by: By,
    /// Of these members alone; of all if there are none.
    pub members: Vec<String>,
}

impl Choice {
    /// Whether what this member has counted is wanted.
    pub fn includes(&self, member: &str) -> bool {
        self.members.is_empty() || self.members.iter().any(|name| name == member)
    }
}

/// Frames one member received or sent, by kind. Its flows, [`unlisted`](Self::unlisted)
/// and [`lost`](Self::lost) together have the packets and bytes of
/// [`ipv4`](Self::ipv4) and [`ipv6`](Self::ipv6).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The interface.
    pub name: String,
    /// Its index.
    #[serde(skip)]
    pub ifindex: u32,
    /// The bond it is a member of.
    pub bond: Option<String>,
    /// Received or sent.
    pub direction: Direction,
    /// Where its program runs; none if it was detached.
    pub mode: Option<Mode>,
    /// Its part of what the bond received or sent, if it did.
    pub share: Option<Share>,
    /// How fast its frames went since it was looked at last, if it was.
    #[serde(flatten)]
    pub rate: Option<Rate>,
    /// IPv4 packets.
    pub ipv4: Counted,
    /// IPv6 packets.
    pub ipv6: Counted,
    /// ARP.
    pub arp: Counted,
    /// LACP and the other slow protocols.
    pub lacp: Counted,
    /// LLDP.
    pub lldp: Counted,
    /// Other EtherTypes, LLC frames, more than two VLAN tags.
    pub other: Counted,
    /// Frames cut short or with an IP header that contradicts itself.
    pub malformed: Counted,
    /// Of flows that made room for others and are too small to be listed now.
    pub unlisted: Counted,
    /// Number of those flows; one that came back is counted again.
    pub unlisted_flows: u64,
    /// Of flows that made room faster than they could be read.
    pub lost: Counted,
    /// Number of those flows; one that came back is counted again.
    pub lost_flows: u64,
    /// Frames with two VLAN tags.
    pub double_tagged: u64,
    /// IP fragments after the first.
    pub later_fragments: u64,
}

/// Frames and their bytes on the wire, Ethernet header included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Frames.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl From<Count> for Counted {
    fn from(Count { packets, bytes }: Count) -> Self {
        Self { packets, bytes }
    }
}

/// One flow on one member in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// The member that received or sent it.
    pub member: String,
    /// Received or sent.
    pub direction: Direction,
    /// VLAN id; none if the NIC took the tag out before the program ran.
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
    /// Frames.
    pub packets: u64,
    /// Bytes on the wire, Ethernet header included.
    pub bytes: u64,
    /// Those of the frames that came before.
    pub duplicates: Duplicates,
    /// Milliseconds since the first frame.
    pub age_ms: u64,
    /// Milliseconds since the last frame.
    pub idle_ms: u64,
    /// Where the bond's policy would put it, if a bond has sent it.
    #[serde(
        rename = "expected_member",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub expected: Option<Expected>,
    /// How fast it went since it was looked at last, if it was.
    #[serde(flatten)]
    pub rate: Option<Rate>,
}

/// Frames of a flow that came before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicates {
    /// To the same member.
    pub same_member: u64,
    /// To another member of the bond.
    pub other_member: u64,
    /// Echo replies to a request that was answered already, with an identification
    /// of their own.
    pub answered_again: u64,
    /// Usual time since the first, in microseconds.
    pub delay_us: u64,
}

impl Duplicates {
    /// The number of all.
    pub const fn number(&self) -> u64 {
        self.same_member + self.other_member + self.answered_again
    }
}

impl From<Copies> for Duplicates {
    fn from(copies: Copies) -> Self {
        Self {
            same_member: copies.same.into(),
            other_member: copies.cross.into(),
            answered_again: copies.answered.into(),
            // Sixteenths of 1.024 µs.
            delay_us: u64::from(copies.delay) * 1024 / 16_000,
        }
    }
}

/// Seen from this machine.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Received.
    #[default]
    In,
    /// Sent.
    Out,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::In => "in",
            Self::Out => "out",
        })
    }
}

impl Member {
    /// Its frames by what they carry, with the names of that.
    pub fn kinds(&self) -> [(&'static str, Counted); Kind::COUNT] {
        [
            ("ipv4", self.ipv4),
            ("ipv6", self.ipv6),
            ("arp", self.arp),
            ("lacp", self.lacp),
            ("lldp", self.lldp),
            ("other", self.other),
            ("malformed", self.malformed),
        ]
    }

    /// All of its frames, whatever they carry.
    pub(super) fn frames(&self) -> Counted {
        let kinds = self.kinds();
        kinds
            .iter()
            .fold(Counted::default(), |sum, (_, kind)| Counted {
                packets: sum.packets + kind.packets,
                bytes: sum.bytes + kind.bytes,
            })
    }

    /// The counters of the member called `name` in one direction.
    pub fn new(
        name: &str,
        direction: Direction,
        mode: Option<Mode>,
        counters: &MemberCounters,
    ) -> Self {
        let of = |kind: Kind| counters.kinds[kind as usize].into();
        Self {
            name: name.to_owned(),
            ifindex: 0,
            bond: None,
            direction,
            mode,
            share: None,
            rate: None,
            ipv4: of(Kind::Ipv4),
            ipv6: of(Kind::Ipv6),
            arp: of(Kind::Arp),
            lacp: of(Kind::Lacp),
            lldp: of(Kind::Lldp),
            other: of(Kind::Other),
            malformed: of(Kind::Malformed),
            unlisted: Counted::default(),
            unlisted_flows: 0,
            lost: counters.lost.into(),
            lost_flows: counters.lost_flows,
            double_tagged: counters.double_tagged,
            later_fragments: counters.later_fragments,
        }
    }
}

impl FlowReport {
    /// Orders flows by bytes, then packets, or the other way round, then what
    /// they are, and keeps those of the choice. Shares are of all members of a
    /// bond.
    pub fn new(mut members: Vec<Member>, mut flows: Vec<Flow>, choice: &Choice) -> Self {
        let spread = spread(&mut members);
        members.retain(|member| choice.includes(&member.name));
        flows.retain(|flow| choice.includes(&flow.member));
        let total_flows = flows.len();
        flows.sort_by(|a, b| rank(a, choice.by).cmp(&rank(b, choice.by)));
        flows.truncate(choice.top.unwrap_or(total_flows));
        Self {
            at_ms: 0,
            members,
            spread,
            policies: Vec::new(),
            by: choice.by,
            flows,
            total_flows,
        }
    }
}

/// What tells a flow from all others.
type Name<'a> = (
    &'a str,
    Direction,
    Option<u16>,
    u8,
    IpAddr,
    IpAddr,
    Transport,
);

impl Flow {
    pub(super) fn name(&self) -> Name<'_> {
        (
            &self.member,
            self.direction,
            self.vlan,
            self.protocol,
            self.source,
            self.destination,
            self.transport,
        )
    }
}

fn rank(flow: &Flow, by: By) -> impl Ord + use<'_> {
    let size = match by {
        By::Bytes => (flow.bytes, flow.packets),
        By::Packets => (flow.packets, flow.bytes),
        By::Dups => (flow.duplicates.number(), flow.bytes),
    };
    (Reverse(size), flow.name())
}

#[cfg(test)]
mod tests;
