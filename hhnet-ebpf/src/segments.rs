// SPDX-License-Identifier: Apache-2.0
//! sk_buffs that stand for several frames.
//!
//! GRO has put received segments together before a classifier sees them, and
//! TSO or GSO cut sent ones after it has. All frames but the last have the size
//! the sk_buff tells, and each has the headers that the sk_buff has once.

use core::{num::NonZeroU64, ptr};

use crate::{flow::Count, frame::Frame, veil::Veil};

/// Bytes of a VLAN tag.
const TAG: u64 = 4;

/// How many frames an sk_buff stands for, as far as it says so itself.
#[derive(Clone, Copy, Debug)]
pub struct Segments {
    known: u64,
    /// 1 if they are to be counted by their size, which virtio and tun leave to
    /// the stack; else 0.
    unknown: u64,
    size: NonZeroU64,
}

impl Segments {
    /// From `gso_size` and `gso_segs`, both 0 where nothing is to be cut.
    ///
    /// All questions are asked here, before the frame is parsed: afterwards the
    /// verifier would follow each answer anew from every place where headers can
    /// end, seven times the work. For the same reason the answer is volatile:
    /// LLVM would ask again where it is used.
    #[inline(always)]
    pub fn new(size: u64, segments: u64) -> Self {
        let answer = match (NonZeroU64::new(size), segments) {
            (None, _) => Self::of(1, 0, NonZeroU64::MIN),
            (Some(size), 0) => Self::of(0, 1, size),
            (Some(size), segments) => Self::of(segments, 0, size),
        };
        // SAFETY: a local variable.
        unsafe { ptr::read_volatile(&raw const answer) }
    }

    #[inline(always)]
    const fn of(known: u64, unknown: u64, size: NonZeroU64) -> Self {
        Self {
            known,
            unknown,
            size,
        }
    }

    /// Whether it says that it is more than one.
    #[inline(always)]
    pub const fn are_several(&self, veil: Veil) -> bool {
        // 1 of a single frame, which neither 0 nor a number of segments is.
        self.known ^ veil.over(0) != 1
    }

    /// What `frame`, with so many bytes of `headers`, is on the wire. Of a
    /// tunnelled packet the inner headers are taken to be payload.
    #[expect(
        clippy::manual_div_ceil,
        reason = "which asks two questions, whether the divisor is 0 among them"
    )]
    #[inline(always)]
    pub const fn on_the_wire(&self, frame: &Frame, headers: u64) -> Count {
        let length = frame.length();
        let tag = TAG * frame.tags_beside();
        let by_size = (length - headers + self.size.get() - 1) / self.size.get();
        let packets = self.known + self.unknown * by_size;
        Count {
            packets,
            bytes: length + tag + (packets - 1) * (headers + tag),
        }
    }
}
