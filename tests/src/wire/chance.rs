// SPDX-License-Identifier: Apache-2.0
//! Random choices that a seed repeats.

use std::ops::Range;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// A sequence of choices.
#[derive(Debug)]
pub struct Chance(SmallRng);

impl Chance {
    /// The sequence that `seed` begins.
    pub fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: u32) -> bool {
        self.0.random_ratio(percent, 100)
    }

    /// A number out of a range that is not empty.
    pub fn pick(&mut self, range: Range<usize>) -> usize {
        self.0.random_range(range)
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.0.fill(&mut bytes[..]);
        bytes
    }
}
