// SPDX-License-Identifier: Apache-2.0
//! What is remembered of a frame, in one word.

/// Bits of the fields of a slot, from the lowest.
const MEMBER_BITS: u32 = 5;
pub(super) const TIME_BITS: u32 = 24;
const MATCHES_BITS: u32 = 2;
pub(super) const NOTE_BITS: u32 = 4;
const TIME_AT: u32 = MEMBER_BITS;
const MATCHES_AT: u32 = TIME_AT + TIME_BITS;
const NOTE_AT: u32 = MATCHES_AT + MATCHES_BITS;
const COPIED_AT: u32 = NOTE_AT + NOTE_BITS;
const TAG_AT: u32 = COPIED_AT + 1;
const COPIED: u64 = 1 << COPIED_AT;

/// Bits of [`Fingerprint`] that a slot does not keep, because its place tells
/// them.
pub(super) const INDEX_BITS: u32 = TAG_AT;

/// What a slot remembers. All zeros: nothing.
///
/// Bits 0–4 member of the first frame, 5–28 its time in ticks of 1.024 µs (wraps
/// after 17 s), 29–30 matches, 31–34 note, 35 whether it was copied already, 36–63
/// tag. The note is, of an echo with an IP identification, four bits of that; else
/// log2 of the usual distance in ticks.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot(pub u64);

impl Slot {
    #[inline(always)]
    pub(super) const fn new(tag: u64, note: u64, matches: u64, time: u32, member: u8) -> Self {
        Self(
            tag << TAG_AT
                | note << NOTE_AT
                | matches << MATCHES_AT
                | (time as u64) << TIME_AT
                | member as u64,
        )
    }

    /// The member that got the first frame.
    #[inline(always)]
    pub const fn member(self) -> u8 {
        self.0 as u8 & ((1 << MEMBER_BITS) - 1)
    }

    #[inline(always)]
    pub(super) const fn time(self) -> u32 {
        (self.0 >> TIME_AT) as u32 & ((1 << TIME_BITS) - 1)
    }

    #[inline(always)]
    pub(super) const fn matches(self) -> u64 {
        self.0 >> MATCHES_AT & ((1 << MATCHES_BITS) - 1)
    }

    #[inline(always)]
    pub(super) const fn note(self) -> u64 {
        self.0 >> NOTE_AT & ((1 << NOTE_BITS) - 1)
    }

    #[inline(always)]
    pub(super) const fn tag(self) -> u64 {
        self.0 >> TAG_AT
    }

    /// Whether a copy of the frame has come already.
    #[inline(always)]
    pub(super) const fn is_copied(self) -> bool {
        self.0 & COPIED != 0
    }

    #[inline(always)]
    pub(super) const fn copied(self) -> Self {
        Self(self.0 | COPIED)
    }

    /// One match more, for as many as can be counted.
    #[inline(always)]
    pub(super) const fn matched(self) -> Self {
        let most = (1 << MATCHES_BITS) - 1;
        let more = (self.matches() != most) as u64;
        Self(self.0 + (more << MATCHES_AT))
    }

    #[inline(always)]
    pub(super) const fn with_note(self, note: u64) -> Self {
        let mask = ((1 << NOTE_BITS) - 1) << NOTE_AT;
        Self(self.0 & !mask | note << NOTE_AT)
    }
}
