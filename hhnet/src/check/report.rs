// SPDX-License-Identifier: Apache-2.0
//! What a check has found. Printed as JSON as it is: a field is added, and never
//! changes its meaning under the same [`SCHEMA`]; `null` is what is not known, or was
//! not asked.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

/// Version of the JSON: raised when a field goes or changes its meaning.
pub const SCHEMA: u32 = 1;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Whether nothing has failed.
    pub good: bool,
    /// What has failed, in sentences, each with where.
    pub failures: Vec<String>,
    /// From each source to each host.
    pub pairs: Vec<Pair>,
    /// Each URL from each source.
    pub fetches: Vec<Fetch>,
}

/// The way from one source to one host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// Address or interface that was asked for; none where the kernel chooses.
    pub from: Option<String>,
    /// The address it was sent from.
    pub source: Option<Ipv4Addr>,
    /// The host as it was named.
    pub to: String,
    /// Its address.
    pub address: Option<Ipv4Addr>,
    /// Why nothing could be tried.
    pub problem: Option<Problem>,
    /// Pings.
    pub pings: Option<Pings>,
    /// The largest packet that passes; none where no ping was answered, or later none sent.
    pub path_mtu: Option<PathMtu>,
    /// TCP ports.
    pub ports: Vec<Port>,
    /// What iperf3 has measured, or why it has not.
    pub throughput: Option<Throughput>,
    /// What has failed, in sentences.
    pub failures: Vec<String>,
}

/// Why nothing could be tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// For scripts.
    pub kind: ProblemKind,
    /// In words.
    pub text: String,
}

/// What keeps this server from trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProblemKind {
    /// The name has no IPv4 address.
    Unresolved,
    /// This server has no such address or interface.
    NoSource,
    /// This server has no route.
    NoRoute,
    /// The kernel refuses to send.
    Refused,
}

/// What became of pings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pings {
    /// Echo requests sent.
    pub sent: u32,
    /// Those that were answered, at least once.
    pub received: u32,
    /// Answers beyond the first of each.
    pub duplicates: u32,
    /// Sequence numbers, from 1 on, that were not answered.
    pub lost: Vec<u16>,
    /// Round trip times of first answers; none without any.
    pub rtt: Option<Rtt>,
    /// What was left of the time to live of the last answer.
    pub ttl: Option<u8>,
    /// ICMP errors that came back instead.
    pub errors: Vec<IcmpError>,
    /// Why this server did not even send one of them, the last one of these.
    #[serde(default)]
    pub unsent: Option<String>,
    /// How the duplicates came; none where no agent has counted them.
    pub copies: Option<Copies>,
}

/// Round trip times in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rtt {
    /// The shortest.
    pub min_us: u64,
    /// The mean.
    pub avg_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// An ICMP error, and who says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IcmpError {
    /// Who has sent it; an address of this server where its own kernel has.
    pub from: Ipv4Addr,
    /// Type (RFC 792).
    pub icmp_type: u8,
    /// Code.
    pub icmp_code: u8,
    /// How many.
    pub count: u32,
    /// In words.
    pub meaning: String,
}

/// Copies as the agent's programs have counted them on the members.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// Members that have received answers.
    pub members: Vec<String>,
    /// Copies on the member of the first.
    pub same_member: u64,
    /// Copies on another member.
    pub other_member: u64,
    /// Requests that were answered again: not the answer was duplicated, the request was.
    pub answered_again: u64,
    /// In words.
    pub explanation: String,
}

/// The largest packet that passes unfragmented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathMtu {
    /// In bytes, IP header included.
    pub mtu: u32,
    /// What the interface here could send.
    pub link_mtu: u32,
    /// Who has said so by ICMP ("fragmentation needed").
    pub told_by: Option<Ipv4Addr>,
    /// Whether larger packets vanish without a word.
    pub black_hole: bool,
}

/// A TCP port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The number.
    pub port: u16,
    /// How long the connection took, in microseconds; none if there was none.
    pub connect_us: Option<u64>,
    /// Why there was none.
    pub problem: Option<String>,
}

/// What iperf3 has measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Throughput {
    /// For how long.
    pub seconds: u32,
    /// The least that is good, in megabits (10⁶) a second; 0 if anything is.
    pub min_mbits: u32,
    /// How often it was measured: again where that was less than the minimum.
    #[serde(default)]
    pub attempts: u32,
    /// What was received there, in megabits a second; of the best attempt.
    pub mbits: Option<f64>,
    /// TCP segments sent again.
    pub retransmits: Option<u64>,
    /// Why nothing was measured.
    pub problem: Option<String>,
    /// Whether that is a failure: somebody asked for it.
    pub is_required: bool,
}

/// A page that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// Address or interface that was asked for; none where the kernel chooses.
    pub from: Option<String>,
    /// The page.
    pub url: String,
    /// HTTP status; none without an answer. There may be a problem all the same: its content
    /// did not come.
    pub status: Option<u16>,
    /// Bytes of its content, as far as they were read.
    pub bytes: Option<u64>,
    /// How long that took, in microseconds.
    pub took_us: u64,
    /// Why there was no answer, or not all of it.
    pub problem: Option<String>,
}

impl Problem {
    pub(super) fn new(kind: ProblemKind, text: impl Into<String>) -> Problem {
        let text = text.into();
        Problem { kind, text }
    }
}
