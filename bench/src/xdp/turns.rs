// SPDX-License-Identifier: Apache-2.0
//! Measurements in turns: what is compared was measured a moment apart.

use anyhow::Result;

/// What each of several contestants took in each round.
#[derive(Clone, Debug, Default)]
pub(super) struct Rounds(Vec<Vec<f64>>);

impl Rounds {
    /// Lets `contestants` take turns for so many rounds, after one that does not
    /// count.
    pub(super) fn run<C>(
        rounds: usize,
        contestants: &mut [C],
        mut measure: impl FnMut(&mut C) -> Result<f64>,
    ) -> Result<Self> {
        let mut round = || {
            contestants
                .iter_mut()
                .map(&mut measure)
                .collect::<Result<_>>()
        };
        let _warm_up: Vec<f64> = round()?;
        (0..rounds)
            .map(|_| round())
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Adds the rounds of others of the same names.
    pub(super) fn extend(&mut self, Self(rounds): Self) {
        self.0.extend(rounds);
    }

    /// The median, over all rounds, of what `value` makes of one round: a ratio of
    /// two contestants, for example.
    pub(super) fn median(&self, value: impl Fn(&[f64]) -> f64) -> f64 {
        let Self(rounds) = self;
        median(rounds.iter().map(|round| value(round)))
    }
}

/// The middle one; the mean of both for an even number.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        length => (values[(length - 1) / 2] + values[length / 2]) / 2.0,
    }
}

/// As long as its logarithm is the mean of theirs.
pub(super) fn geometric_mean(values: &[f64]) -> f64 {
    let sum: f64 = values.iter().map(|value| value.ln()).sum();
    (sum / values.len() as f64).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_round() {
        let rounds = Rounds(vec![vec![1.0, 2.0], vec![10.0, 20.0], vec![4.0, 8.0]]);
        assert_eq!(rounds.median(|round| round[1] / round[0]), 2.0);
        assert_eq!(rounds.median(|round| round[0]), 4.0);
    }

    #[test]
    fn means() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0]), 2.5);
        assert!(median([]).is_nan());
        assert!((geometric_mean(&[0.5, 2.0]) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_first_round_is_not_counted() {
        let mut runs = 0.0;
        let rounds = Rounds::run(2, &mut [(), ()], |()| {
            runs += 1.0;
            Ok(runs)
        });
        assert_eq!(rounds.unwrap().0, [[3.0, 4.0], [5.0, 6.0]]);
    }
}
