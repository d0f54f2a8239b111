// SPDX-License-Identifier: Apache-2.0
//! Random disturbances.

use std::time::Duration;

use super::Disturbance;
use crate::wire::Chance;

/// How long disturbances last, in milliseconds. More than that, and a server that has lost
/// its lease would ask for the next one too seldom for a test.
const HOLD: std::ops::Range<usize> = 300..4000;

/// An endless sequence of disturbances, the same for the same seed.
#[derive(Debug)]
pub struct Sequence(Chance);

impl Sequence {
    /// The sequence that `seed` begins.
    pub fn new(seed: u64) -> Self {
        Self(Chance::new(seed))
    }
}

impl Iterator for Sequence {
    type Item = (Vec<Disturbance>, Duration);

    /// What happens at the same time, each to something else, and for how long.
    fn next(&mut self) -> Option<Self::Item> {
        let Self(chance) = self;
        let mut all = Vec::new();
        let wanted = 1 + usize::from(chance.percent(50)) + usize::from(chance.percent(25));
        for _ in 0..wanted {
            let one = Disturbance::ALL[chance.pick(0..Disturbance::ALL.len())];
            let is_free = |other: &Disturbance| other.subject() != one.subject();
            if all.iter().all(is_free) {
                all.push(one);
            }
        }
        Some((all, Duration::from_millis(chance.pick(HOLD) as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_sequence() {
        let first = |seed| Sequence::new(seed).take(50).collect::<Vec<_>>();
        assert_eq!(first(7), first(7));
        assert_ne!(first(7), first(8));
    }

    #[test]
    fn every_disturbance_comes_and_none_disturbs_another() {
        let rounds: Vec<_> = Sequence::new(1).take(300).collect();
        for disturbance in Disturbance::ALL {
            let comes = rounds.iter().any(|(all, _)| all.contains(&disturbance));
            assert!(comes, "{disturbance:?}");
        }
        for (all, _) in rounds {
            let mut subjects: Vec<_> = all.iter().map(|one| one.subject()).collect();
            subjects.sort_unstable();
            subjects.dedup();
            assert_eq!(subjects.len(), all.len(), "{all:?}");
        }
    }
}
