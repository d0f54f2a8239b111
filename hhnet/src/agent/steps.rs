// SPDX-License-Identifier: Apache-2.0
//! How long each step of a command took: a line in the log for each command.

use std::{fmt, time::Duration};

use crate::clock;

/// The steps so far, one after the other.
#[derive(Debug)]
pub(super) struct Steps {
    last: Duration,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    /// Begins with the first step.
    pub(super) fn begin() -> Steps {
        Steps {
            last: clock::now(),
            done: Vec::new(),
        }
    }

    /// A step is over, and the next one begins.
    pub(super) fn done(&mut self, step: &'static str) {
        let now = clock::now();
        self.done.push((step, now.saturating_sub(self.last)));
        self.last = now;
    }
}

impl Default for Steps {
    fn default() -> Self {
        Steps::begin()
    }
}

/// `links 12 ms, lease 31 ms`
impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (step, time)) in self.done.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{step} {} ms", time.as_millis())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_in_their_order() {
        let mut steps = Steps::begin();
        assert_eq!(steps.to_string(), "");
        steps.done("links");
        steps.done("lease");
        let told = steps.to_string();
        assert!(told.starts_with("links 0 ms, lease "), "{told}");
        assert!(told.ends_with(" ms"), "{told}");
    }
}
