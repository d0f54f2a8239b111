// SPDX-License-Identifier: Apache-2.0
//! Keys and values of the flow tables.
//!
//! Keys are arrays of `u64` built by shifts: as structs with narrower fields
//! they were assembled on the stack byte by byte, at almost twice the cost of
//! the whole flow update.

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::member;

/// An IPv4 flow: source and destination address, [`Attributes`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyV4(pub [u64; 2]);

impl KeyV4 {
    /// Source and destination address.
    pub const fn addresses(self) -> (Ipv4Addr, Ipv4Addr) {
        let Self([addresses, _]) = self;
        (
            Ipv4Addr::from_bits((addresses >> 32) as u32),
            Ipv4Addr::from_bits(addresses as u32),
        )
    }

    /// Everything but the addresses.
    pub const fn attributes(self) -> Attributes {
        Attributes(self.0[1])
    }
}

/// An IPv6 flow: source and destination address, two words each, and
/// [`Attributes`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct KeyV6(pub [u64; 5]);

impl KeyV6 {
    /// Source and destination address.
    pub const fn addresses(self) -> (Ipv6Addr, Ipv6Addr) {
        let Self([s0, s1, d0, d1, _]) = self;
        (join(s0, s1), join(d0, d1))
    }

    /// Everything but the addresses.
    pub const fn attributes(self) -> Attributes {
        Attributes(self.0[4])
    }
}

const fn join(high: u64, low: u64) -> Ipv6Addr {
    Ipv6Addr::from_bits(((high as u128) << 64) | low as u128)
}

/// The part of a key that IPv4 and IPv6 share, in one word: ports 0–31,
/// protocol 32–39, VLAN id 40–51, tagged 52, later fragment 53, egress 54, 55
/// always set, so that no key is all zeros, member slot 56–63.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(pub u64);

impl Attributes {
    pub(crate) const TAGGED: u64 = 1 << 52;
    pub(crate) const LATER_FRAGMENT: u64 = 1 << 53;
    pub(crate) const EGRESS: u64 = 1 << 54;
    const ALWAYS: u64 = 1 << 55;
    /// A member slot that there is not.
    const NOBODY: u8 = 0xff;

    /// Adds the ports, source in the upper half, and the protocol to the other
    /// bits.
    #[inline(always)]
    pub(crate) const fn new(ports: u32, protocol: u8, bits: u64) -> Self {
        Self(ports as u64 | (protocol as u64) << 32 | bits | Self::ALWAYS)
    }

    /// Source and destination port; for ICMP echoes the identifier and
    /// `type << 8 | code`, for other ICMP 0 and the same; 0 where the protocol
    /// has no ports or the frame does not show them.
    pub const fn ports(self) -> (u16, u16) {
        ((self.0 >> 16) as u16, self.0 as u16)
    }

    /// IP protocol number, for IPv6 after the extension headers.
    pub const fn protocol(self) -> u8 {
        (self.0 >> 32) as u8
    }

    /// The innermost VLAN id the program saw. `None` is *unknown*, not
    /// untagged: NICs and veth strip the tag before an XDP program runs.
    pub const fn vlan(self) -> Option<u16> {
        if self.0 & Self::TAGGED != 0 {
            Some((self.0 >> 40) as u16 & 0xfff)
        } else {
            None
        }
    }

    /// A fragment that does not carry the transport header, so no ports.
    pub const fn is_later_fragment(self) -> bool {
        self.0 >> 53 & 1 != 0
    }

    /// Sent, not received.
    pub const fn is_egress(self) -> bool {
        self.0 & Self::EGRESS != 0
    }

    /// The same for all members and both directions.
    #[inline(always)]
    pub(crate) const fn anywhere(self) -> u64 {
        self.0 & !(0xff << 56 | Self::EGRESS)
    }

    /// A small number for each member and direction.
    #[inline(always)]
    pub(crate) const fn origin(self) -> u64 {
        self.0 >> 54
    }

    /// The same for no member at all: for flows that are to be forgotten.
    pub const fn disowned(self) -> Self {
        Self(self.0 | (Self::NOBODY as u64) << 56)
    }

    /// Whether the flow is to be forgotten.
    pub const fn is_nobodys(self) -> bool {
        self.member() == Self::NOBODY
    }

    /// The member the frame passed.
    pub const fn member(self) -> u8 {
        (self.0 >> 56) as u8
    }

    /// Where the member's counters of this direction are: see
    /// [`member::counters`].
    #[inline(always)]
    pub const fn counters(self) -> u32 {
        member::counters(self.member(), self.is_egress())
    }
}

/// Frames and their bytes on the wire (Ethernet header in, checksum out).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Frames.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Count {
    /// Counts more frames.
    #[inline(always)]
    pub const fn add(&mut self, frames: Self) {
        self.packets += frames.packets;
        self.bytes += frames.bytes;
    }
}

/// Frames of a flow that were copies of others ([`Verdict`](crate::duplicate::Verdict)).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Whose first came to the same member.
    pub same: u32,
    /// Whose first came to another member.
    pub cross: u32,
    /// That answered a request which was answered already.
    pub answered: u32,
    /// Time between first and copy: a mean that forgets, each new one being worth a
    /// sixteenth; in sixteenths of 1.024 µs.
    pub delay: u32,
}

impl Copies {
    /// Whether there are any.
    #[inline(always)]
    pub const fn are_there(&self) -> bool {
        self.same | self.cross | self.answered != 0
    }

    /// Counts one more, and its delay.
    #[inline(always)]
    pub const fn add(&mut self, copy: Self) {
        self.delay = if self.are_there() {
            (self.delay * 15 + copy.delay) / 16
        } else {
            copy.delay
        };
        self.same = self.same.wrapping_add(copy.same);
        self.cross = self.cross.wrapping_add(copy.cross);
        self.answered = self.answered.wrapping_add(copy.answered);
    }

    /// All together, the delay of each weighed by how many there are.
    #[must_use]
    pub fn merged(self, other: Self) -> Self {
        let number = |c: &Self| u64::from(c.same) + u64::from(c.cross) + u64::from(c.answered);
        let (ours, theirs) = (number(&self), number(&other));
        let delays = ours * u64::from(self.delay) + theirs * u64::from(other.delay);
        Self {
            same: self.same.wrapping_add(other.same),
            cross: self.cross.wrapping_add(other.cross),
            answered: self.answered.wrapping_add(other.answered),
            delay: (delays / (ours + theirs).max(1)) as u32,
        }
    }
}

/// What one CPU counted of one flow. Times are `CLOCK_MONOTONIC` nanoseconds.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames and bytes.
    pub count: Count,
    /// Those of the frames that were copies.
    pub copies: Copies,
    /// First frame.
    pub first: u64,
    /// Last frame.
    pub last: u64,
}

// SAFETY: `repr(C)`, only u64 fields, so no padding; any bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for KeyV4 {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for KeyV6 {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Counts {}

#[cfg(test)]
mod tests {
    use super::*;

    fn copy(delay: u32) -> Copies {
        Copies {
            same: 1,
            delay: delay * 16,
            ..Copies::default()
        }
    }

    #[test]
    fn the_mean_delay_begins_with_the_first_and_follows_later_ones() {
        let mut copies = Copies::default();
        copies.add(copy(1000));
        assert_eq!(copies, copy(1000));
        (0..100).for_each(|_| copies.add(copy(10)));
        assert_eq!(copies.same, 101);
        assert!((10..13).contains(&(copies.delay / 16)), "{copies:?}");
    }

    #[test]
    fn merging_weighs_delays() {
        let three = Copies {
            same: 3,
            delay: 40,
            ..Copies::default()
        };
        let one = Copies {
            answered: 1,
            delay: 80,
            ..Copies::default()
        };
        let expected = Copies {
            same: 3,
            cross: 0,
            answered: 1,
            delay: 50,
        };
        assert_eq!(three.merged(one), expected);
        assert_eq!(
            Copies::default().merged(Copies::default()),
            Copies::default()
        );
    }
}
