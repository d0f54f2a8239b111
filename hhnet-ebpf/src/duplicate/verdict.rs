// SPDX-License-Identifier: Apache-2.0
//! What a frame can be found to be.

use crate::veil::Numbered;

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
    pub(super) const fn copy(is_strong: bool, is_cross: bool) -> Self {
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
