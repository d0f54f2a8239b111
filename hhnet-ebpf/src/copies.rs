// SPDX-License-Identifier: Apache-2.0
//! Counters of frames that came twice, and examples of them.

use crate::{
    duplicate::{Finding, Verdict, log2},
    flow::Copies,
    member::MAX_MEMBERS,
    veil::Veil,
};

/// Buckets of the delay histograms: bucket n is of delays from 2ⁿ ticks of 1.024 µs
/// on, the first also of shorter ones. 2¹⁵ is the last below the longest window.
pub const DELAY_BUCKETS: usize = 16;

/// Bytes of a frame that an example shows.
pub const EXAMPLE_BYTES: usize = 96;

/// Shortest time between two examples of a member on a CPU, in nanoseconds.
pub const EXAMPLE_PERIOD: u64 = 100_000_000;

/// What one CPU found on one member.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyCounters {
    /// Frames by [`Verdict`], without those that are [`Verdict::Unique`].
    pub verdicts: [u64; Verdict::COUNT],
    /// Frames of which at least one copy came: RFC 5560's replicated packets.
    pub replicated: u64,
    /// Delays of copies, by [`Verdict`]; of [`Verdict::Unique`] there are none.
    pub delays: [[u64; DELAY_BUCKETS]; 1 + Verdict::COPIES],
    /// The same copies by the member that got the first.
    pub originals: [u64; MAX_MEMBERS as usize],
    /// When the last example was given, in `CLOCK_MONOTONIC` nanoseconds.
    pub last_example: u64,
}

impl Default for CopyCounters {
    fn default() -> Self {
        Self {
            verdicts: [0; Verdict::COUNT],
            replicated: 0,
            delays: [[0; DELAY_BUCKETS]; 1 + Verdict::COPIES],
            originals: [0; MAX_MEMBERS as usize],
            last_example: 0,
        }
    }
}

impl CopyCounters {
    /// Counts a verdict that is not [`Verdict::Unique`].
    #[inline(always)]
    pub fn count(&mut self, finding: &Finding, veil: Veil) {
        if let Some(count) = self.verdicts.get_mut(finding.verdict.index()) {
            *count += 1;
        }
        if !finding.is_copy() {
            return;
        }
        self.replicated += finding.firsts;
        if let Some(histogram) = self.delays.get_mut(finding.verdict.index()) {
            // Veiled, as the compiler knows more of a logarithm than the verifier.
            let bucket = veil.over(log2(finding.delay as u32)) as usize;
            if let Some(count) = histogram.get_mut(bucket) {
                *count += 1;
            }
        }
        if let Some(count) = self.originals.get_mut(finding.original as usize) {
            *count += 1;
        }
    }

    /// Whether it is time for another example.
    #[inline(always)]
    pub const fn wants_example(&mut self, now: u64) -> bool {
        let wants = now.wrapping_sub(self.last_example) >= EXAMPLE_PERIOD;
        if wants {
            self.last_example = now;
        }
        wants
    }
}

impl Finding {
    /// What is counted of it for its flow: nothing unless it is a copy.
    #[inline(always)]
    pub fn copies(&self) -> Copies {
        // Nearly all frames are none, and need not be asked what sort of copy.
        if self.verdict == Verdict::Unique {
            return Copies::default();
        }
        // Odd verdicts are of the same member, even ones of another.
        let is_same = self.verdict.index() as u32 & 1;
        let (same, cross) = if self.is_copy() {
            (is_same, 1 - is_same)
        } else {
            (0, 0)
        };
        let answered = (self.verdict.index() == Verdict::Answered as usize) as u32;
        Copies {
            same,
            cross,
            answered,
            delay: if same | cross | answered != 0 {
                (self.delay as u32) << 4
            } else {
                0
            },
        }
    }
}

/// A frame that was found to be a copy.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// When it came, in `CLOCK_MONOTONIC` nanoseconds.
    pub time: u64,
    /// See [`Finding::delay`].
    pub delay: u32,
    /// Bytes on the wire.
    pub length: u32,
    /// A [`Verdict`].
    pub verdict: u8,
    /// The member that got it.
    pub member: u8,
    /// The member that got the first.
    pub original: u8,
    /// How many VLAN tags were beside the frame: 0 or 1.
    pub tags: u8,
    /// That tag.
    pub tag: u16,
    /// How many of [`bytes`](Self::bytes) are the frame's; the others say nothing.
    pub shown: u16,
    /// Its first bytes.
    pub bytes: [u8; EXAMPLE_BYTES],
}

// SAFETY: `repr(C)`, only u64 fields, so no padding; any bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for CopyCounters {}
// SAFETY: `repr(C)` and without padding (24 + 96 bytes); any bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl aya::Pod for Example {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::veil::Veiled;

    #[test]
    fn an_example_has_no_padding() {
        assert_eq!(size_of::<Example>(), 24 + EXAMPLE_BYTES);
    }

    #[test]
    fn a_copy_is_counted_by_its_verdict_delay_and_original() {
        let mut counters = CopyCounters::default();
        let finding = |delay, firsts| Finding {
            verdict: Veiled::new(Verdict::WeakCross),
            delay,
            original: 3,
            firsts,
        };
        counters.count(&finding(1000, 1), Veil::default());
        counters.count(&finding(0, 0), Veil::default());
        assert_eq!(counters.verdicts[Verdict::WeakCross as usize], 2);
        assert_eq!((counters.delays[4][9], counters.delays[4][0]), (1, 1));
        assert_eq!((counters.originals[3], counters.replicated), (2, 1));
        let skipped = Finding {
            verdict: Veiled::new(Verdict::Skipped),
            ..finding(7, 1)
        };
        counters.count(&skipped, Veil::default());
        assert_eq!(counters.verdicts[Verdict::Skipped as usize], 1);
        assert_eq!((counters.originals[3], counters.replicated), (2, 1));
    }

    #[test]
    fn examples_are_ten_a_second() {
        let mut counters = CopyCounters::default();
        let given = (0..1000_u64)
            .filter(|ms| counters.wants_example((ms + 1_000) * 1_000_000))
            .count();
        assert_eq!(given, 10);
    }
}
