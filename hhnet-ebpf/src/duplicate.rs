// SPDX-License-Identifier: Apache-2.0
//! Whether a frame was here before: one slot of a table remembers the frame that
//! was last there, and the next one with the same fingerprint is judged by it.
//!
//! What counts as a copy depends on whether a sender may rightly send the same
//! bytes again. With an identity of its own ([`Evidence::Strong`]) it may not, and
//! any copy within [`STRONG_WINDOW`] is one. Without, only one that follows closely,
//! or on another member: a sender's hash keeps a flow on one.

use crate::{
    fingerprint::{Evidence, Fingerprint},
    frame::Frame,
    veil::{Numbered, Veiled},
};

/// Bits of the fields of a slot, from the lowest.
const MEMBER_BITS: u32 = 5;
const TIME_BITS: u32 = 24;
const MATCHES_BITS: u32 = 2;
const NOTE_BITS: u32 = 4;
const TIME_AT: u32 = MEMBER_BITS;
const MATCHES_AT: u32 = TIME_AT + TIME_BITS;
const NOTE_AT: u32 = MATCHES_AT + MATCHES_BITS;
const COPIED_AT: u32 = NOTE_AT + NOTE_BITS;
const TAG_AT: u32 = COPIED_AT + 1;
const COPIED: u64 = 1 << COPIED_AT;

/// Bits of [`Fingerprint`] that a slot does not keep, because its place tells
/// them.
const INDEX_BITS: u32 = TAG_AT;

/// Longest time between a frame with an identity and its copy, in ticks of
/// 1.024 µs: 50 ms. A 16-bit IP identification repeats after 65,536 packets.
pub const STRONG_WINDOW: u32 = 48_828;
/// The same of frames without, on another member than the first.
pub const CROSS_WINDOW: u32 = STRONG_WINDOW;
/// The same on the same member: 2 ms. Heartbeats, BFD and retries of ARP are
/// farther apart.
pub const WEAK_WINDOW: u32 = 1_953;

/// The same of TCP data without an identification on the same member: 64 µs. What was
/// lost is sent again after a round trip.
pub const PROMPT_WINDOW: u32 = 62;

/// Longest distance at which a flow is known to repeat itself: what
/// [`Slot`]'s note can tell, 67 ms.
const LONGEST: u32 = (1 << (1 << NOTE_BITS)) - 1;

/// From so many matches on a flow is known to send the same bytes again.
const LEARNED: u64 = 2;

/// What was found out about a frame.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not seen before.
    Unique,
    /// A copy of a frame with an identity, on the member of the first.
    StrongSame,
    /// The same, on another member.
    StrongCross,
    /// A copy of a frame without an identity, on the member of the first.
    WeakSame,
    /// The same, on another member.
    WeakCross,
    /// A TCP segment as before, which may have been sent again.
    Ambiguous,
    /// As before, but at the distance at which this flow repeats itself.
    Repetitive,
    /// Not compared: of the link itself (IEEE 802.1Q table 8-1: STP, LACP, LLDP),
    /// or cut short.
    Skipped,
    /// Not compared: our own, sent back by the switch.
    Looped,
    /// A copy of which bonding drops one, because a member is not in use.
    Suppressed,
    /// Not compared: GRO has put several frames together.
    Merged,
    /// An echo reply that answers the same request again, under another IP
    /// identification: the request was duplicated.
    Answered,
}

impl Verdict {
    /// Number of verdicts.
    pub const COUNT: usize = 12;
    /// Those that are copies: the first, after [`Unique`](Self::Unique).
    pub const COPIES: usize = 4;

    #[inline(always)]
    const fn copy(is_strong: bool, is_cross: bool) -> Self {
        match (is_strong, is_cross) {
            (true, false) => Self::StrongSame,
            (true, true) => Self::StrongCross,
            (false, false) => Self::WeakSame,
            (false, true) => Self::WeakCross,
        }
    }
}

impl Numbered for Verdict {
    const ALL: &'static [Self] = &[
        Self::Unique,
        Self::StrongSame,
        Self::StrongCross,
        Self::WeakSame,
        Self::WeakCross,
        Self::Ambiguous,
        Self::Repetitive,
        Self::Skipped,
        Self::Looped,
        Self::Suppressed,
        Self::Merged,
        Self::Answered,
    ];

    #[inline(always)]
    fn number(self) -> u8 {
        self as u8
    }
}

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
    const fn new(tag: u64, note: u64, matches: u64, time: u32, member: u8) -> Self {
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
    const fn time(self) -> u32 {
        (self.0 >> TIME_AT) as u32 & ((1 << TIME_BITS) - 1)
    }

    #[inline(always)]
    const fn matches(self) -> u64 {
        self.0 >> MATCHES_AT & ((1 << MATCHES_BITS) - 1)
    }

    #[inline(always)]
    const fn note(self) -> u64 {
        self.0 >> NOTE_AT & ((1 << NOTE_BITS) - 1)
    }

    #[inline(always)]
    const fn tag(self) -> u64 {
        self.0 >> TAG_AT
    }

    /// Whether a copy of the frame has come already.
    #[inline(always)]
    const fn is_copied(self) -> bool {
        self.0 & COPIED != 0
    }

    #[inline(always)]
    const fn copied(self) -> Self {
        Self(self.0 | COPIED)
    }

    /// One match more, for as many as can be counted.
    #[inline(always)]
    const fn matched(self) -> Self {
        let most = (1 << MATCHES_BITS) - 1;
        let more = (self.matches() != most) as u64;
        Self(self.0 + (more << MATCHES_AT))
    }

    #[inline(always)]
    const fn with_note(self, note: u64) -> Self {
        let mask = ((1 << NOTE_BITS) - 1) << NOTE_AT;
        Self(self.0 & !mask | note << NOTE_AT)
    }
}

/// A frame to be judged.
#[derive(Clone, Copy, Debug)]
pub struct Sighting {
    tag: u64,
    evidence: Veiled<Evidence>,
    note: u64,
    now: u32,
    member: u8,
}

/// The verdict, and what led to it: whole words, because structs of narrower fields
/// are put together and taken apart again by shifts wherever two ways meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What the frame is.
    pub verdict: Veiled<Verdict>,
    /// Time since the frame it is compared with, in ticks of 1.024 µs.
    pub delay: u64,
    /// The member that got that frame.
    pub original: u64,
    /// 1 if it is the first to match that frame, else 0.
    pub firsts: u64,
}

impl Finding {
    /// Of a frame that was compared with none.
    #[inline(always)]
    pub fn of(verdict: Verdict) -> Self {
        Self {
            verdict: Veiled::new(verdict),
            delay: 0,
            original: 0,
            firsts: 0,
        }
    }

    /// The same, as `frame` lets the verifier see it.
    #[inline(always)]
    #[must_use]
    pub const fn through(self, frame: &Frame) -> Self {
        Self {
            verdict: self.verdict.through(frame.veil()),
            ..self
        }
    }

    /// Whether it is a copy that the host gets twice.
    #[inline(always)]
    pub const fn is_copy(&self) -> bool {
        let number = self.verdict.index();
        number != Verdict::Unique as usize && number <= Verdict::COPIES
    }
}

impl Sighting {
    /// A frame that `member` got at `now`, in nanoseconds.
    #[inline(always)]
    pub const fn new(fingerprint: &Fingerprint, now: u64, member: u8) -> Self {
        Self {
            tag: fingerprint.hash >> INDEX_BITS,
            evidence: fingerprint.evidence,
            note: fingerprint.note,
            now: (now >> 10) as u32 & ((1 << TIME_BITS) - 1),
            member,
        }
    }

    /// Judges by what the slot remembers, and says what it shall remember.
    #[inline(always)]
    pub fn judge(&self, slot: Slot) -> (Finding, Slot) {
        let delay = self.now.wrapping_sub(slot.time()) & ((1 << TIME_BITS) - 1);
        let fresh = Slot::new(self.tag, self.note, 0, self.now, self.member);
        let (verdict, next) = if delay > LONGEST {
            (Verdict::Unique, fresh)
        } else if slot.tag() != self.tag {
            // What was learned of a flow that repeats itself is kept while it does.
            let is_learned = slot.matches() >= LEARNED;
            (Verdict::Unique, if is_learned { slot } else { fresh })
        } else {
            self.compare(slot, delay)
                .unwrap_or((Verdict::Unique, fresh))
        };
        let finding = Finding {
            verdict: Veiled::new(verdict),
            delay: delay.into(),
            original: slot.member().into(),
            firsts: u64::from(!slot.is_copied()),
        };
        (finding, next)
    }

    /// With a frame of the same fingerprint, `delay` before. None if it was another
    /// frame and nothing is to be kept of it.
    #[inline(always)]
    fn compare(&self, slot: Slot, delay: u32) -> Option<(Verdict, Slot)> {
        let is_cross = slot.member() != self.member;
        if self.evidence == Evidence::Strong {
            let verdict = if slot.note() == self.note {
                Verdict::copy(true, is_cross)
            } else {
                Verdict::Answered
            };
            (delay <= STRONG_WINDOW).then_some((verdict, slot.copied()))
        } else if self.evidence == Evidence::Weak {
            Some(self.weak(slot, delay, is_cross))
        } else {
            self.tcp(slot, delay, is_cross)
        }
    }

    /// Of a TCP segment without an identification of its own. What a sender sends again
    /// goes by the same member, after a round trip, under a new timestamp where it has
    /// them.
    #[inline(always)]
    fn tcp(&self, slot: Slot, delay: u32, is_cross: bool) -> Option<(Verdict, Slot)> {
        let is_stamped = self.evidence == Evidence::Stamped;
        let is_within = delay <= WEAK_WINDOW;
        if is_cross || is_stamped && !is_within {
            let copy = Verdict::copy(is_stamped, is_cross);
            return (delay <= STRONG_WINDOW).then_some((copy, slot.copied()));
        }
        let is_prompt = if self.evidence == Evidence::StampedAcknowledgement {
            // A receiver that cannot say what it has repeats it more than once.
            !slot.is_copied()
        } else {
            self.evidence != Evidence::Acknowledgement && delay <= PROMPT_WINDOW
        };
        if is_within && is_prompt {
            Some((Verdict::WeakSame, slot.copied()))
        } else if is_within {
            let fresh = Slot::new(self.tag, 0, 0, self.now, self.member);
            Some((Verdict::Ambiguous, fresh.copied()))
        } else {
            None
        }
    }

    /// Of a frame that may rightly come again: two matches may be copies, and
    /// teach at what distance the flow repeats itself. After that only what comes
    /// in less than half of it is one.
    #[inline(always)]
    const fn weak(&self, slot: Slot, delay: u32, is_cross: bool) -> (Verdict, Slot) {
        let window = if is_cross { CROSS_WINDOW } else { WEAK_WINDOW };
        let is_within = delay <= window;
        let (distance, usual) = (log2(delay), slot.note());
        let again = Slot::new(self.tag, usual, slot.matches(), self.now, self.member).matched();
        if slot.matches() < LEARNED {
            let longest = if distance > usual { distance } else { usual };
            if is_within && is_cross {
                (
                    Verdict::WeakCross,
                    slot.matched().with_note(longest).copied(),
                )
            } else if is_within {
                (Verdict::WeakSame, again.with_note(longest).copied())
            } else {
                (Verdict::Unique, again.with_note(longest))
            }
        } else if is_within && delay << 1 < 1 << usual {
            (Verdict::copy(false, is_cross), slot.copied())
        } else {
            // Slowly up, in case some were lost; at once down.
            let slower = usual + (distance > usual) as u64;
            let usual = if distance < slower { distance } else { slower };
            let verdict = if is_within {
                Verdict::Repetitive
            } else {
                Verdict::Unique
            };
            (verdict, again.with_note(usual))
        }
    }

    /// The finding, if another CPU has put a copy into the slot since it was read:
    /// `met` is what was there when ours was put there.
    #[inline(always)]
    pub fn raced(&self, met: Slot) -> Option<Finding> {
        if met.tag() != self.tag {
            return None;
        }
        let is_cross = met.member() != self.member;
        let is_strong =
            self.evidence == Evidence::Strong || self.evidence == Evidence::Stamped && is_cross;
        let verdict = Verdict::copy(is_strong, is_cross);
        Some(Finding {
            verdict: Veiled::new(verdict),
            delay: 0,
            original: met.member().into(),
            firsts: u64::from(!met.is_copied()),
        })
    }
}

/// Of the ticks between two frames; 0 of none.
#[inline(always)]
pub const fn log2(ticks: u32) -> u64 {
    (31 - (ticks | 1).leading_zeros()) as u64
}

#[cfg(test)]
mod tests;
