// SPDX-License-Identifier: Apache-2.0
//! The hash of keys and fingerprints.

/// One multiplication carries every bit into the upper half, the shift back
/// into the lower; the factor is 2⁶⁴ divided by the golden ratio.
#[inline(always)]
pub(crate) const fn mix(word: u64) -> u64 {
    let product = word.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 32
}
