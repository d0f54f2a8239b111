// SPDX-License-Identifier: Apache-2.0
//! Figures against their goals.

use std::fmt;

/// Where a figure should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    /// This much or less.
    AtMost(f64),
    /// This much or more.
    AtLeast(f64),
}

/// A value and its goal.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured: `thing/peer` for a ratio.
    pub name: String,
    /// The median.
    pub value: f64,
    /// Where it should be.
    pub goal: Goal,
}

impl Figure {
    /// A value and its goal.
    pub fn new(name: impl Into<String>, value: f64, goal: Goal) -> Self {
        Self {
            name: name.into(),
            value,
            goal,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, goal } = self;
        let (sign, goal, reached) = match *goal {
            Goal::AtMost(goal) => ("<=", goal, *value <= goal),
            Goal::AtLeast(goal) => (">=", goal, *value >= goal),
        };
        let verdict = if reached { "ok" } else { "short" };
        write!(f, "figure {name} {value:.4} goal {sign} {goal} {verdict}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_whether_the_goal_is_reached() {
        let figure = |value, goal| {
            let name = "x/y".to_owned();
            Figure { name, value, goal }.to_string()
        };
        let most = Goal::AtMost(0.5);
        assert_eq!(figure(0.5, most), "figure x/y 0.5000 goal <= 0.5 ok");
        assert_eq!(figure(0.51, most), "figure x/y 0.5100 goal <= 0.5 short");
        assert_eq!(figure(f64::NAN, most), "figure x/y NaN goal <= 0.5 short");
        let least = Goal::AtLeast(0.5);
        assert_eq!(figure(0.51, least), "figure x/y 0.5100 goal >= 0.5 ok");
        assert_eq!(figure(0.4, least), "figure x/y 0.4000 goal >= 0.5 short");
    }
}
