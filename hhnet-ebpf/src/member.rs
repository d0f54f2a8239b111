// SPDX-License-Identifier: Apache-2.0
//! Counters of one member: a bond's port or a VLAN's parent.

use crate::{
    flow::Count,
    veil::{Numbered, Veil},
};

/// Members one agent can tell apart.
pub const MAX_MEMBERS: u32 = 32;

/// Sets of counters: one per member and direction.
pub const MAX_COUNTERS: u32 = 2 * MAX_MEMBERS;

/// The index of a member's counters among [`MAX_COUNTERS`]: received by all
/// members first, then sent by all.
#[inline(always)]
pub const fn counters(slot: u8, egress: bool) -> u32 {
    slot as u32 + if egress { MAX_MEMBERS } else { 0 }
}

/// First interface index that no program can be attached to: the size of the
/// array that maps an interface to its member slot in one load.
pub const MAX_INTERFACES: u32 = 16_384;

/// What a frame carries.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 with a header the kernel would accept.
    Ipv4,
    /// IPv6 with a header the kernel would accept.
    Ipv6,
    /// ARP, by EtherType.
    Arp,
    /// Slow protocols (IEEE 802.3 annex 57A): LACP and its marker protocol.
    Lacp,
    /// LLDP, by EtherType.
    Lldp,
    /// Any other EtherType, LLC frames and more than two VLAN tags.
    Other,
    /// Cut short, or with an IP header that contradicts itself or the frame.
    Malformed,
}

impl Kind {
    /// Number of kinds.
    pub const COUNT: usize = 7;
}

impl Numbered for Kind {
    const ALL: &'static [Self] = &[
        Self::Ipv4,
        Self::Ipv6,
        Self::Arp,
        Self::Lacp,
        Self::Lldp,
        Self::Other,
        Self::Malformed,
    ];

    #[inline(always)]
    fn number(self) -> u8 {
        self as u8
    }
}

/// What one CPU counted on one member in one direction.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemberCounters {
    /// Frames by [`Kind`].
    pub kinds: [Count; Kind::COUNT],
    /// What was counted of flows that had to make room while the ring buffer
    /// was full: still in [`kinds`](Self::kinds), in no flow any more.
    pub lost: Count,
    /// Number of those flows.
    pub lost_flows: u64,
    /// Frames with two VLAN tags (their flows carry the inner one).
    pub double_tagged: u64,
    /// Fragments after the first of an IP packet.
    pub later_fragments: u64,
}

// SAFETY: `repr(C)`, only u64 fields, so no padding; any bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for MemberCounters {}

/// What the programs know of an interface: bits 0–7 its member slot + 1, 0 for an
/// interface not ours, bits 8–15 a [`Veil`], and 16–63 its MAC address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface(pub u64);

impl Interface {
    /// Of an interface that is not ours.
    pub const NONE: Self = Self(0);
    /// An address no frame comes from, where the interface has none.
    const NO_ADDRESS: u64 = 0xffff_ffff_ffff;

    /// The interface of a member slot, with its MAC address, if it has one.
    pub const fn new(slot: u8, mac: Option<[u8; 6]>) -> Self {
        let mac = match mac {
            Some([a, b, c, d, e, f]) => u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
            None => Self::NO_ADDRESS,
        };
        Self((mac << 16) | (slot as u64 + 1))
    }

    /// The member slot.
    #[inline(always)]
    pub const fn slot(self) -> Option<u8> {
        let number = self.0 as u8;
        if number == 0 { None } else { Some(number - 1) }
    }

    /// A number that only we know.
    #[inline(always)]
    pub const fn veil(self) -> Veil {
        Veil::new((self.0 >> 8) as u8)
    }

    /// Its MAC address.
    #[inline(always)]
    pub const fn mac(self) -> u64 {
        self.0 >> 16
    }
}
