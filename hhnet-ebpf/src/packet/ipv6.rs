// SPDX-License-Identifier: Apache-2.0
//! IPv6 and its extension headers.

use super::Found;
use crate::{
    cache::Key as _,
    fingerprint::{Evidence, Identity},
    flow::{Attributes, KeyV6},
    frame::Frame,
    member::Kind,
    transport::{Transport, transport},
};

/// IPv6 extension headers followed; the flow of a longer chain has no ports
/// and the protocol number of the first header left out.
const MAX_EXTENSIONS: usize = 6;
/// Bytes of the header without extensions.
const IPV6: usize = 40;

/// Refuses what Linux' `ip6_rcv_core` drops for its version or length.
#[inline(always)]
pub(super) fn parse_ipv6(frame: &Frame, offset: usize, vlan: u64) -> Option<Found> {
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
        fragment: frame.veil().over(0),
        later_fragment: false,
    };
    for _ in 0..MAX_EXTENSIONS {
        if !chain.step(frame) {
            break;
        }
    }
    chain.offset = frame.veil().over_offset(chain.offset);
    chain.protocol = frame.veil().over(chain.protocol.into()) as u8;
    let mut attributes = vlan | frame.origin().attributes();
    let transport = if chain.later_fragment {
        attributes |= Attributes::LATER_FRAGMENT;
        Transport::NOTHING
    } else {
        transport(frame, chain.offset, chain.left, chain.protocol)
    };
    let evidence = if chain.fragment != 0 || transport.is_echo {
        Evidence::Strong
    } else {
        transport.evidence
    };
    let key = [
        header.read::<u64, 8>(),
        header.read::<u64, 16>(),
        header.read::<u64, 24>(),
        header.read::<u64, 32>(),
        Attributes::new(transport.ports, chain.protocol, attributes).0,
    ];
    Some(Found {
        kind: Kind::Ipv6,
        key,
        digest: KeyV6(key).digest(),
        headers: transport.headers,
        identity: Identity {
            // Without traffic class and hop limit; the flow label is the sender's.
            header: first & 0xf00f_ffff_ffff_ff00,
            // The identification of fragments is among the extension headers.
            body: offset + IPV6,
            left: payload,
            ..Identity::of(evidence)
        },
    })
}

/// A walk over IPv6 extension headers (RFC 8200 section 4).
struct Chain {
    /// Of the header at `offset`.
    protocol: u8,
    offset: usize,
    /// Bytes of the packet from `offset` on.
    left: u64,
    /// 1 after a fragment header.
    fragment: u64,
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
            self.fragment = frame.veil().over(1);
            self.later_fragment = header.read::<u16, 2>() & 0xfff8 != 0;
        }
        self.protocol = header.read::<u8, 0>();
        self.offset += length as usize;
        self.left -= length;
        true
    }
}
