// SPDX-License-Identifier: Apache-2.0
//! How good a detector's opinion of a trace is.

use crate::trace::{Label, Trace};

/// Right and wrong opinions on the frames of a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Copies that were found.
    pub found: usize,
    /// Copies that were taken for originals.
    pub missed: usize,
    /// Originals that were taken for copies.
    pub false_alarms: usize,
}

impl Score {
    /// Of a detector that calls those frames of `trace` copies, by their index.
    pub fn of(trace: &Trace, is_copy: impl Fn(usize) -> bool) -> Self {
        let mut score = Self::default();
        for (index, frame) in trace.frames.iter().enumerate() {
            match (frame.label, is_copy(index)) {
                (Label::CopyOf { .. }, true) => score.found += 1,
                (Label::CopyOf { .. }, false) => score.missed += 1,
                (Label::Original, true) => score.false_alarms += 1,
                (Label::Original, false) => (),
            }
        }
        score
    }

    /// The share of alarms that are right; 1 without any.
    pub fn precision(&self) -> f64 {
        share(self.found, self.false_alarms)
    }

    /// The share of copies that are found; 1 without any.
    pub fn recall(&self) -> f64 {
        share(self.found, self.missed)
    }

    /// The harmonic mean of both.
    pub fn f1(&self) -> f64 {
        share(2 * self.found, self.false_alarms + self.missed)
    }
}

fn share(right: usize, wrong: usize) -> f64 {
    match right + wrong {
        0 => 1.0,
        all => right as f64 / all as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Mix, Plan};

    fn trace() -> Trace {
        let plan = Plan {
            frames: 2000,
            rate: 20_000.0,
            copies: 0.1,
            mix: Mix::Typical,
            seed: 1,
        };
        plan.generate()
    }

    fn is_copy(trace: &Trace, index: usize) -> bool {
        trace.frames[index].label != Label::Original
    }

    #[test]
    fn the_truth_is_perfect() {
        let trace = trace();
        let score = Score::of(&trace, |index| is_copy(&trace, index));
        assert!(score.found > 100);
        assert_eq!(
            (score.precision(), score.recall(), score.f1()),
            (1.0, 1.0, 1.0)
        );
    }

    #[test]
    fn opinions_have_their_price() {
        let trace = trace();
        let copies = Score::of(&trace, |index| is_copy(&trace, index)).found;
        let nothing = Score::of(&trace, |_| false);
        assert_eq!((nothing.precision(), nothing.recall()), (1.0, 0.0));
        assert_eq!(nothing.missed, copies);
        let everything = Score::of(&trace, |_| true);
        assert_eq!(everything.recall(), 1.0);
        assert_eq!(everything.precision(), copies as f64 / 2000.0);
    }

    #[test]
    fn ratios() {
        let score = Score {
            found: 6,
            missed: 2,
            false_alarms: 4,
        };
        assert_eq!((score.precision(), score.recall()), (0.6, 0.75));
        let harmonic = 2.0 * 0.6 * 0.75 / (0.6 + 0.75);
        assert!((score.f1() - harmonic).abs() < 1e-12);
        assert_eq!(Score::default().f1(), 1.0);
    }
}
