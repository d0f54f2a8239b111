// SPDX-License-Identifier: Apache-2.0
//! Traces of what a bonded server receives on two members, in which every copy is
//! known: what a detector of duplicates is judged by.
//!
//! Nothing here looks at how a detector works; each part of the mix is there because
//! such traffic exists, and the shares are said with their reasons.
//!
//! **TCP**, two thirds of the frames: bulk data, acknowledgements of the server's own
//! data, requests; a fifth of it IPv6. Most peers are Linux, whose packets count and
//! have timestamps, some are not ([`Stack`]). Of all segments one in a hundred is
//! retransmitted, much for a data centre. Half of these had arrived before:
//! what is really lost on the way is received once. Such a spurious retransmission
//! comes after a round trip at the earliest, and round trips are between 100 µs (the
//! same rack) and 20 ms (another site); after a probe timeout; or after 200 ms and
//! more. It equals the first segment if nothing counts and the timestamp, in
//! milliseconds, is the same. Gaps lead to runs of duplicate acknowledgements.
//!
//! **UDP**, a fifth: messages that differ, half of them from connected sockets, which
//! count, and half from sockets that send with an identification of 0; questions and
//! answers of DNS, where a question may be repeated after a second or five; NTP.
//!
//! **The rest**: pings in both directions, datagrams in fragments.
//!
//! **What does not grow with the rate**: heartbeats with constant content every 5 ms
//! to 1 s, BFD with 50 and 62 ms, ARP and neighbour discovery for one host after the
//! other with repetitions after a second, VRRP, and the links' own protocols: STP, the
//! same frame on both members, LACP and LLDP.
//!
//! **The hostile mix** adds three streams of constant UDP packets with an identification of 0,
//! two of 1 kHz and one of 2 kHz, from timers as late as timers are: a fifth of the
//! frames at 20 000 in a second.
//!
//! A conversation is in a VLAN, mostly 1001, and is pinned to one member by the hash
//! of its addresses and ports, as LACP demands of the sender.
//!
//! **Copies** ([`Label::CopyOf`]) are of any frame but those to 01:80:c2:00:00:0x,
//! which bridges do not forward. Six in ten arrive on the other member. Delays are
//! those of another path through the fabric, of a queue, and of a slow path:
//! exponential with a mean of 20 µs (70 %), 1 ms (25 %) and 10 ms (5 %). One in ten
//! took a hop more, and one in twenty got a congestion mark.

mod copies;
mod datagrams;
mod link;
mod mix;
mod packet;
mod path;
mod periodic;
mod tcp;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;

pub use self::tcp::{Segment, Stack};

/// What a trace is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Frames, copies among them; exactly as many.
    pub frames: usize,
    /// Frames in a second that are no copies, about.
    pub rate: f64,
    /// The share of frames that arrive a second time.
    pub copies: f64,
    /// Which traffic.
    pub mix: Mix,
    /// The same plan makes the same trace.
    pub seed: u64,
}

/// Which traffic a trace holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// What servers receive.
    Typical,
    /// The same with streams of equal frames.
    Hostile,
}

/// Frames by their arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// In order of [`time_ns`](Frame::time_ns).
    pub frames: Vec<Frame>,
}

/// A frame that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Nanoseconds on a clock that was started some seconds before.
    pub time_ns: u64,
    /// The member: 0 or 1.
    pub member: u8,
    /// From the destination address on, without the checksum at the end.
    pub bytes: Vec<u8>,
    /// What it really is.
    pub label: Label,
    /// What sort of traffic it belongs to.
    pub class: Class,
}

/// The truth about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// Sent by its source.
    Original,
    /// Made of another frame on the way.
    CopyOf {
        /// The index of the other frame, which arrived before.
        original: usize,
    },
}

/// Sorts of traffic, as fine as a detector may tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A TCP segment from such a system.
    Tcp(Segment, Stack),
    /// UDP with changing content.
    Udp(Marks),
    /// A question or answer of DNS.
    Dns(Marks),
    /// An answer of a time server.
    Ntp,
    /// A ping.
    Echo(Marks),
    /// A piece of a packet of this version of IP.
    Fragment(u8),
    /// Constant content every 5 ms or less often.
    Heartbeat,
    /// A session that is up.
    Bfd,
    /// A broadcast request.
    Arp,
    /// A neighbour solicitation.
    Neighbour,
    /// A multicast advertisement.
    Vrrp,
    /// STP, LACP or LLDP.
    Link,
    /// Constant content a thousand times a second and more.
    Stream,
}

/// Whether the IPv4 identification of a datagram counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Marks {
    /// It does.
    Counted,
    /// It is 0, or there is none.
    None,
}

impl Plan {
    /// Makes the trace.
    pub fn generate(&self) -> Trace {
        // More than is needed, so that chance does not leave too few.
        let originals = self.frames as f64 / (1.0 + self.copies);
        let originals = originals * 1.01 + 100.0;
        let mut wire = wire::Wire::new(self.seed);
        mix::run(self.mix, self.rate, originals as usize, &mut wire);
        let mut trace = copies::label(&mut wire, self.copies);
        trace.frames.truncate(self.frames);
        trace
    }
}

impl Trace {
    /// Whether the copy `frame` arrived on another member than its original; `None` for an
    /// original.
    pub fn is_cross(&self, frame: &Frame) -> Option<bool> {
        match frame.label {
            Label::Original => None,
            Label::CopyOf { original } => Some(self.frames[original].member != frame.member),
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(segment, stack) => write!(f, "TCP {segment}, {stack}"),
            Self::Udp(marks) => write!(f, "UDP, {marks}"),
            Self::Dns(marks) => write!(f, "DNS, {marks}"),
            Self::Ntp => f.write_str("NTP"),
            Self::Echo(marks) => write!(f, "ICMP echo, {marks}"),
            Self::Fragment(version) => write!(f, "IPv{version} fragment"),
            Self::Heartbeat => f.write_str("heartbeat"),
            Self::Bfd => f.write_str("BFD"),
            Self::Arp => f.write_str("ARP"),
            Self::Neighbour => f.write_str("neighbour solicitation"),
            Self::Vrrp => f.write_str("VRRP"),
            Self::Link => f.write_str("link protocol"),
            Self::Stream => f.write_str("constant stream"),
        }
    }
}

impl fmt::Display for Marks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counted => "id",
            Self::None => "no id",
        })
    }
}
