// SPDX-License-Identifier: Apache-2.0
//! From a frame to a flow key.
//!
//! [`parse`] is compiled into every program, so its shape is dictated by the
//! verifier: each read is preceded by a comparison with the frame's end, loops
//! are bounded, and nothing is called.

mod ipv6;

use self::ipv6::parse_ipv6;
use crate::{
    cache::Key,
    fingerprint::{Evidence, Identity},
    flow::{Attributes, KeyV4, KeyV6},
    frame::Frame,
    member::Kind,
    mix::mix,
    transport::{Transport, transport},
    veil::Veiled,
};

/// VLAN tags read from a frame; more make it [`Kind::Other`].
const MAX_TAGS: usize = 2;
const ETHERNET: usize = 14;
const TAG: usize = 4;
const IPV4: usize = 20;

/// What [`parse`] found. Everything in it has a value whatever the frame is: a
/// union's unused part would be read from a register that nothing was written to,
/// when the compiler moves it about, and the verifier refuses that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What the frame carries.
    pub kind: Veiled<Kind>,
    /// The flow: of IPv4 the two words of its key first and last, of others zeros.
    key: [u64; 5],
    /// [`Key::digest`] of that, 0 of others: taken once, for two tables.
    pub digest: u64,
    /// VLAN tags in the frame and beside it.
    pub tags: u64,
    /// Bytes of a TCP segment or UDP datagram before its payload, at most the
    /// frame's length; 0 of others.
    pub headers: u64,
    /// How to tell it from others.
    pub identity: Identity,
}

impl Packet {
    /// The flow, or what else it is.
    #[inline(always)]
    pub fn content(&self) -> Content {
        let [first, .., last] = self.key;
        if self.kind == Kind::Ipv4 {
            Content::V4(KeyV4([first, last]))
        } else if self.kind == Kind::Ipv6 {
            Content::V6(KeyV6(self.key))
        } else {
            Content::Other
        }
    }

    /// Whether the frame is a fragment other than its packet's first.
    #[inline(always)]
    pub const fn is_later_fragment(&self) -> bool {
        Attributes(self.key[4]).is_later_fragment()
    }
}

/// A flow, or a frame without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// An IPv4 packet.
    V4(KeyV4),
    /// An IPv6 packet.
    V6(KeyV6),
    /// Anything else.
    Other,
}

/// A frame that is cut short, or whose headers contradict themselves or the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// As [`Packet::tags`].
    pub tags: u64,
}

impl From<Malformed> for Packet {
    #[inline(always)]
    fn from(Malformed { tags }: Malformed) -> Self {
        let Found {
            kind,
            key,
            digest,
            headers,
            identity,
        } = Found::of(Kind::Malformed);
        Self {
            kind: Veiled::new(kind),
            key,
            digest,
            tags,
            headers,
            identity,
        }
    }
}

/// Reads a frame's headers.
#[inline(always)]
pub fn parse(frame: &Frame) -> Packet {
    try_parse(frame).unwrap_or_else(Packet::from)
}

/// The same, for programs: were a malformed frame a packet too, all that it lacks
/// would be set to zero before each comparison that may find it to be one.
///
/// # Errors
/// If the frame is malformed.
#[inline(always)]
pub fn try_parse(frame: &Frame) -> Result<Packet, Malformed> {
    let mut vlan = Vlan {
        tags: frame.tags_beside(),
        attributes: frame.tags_beside() * Vlan::attributes(frame.tag_beside()),
    };
    let Some(found) = parse_ethernet(frame, &mut vlan) else {
        return Err(Malformed { tags: vlan.tags });
    };
    Ok(Packet {
        kind: Veiled::new(found.kind).through(frame.veil()),
        key: found.key,
        digest: found.digest,
        tags: vlan.tags,
        headers: found.headers,
        identity: found.identity.through(frame.veil()),
    })
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

/// All of [`Packet`] but the tags.
struct Found {
    kind: Kind,
    key: [u64; 5],
    digest: u64,
    headers: u64,
    identity: Identity,
}

impl Found {
    /// A frame that is not compared with others.
    #[inline(always)]
    fn of(kind: Kind) -> Self {
        Self {
            kind,
            key: [0; 5],
            digest: 0,
            headers: 0,
            identity: Identity::of(Evidence::Nothing),
        }
    }

    /// A frame that is not of IP, told from others by `left` bytes from `body` on.
    #[inline(always)]
    fn other(kind: Kind, vlan: u64, body: usize, left: u64) -> Self {
        Self {
            identity: Identity {
                header: vlan,
                body,
                left,
                ..Identity::of(Evidence::Weak)
            },
            ..Self::of(kind)
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
    let offset = frame.veil().over_offset(offset);
    match ether_type {
        0x0800 => parse_ipv4(frame, offset, vlan.attributes),
        0x86dd => parse_ipv6(frame, offset, vlan.attributes),
        // Its 28 bytes exactly: the last are of the address that is asked for.
        0x0806 => Some(Found::other(Kind::Arp, vlan.attributes, offset, 28)),
        0x8809 => Some(Found::of(Kind::Lacp)),
        0x88cc => Some(Found::of(Kind::Lldp)),
        _ => Some(Found::other(
            Kind::Other,
            vlan.attributes,
            0,
            frame.length(),
        )),
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
        Transport::NOTHING
    };
    let attributes = Attributes::new(transport.ports, protocol, attributes);
    let key = KeyV4([header.read::<u64, 12>(), attributes.0]);
    Some(Found {
        kind: Kind::Ipv4,
        key: [key.0[0], 0, 0, 0, key.0[1]],
        digest: key.digest(),
        headers: transport.headers,
        identity: Identity {
            left: total - IPV4 as u64,
            body: offset + IPV4,
            ..ipv4_identity(first, &transport)
        },
    })
}

/// What an IPv4 header, of which `first` is the beginning, tells packets apart by.
#[inline(always)]
fn ipv4_identity(first: u64, transport: &Transport) -> Identity {
    const SERVICE: u64 = 0xff << 48;
    const IDENTIFICATION: u64 = 0xffff << 16;
    let id = first >> 16 & 0xffff;
    let header = first & !SERVICE;
    if transport.is_echo {
        // Its sequence number is an identity, and a second answer to one request
        // differs in the IP identification alone.
        return Identity {
            header: header & !IDENTIFICATION,
            note: mix(id) >> 60,
            ..Identity::of(Evidence::Strong)
        };
    }
    let evidence = if id != 0 {
        Evidence::Strong
    } else {
        transport.evidence
    };
    Identity {
        header,
        ..Identity::of(evidence)
    }
}
