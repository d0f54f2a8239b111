// SPDX-License-Identifier: Apache-2.0
//! Bounds-checked reading of a frame, in a way that the verifier follows.

use crate::{flow::Attributes, veil::Veil};

/// The bounds of a frame in memory and what is known beside its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    start: usize,
    end: usize,
    length: u64,
    beside: Beside,
    origin: Origin,
    veil: Veil,
}

/// A VLAN tag that is not in the frame: how many, 0 or 1, and which.
#[derive(Clone, Copy, Debug)]
struct Beside {
    tags: u64,
    tag: u16,
}

impl Frame {
    /// A frame from its destination MAC address at `start` to the last byte
    /// that can be read, before `end`. In all it has `length` bytes: more if it
    /// is spread over several buffers. The NIC or driver may have taken
    /// out its VLAN tag.
    ///
    /// # Safety
    /// As long as the value lives, `start..end` must be readable, and `length`
    /// at least `end - start`.
    #[inline(always)]
    pub const unsafe fn new(
        start: usize,
        end: usize,
        length: u64,
        stripped_tag: Option<u16>,
        origin: Origin,
    ) -> Self {
        Self {
            start,
            end,
            length,
            beside: match stripped_tag {
                Some(tag) => Beside { tags: 1, tag },
                None => Beside { tags: 0, tag: 0 },
            },
            origin,
            veil: Veil::new(0),
        }
    }

    /// The same frame at bounds that were asked for anew: of those the verifier has
    /// learned nothing that it could tell ways to this place apart by.
    ///
    /// # Safety
    /// As for [`new`](Self::new).
    #[inline(always)]
    #[must_use]
    pub const unsafe fn at(self, start: usize, end: usize) -> Self {
        Self { start, end, ..self }
    }

    /// The same, as its interface lets the verifier see it.
    #[inline(always)]
    #[must_use]
    pub const fn through(self, veil: Veil) -> Self {
        Self { veil, ..self }
    }

    /// What hides numbers from the verifier.
    #[inline(always)]
    pub const fn veil(&self) -> Veil {
        self.veil
    }

    /// The same with `tag` beside it if `tags` is 1, and without one if it is
    /// 0: as numbers, because a choice would make the verifier follow all that
    /// comes twice.
    #[inline(always)]
    #[must_use]
    pub const fn with_tags(self, tags: u32, tag: u16) -> Self {
        let tags = tags as u64 & 1;
        Self {
            beside: Beside { tags, tag },
            ..self
        }
    }

    /// Bytes in all buffers; neither the checksum nor a stripped tag.
    #[inline(always)]
    pub const fn length(&self) -> u64 {
        self.length
    }

    /// Tags that are beside the frame, not in it: 0 or 1.
    #[inline(always)]
    pub const fn tags_beside(&self) -> u64 {
        self.beside.tags
    }

    /// That tag; any number if there is none.
    #[inline(always)]
    pub const fn tag_beside(&self) -> u16 {
        self.beside.tag
    }

    /// Whether it must not be forwarded: IEEE 802.1Q table 8-1, which has STP, LACP
    /// and LLDP.
    #[inline(always)]
    pub fn is_link_local(&self) -> bool {
        self.header::<8>(0)
            .is_none_or(|header| header.read::<u64, 0>() >> 20 == 0x0018_0c20_0000)
    }

    /// Its source MAC address, of a frame that has an Ethernet header.
    #[inline(always)]
    pub fn source(&self) -> Option<u64> {
        let header = self.header::<14>(0)?;
        Some(header.read::<u64, 6>() >> 16)
    }

    /// Which counters it belongs to: see [`counters`](crate::member::counters).
    #[inline(always)]
    pub const fn counters(&self) -> u32 {
        Attributes(self.origin.0).counters()
    }

    /// Where the frame was seen.
    #[inline(always)]
    pub(crate) const fn origin(&self) -> Origin {
        self.origin
    }

    /// The `LENGTH` bytes at `offset`, if all of them can be read.
    #[inline(always)]
    pub(crate) const fn header<const LENGTH: usize>(
        &self,
        offset: usize,
    ) -> Option<Header<LENGTH>> {
        let address = self.start + offset;
        if address + LENGTH > self.end {
            None
        } else {
            Some(Header { address })
        }
    }
}

/// `LENGTH` readable bytes.
#[derive(Clone, Copy)]
pub(crate) struct Header<const LENGTH: usize> {
    address: usize,
}

impl<const LENGTH: usize> Header<LENGTH> {
    /// The number in network byte order that begins at byte `AT`.
    #[inline(always)]
    pub(crate) fn read<T: Number, const AT: usize>(self) -> T {
        const { assert!(AT + size_of::<T>() <= LENGTH) };
        let pointer = (self.address + AT) as *const T;
        let number = if cfg!(target_arch = "bpf") {
            // `read_unaligned` would be compiled to loads of single bytes. The
            // verifier refuses the program where one load cannot do it.
            // SAFETY: inside the header, which `Frame::header` found readable.
            unsafe { *pointer }
        } else {
            // SAFETY: as above.
            unsafe { pointer.read_unaligned() }
        };
        number.to_host()
    }
}

/// Numbers in headers.
pub(crate) trait Number: Copy {
    fn to_host(self) -> Self;
}

macro_rules! numbers {
    ($($number:ty),*) => {$(
        impl Number for $number {
            #[inline(always)]
            fn to_host(self) -> Self {
                Self::from_be(self)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64);

/// A member slot and a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin(u64);

impl Origin {
    /// Received by the member in `slot`.
    #[inline(always)]
    pub const fn ingress(slot: u8) -> Self {
        Self((slot as u64) << 56)
    }

    /// Sent by the member in `slot`.
    #[inline(always)]
    pub const fn egress(slot: u8) -> Self {
        Self((slot as u64) << 56 | Attributes::EGRESS)
    }

    /// As bits of [`Attributes`].
    #[inline(always)]
    pub(crate) const fn attributes(self) -> u64 {
        self.0
    }
}
