// SPDX-License-Identifier: Apache-2.0
//! From a frame to a flow key.
//!
//! [`parse`] is compiled into every program, so its shape is dictated by the
//! verifier: each read is preceded by a comparison with the frame's end, loops
//! are bounded, and nothing is called.

use crate::{
    flow::{Attributes, KeyV4, KeyV6},
    frame::Frame,
    member::Kind,
    transport::{Transport, transport},
};

/// VLAN tags read from a frame; more make it [`Kind::Other`].
const MAX_TAGS: usize = 2;
/// IPv6 extension headers followed; the flow of a longer chain has no ports
/// and the protocol number of the first header left out.
const MAX_EXTENSIONS: usize = 6;

const ETHERNET: usize = 14;
const TAG: usize = 4;
const IPV4: usize = 20;
const IPV6: usize = 40;

/// What [`parse`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The flow, or what else it is.
    pub content: Content,
    /// VLAN tags in the frame and beside it.
    pub tags: u64,
    /// Bytes of a TCP segment or UDP datagram before its payload, at most the
    /// frame's length; 0 of others.
    pub headers: u64,
}

/// A flow, or a frame without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// An IPv4 packet.
    V4(KeyV4),
    /// An IPv6 packet.
    V6(KeyV6),
    /// Anything else; never [`Kind::Ipv4`] or [`Kind::Ipv6`].
    Other(Kind),
}

impl Content {
    /// The counter the frame belongs to.
    #[inline(always)]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::V4(_) => Kind::Ipv4,
            Self::V6(_) => Kind::Ipv6,
            Self::Other(kind) => *kind,
        }
    }

    /// Whether the frame is a fragment other than its packet's first.
    #[inline(always)]
    pub const fn is_later_fragment(&self) -> bool {
        match self {
            Self::V4(key) => key.attributes().is_later_fragment(),
            Self::V6(key) => key.attributes().is_later_fragment(),
            Self::Other(_) => false,
        }
    }
}

/// Reads a frame's headers.
#[inline(always)]
pub fn parse(frame: &Frame) -> Packet {
    let mut vlan = Vlan {
        tags: frame.tags_beside(),
        attributes: frame.tags_beside() * Vlan::attributes(frame.tag_beside()),
    };
    let found = parse_ethernet(frame, &mut vlan).unwrap_or(Kind::Malformed.into());
    Packet {
        content: found.content,
        tags: vlan.tags,
        headers: found.headers,
    }
}

/// The tags met so far, the innermost as bits of [`Attributes`].
struct Vlan {
    tags: u64,
    attributes: u64,
}

impl Vlan {
    #[inline(always)]
    fn push(&mut self, tag: u16) {
        self.tags += 1;
        self.attributes = Self::attributes(tag);
    }

    #[inline(always)]
    const fn attributes(tag: u16) -> u64 {
        Attributes::TAGGED | (tag as u64 & 0xfff) << 40
    }
}

/// The content and [`Packet::headers`].
struct Found {
    content: Content,
    headers: u64,
}

impl From<Kind> for Found {
    #[inline(always)]
    fn from(kind: Kind) -> Self {
        Self {
            content: Content::Other(kind),
            headers: 0,
        }
    }
}

#[inline(always)]
fn parse_ethernet(frame: &Frame, vlan: &mut Vlan) -> Option<Found> {
    let mut ether_type = frame.header::<ETHERNET>(0)?.read::<u16, 12>();
    let mut offset = ETHERNET;
    for _ in 0..MAX_TAGS {
        if !is_tag(ether_type) || vlan.tags >= MAX_TAGS as u64 {
            break;
        }
        let tag = frame.header::<TAG>(offset)?;
        vlan.push(tag.read::<u16, 0>());
        ether_type = tag.read::<u16, 2>();
        offset += TAG;
    }
    match ether_type {
        0x0800 => parse_ipv4(frame, offset, vlan.attributes),
        0x86dd => parse_ipv6(frame, offset, vlan.attributes),
        0x0806 => Some(Kind::Arp.into()),
        0x8809 => Some(Kind::Lacp.into()),
        0x88cc => Some(Kind::Lldp.into()),
        _ => Some(Kind::Other.into()),
    }
}

/// IEEE 802.1Q and 802.1ad.
#[inline(always)]
const fn is_tag(ether_type: u16) -> bool {
    matches!(ether_type, 0x8100 | 0x88a8)
}

/// Refuses what Linux' `ip_rcv_core` drops for its version or lengths.
#[inline(always)]
fn parse_ipv4(frame: &Frame, offset: usize, vlan: u64) -> Option<Found> {
    let header = frame.header::<IPV4>(offset)?;
    let first = header.read::<u64, 0>();
    let length = (first >> 56 & 0xf) * 4;
    let room = frame.length() - offset as u64;
    // 0 is what GRO and TSO leave where 16 bits do not suffice (BIG TCP).
    let total = match first >> 32 & 0xffff {
        0 => room,
        total => total,
    };
    if first >> 60 != 4 || length < IPV4 as u64 || total < length || total > room {
        return None;
    }
    let protocol = header.read::<u8, 9>();
    let mut attributes = vlan | frame.origin().attributes();
    let transport = if first & 0x1fff == 0 {
        transport(frame, offset + length as usize, total - length, protocol)
    } else {
        attributes |= Attributes::LATER_FRAGMENT;
        Transport::default()
    };
    let attributes = Attributes::new(transport.ports, protocol, attributes);
    Some(Found {
        content: Content::V4(KeyV4([header.read::<u64, 12>(), attributes.0])),
        headers: transport.headers,
    })
}

/// Refuses what Linux' `ip6_rcv_core` drops for its version or length.
#[inline(always)]
fn parse_ipv6(frame: &Frame, offset: usize, vlan: u64) -> Option<Found> {
    let header = frame.header::<IPV6>(offset)?;
    let first = header.read::<u64, 0>();
    let room = frame.length() - (offset + IPV6) as u64;
    // 0: a jumbogram (RFC 2675), also GRO's and TSO's BIG TCP.
    let payload = match first >> 16 & 0xffff {
        0 => room,
        payload => payload,
    };
    if first >> 60 != 6 || payload > room {
        return None;
    }
    let mut chain = Chain {
        protocol: (first >> 8) as u8,
        offset: offset + IPV6,
        left: payload,
        later_fragment: false,
    };
    for _ in 0..MAX_EXTENSIONS {
        if !chain.step(frame) {
            break;
        }
    }
    let mut attributes = vlan | frame.origin().attributes();
    let transport = if chain.later_fragment {
        attributes |= Attributes::LATER_FRAGMENT;
        Transport::default()
    } else {
        transport(frame, chain.offset, chain.left, chain.protocol)
    };
    let key = KeyV6([
        header.read::<u64, 8>(),
        header.read::<u64, 16>(),
        header.read::<u64, 24>(),
        header.read::<u64, 32>(),
        Attributes::new(transport.ports, chain.protocol, attributes).0,
    ]);
    Some(Found {
        content: Content::V6(key),
        headers: transport.headers,
    })
}

/// A walk over IPv6 extension headers (RFC 8200 section 4).
struct Chain {
    /// Of the header at `offset`.
    protocol: u8,
    offset: usize,
    /// Bytes of the packet from `offset` on.
    left: u64,
    later_fragment: bool,
}

impl Chain {
    /// Steps over one extension header; false if there is none to step over.
    #[inline(always)]
    fn step(&mut self, frame: &Frame) -> bool {
        const HOP_BY_HOP: u8 = 0;
        const ROUTING: u8 = 43;
        const FRAGMENT: u8 = 44;
        const AUTHENTICATION: u8 = 51;
        const DESTINATION: u8 = 60;
        const MOBILITY: u8 = 135;
        let extension = matches!(
            self.protocol,
            HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION | MOBILITY
        );
        if !extension || self.later_fragment {
            return false;
        }
        let Some(header) = frame.header::<8>(self.offset) else {
            return false;
        };
        let units = u64::from(header.read::<u8, 1>());
        let length = match self.protocol {
            FRAGMENT => 8,
            AUTHENTICATION => (units + 2) * 4, // RFC 4302 section 2.2
            _ => (units + 1) * 8,
        };
        if length > self.left {
            return false;
        }
        if self.protocol == FRAGMENT {
            self.later_fragment = header.read::<u16, 2>() & 0xfff8 != 0;
        }
        self.protocol = header.read::<u8, 0>();
        self.offset += length as usize;
        self.left -= length;
        true
    }
}
