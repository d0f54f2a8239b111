// SPDX-License-Identifier: Apache-2.0
//! Whether a frame was here before: one slot of a table remembers the frame that
//! was last there, and the next one with the same fingerprint is judged by it.
//!
//! What counts as a copy depends on whether a sender may rightly send the same
//! bytes again. With an identity of its own ([`Evidence::Strong`]) it may not, and
//! any copy within [`STRONG_WINDOW`] is one. Without, only one that follows closely,
//! or on another member: a sender's hash keeps a flow on one.

mod slot;
mod verdict;

use self::slot::{INDEX_BITS, NOTE_BITS, TIME_BITS};
pub use self::{slot::Slot, verdict::Verdict};
use crate::{
    fingerprint::{Evidence, Fingerprint},
    frame::Frame,
    veil::Veiled,
};

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
