// SPDX-License-Identifier: Apache-2.0
//! What stays the same in every copy of a frame, in one number.
//!
//! In: the innermost VLAN, the IP header, and up to 64 bytes after it, among them
//! the checksum of TCP and UDP, which stands for the rest. Out: MAC addresses, TTL
//! and hop limit, DSCP and ECN and the header's checksum, which routers change, and
//! the padding of short frames.

use crate::{
    frame::Frame,
    mix::mix,
    packet::Packet,
    veil::{Numbered, Veil, Veiled},
};

/// Whether a sender may rightly send the same bytes again.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Perhaps: nothing in the frame is new each time.
    Weak,
    /// No: an IPv4 identification, an echo's sequence number, an ESP sequence number.
    Strong,
    /// Not to be compared.
    Nothing,
    /// TCP data with a timestamp: sent again it has another, unless that was within a
    /// tick of the sender's clock, a millisecond of Linux'.
    Stamped,
    /// TCP data without: sent again it is the same.
    Segment,
    /// A TCP acknowledgement without data, with a timestamp and no other option: a
    /// receiver that misses a segment says with each what it has (RFC 2018), so that
    /// it sends this one again only if it cannot.
    StampedAcknowledgement,
    /// A TCP acknowledgement of another sort, which a receiver may well send again.
    Acknowledgement,
}

impl Numbered for Evidence {
    const ALL: &'static [Self] = &[
        Self::Weak,
        Self::Strong,
        Self::Nothing,
        Self::Stamped,
        Self::Segment,
        Self::StampedAcknowledgement,
        Self::Acknowledgement,
    ];

    #[inline(always)]
    fn number(self) -> u8 {
        self as u8
    }
}

/// What is to be hashed of a frame besides its flow, and what it proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The fields of the IP header that stay the same.
    pub(crate) header: u64,
    /// Offset of what follows the IP header without options.
    pub(crate) body: usize,
    /// Bytes from there to the packet's end.
    pub(crate) left: u64,
    /// What a repetition proves.
    pub evidence: Veiled<Evidence>,
    /// Four bits of the IP identification of echoes, which is not in the hash.
    pub(crate) note: u64,
}

impl Identity {
    /// Of a frame of which nothing is to be hashed.
    #[inline(always)]
    pub(crate) fn of(evidence: Evidence) -> Self {
        Self {
            header: 0,
            body: 0,
            left: 0,
            evidence: Veiled::new(evidence),
            note: 0,
        }
    }

    #[inline(always)]
    pub(crate) fn through(self, veil: Veil) -> Self {
        Self {
            evidence: self.evidence.through(veil),
            body: veil.over_offset(self.body),
            ..self
        }
    }
}

/// A frame, as it is told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Well mixed.
    pub hash: u64,
    /// What a repetition proves.
    pub evidence: Veiled<Evidence>,
    /// See [`Slot`](crate::duplicate::Slot).
    pub(crate) note: u64,
}

/// Words of eight bytes that are hashed of the body.
const WORDS: usize = 8;
/// Bytes of it where the header itself tells frames apart; with the transport's
/// checksum.
const STRONG_BYTES: u64 = 24;

impl Fingerprint {
    /// The fingerprint of `frame`, in which `packet` was found.
    #[inline(always)]
    pub fn new(frame: &Frame, packet: &Packet) -> Self {
        let Identity {
            header,
            body,
            left,
            evidence,
            note,
        } = packet.identity;
        let left = if evidence == Evidence::Strong && left > STRONG_BYTES {
            STRONG_BYTES
        } else {
            left
        };
        Self {
            hash: body_digest(frame, mix(packet.digest ^ header), body, left),
            evidence,
            note,
        }
    }
}

/// Hashes `left` bytes at `offset`, at most [`WORDS`] words, as far as they can be
/// read. The last three are left out: reading them one by one costs more than they
/// tell.
#[inline(always)]
fn body_digest(frame: &Frame, seed: u64, offset: usize, left: u64) -> u64 {
    let mut hash = seed;
    for word in 0..WORDS {
        let at = offset + word * 8;
        if left >= (word as u64 + 1) * 8
            && let Some(bytes) = frame.header::<8>(at)
        {
            hash = mix(hash ^ bytes.read::<u64, 0>());
            continue;
        }
        if left & 4 != 0
            && let Some(bytes) = frame.header::<4>(at)
        {
            hash = mix(hash ^ u64::from(bytes.read::<u32, 0>()));
        }
        break;
    }
    hash
}
