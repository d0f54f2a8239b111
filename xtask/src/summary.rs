// SPDX-License-Identifier: Apache-2.0
//! Test results, read off what libtest prints.

use std::fmt;
use std::ops::AddAssign;

/// How many tests of each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
}

impl Summary {
    /// Something that should have delivered results and did not.
    pub(crate) const ONE_FAILURE: Self = Self {
        passed: 0,
        failed: 1,
        skipped: 0,
    };

    /// Sums up the `test result:` lines of one or more harnesses. A harness that did not
    /// succeed without naming a failed test, as when it was killed, is a failure too.
    pub(crate) fn read(output: &str, succeeded: bool) -> Self {
        let mut sum = Self::default();
        output
            .lines()
            .filter_map(parse_result)
            .for_each(|summary| sum += summary);
        if !succeeded && sum.failed == 0 {
            sum += Self::ONE_FAILURE;
        }
        sum
    }

    /// Whether any test has run.
    pub(crate) fn is_empty(self) -> bool {
        self.passed + self.failed == 0
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; …`
fn parse_result(line: &str) -> Option<Summary> {
    let (_verdict, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut summary = Summary::default();
    for count in counts.split(';') {
        let Some((number, outcome)) = count.trim().split_once(' ') else {
            continue;
        };
        let field = match outcome {
            "passed" => &mut summary.passed,
            "failed" => &mut summary.failed,
            "ignored" => &mut summary.skipped,
            _ => continue,
        };
        *field = number.parse().ok()?;
    }
    Some(summary)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; \
                      3 filtered out; finished in 0.02s\n";
    const FAILED: &str = "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; \
                          0 filtered out; finished in 1.00s\n";

    #[test]
    fn sums_up_several_harnesses() {
        let output = format!("running 12 tests\n{OK}\n     Doc-tests x\r\n\n{FAILED}");
        let sum = Summary::read(&output, false);
        assert_eq!(
            sum,
            Summary {
                passed: 15,
                failed: 2,
                skipped: 1
            }
        );
        assert_eq!(sum.to_string(), "15 passed, 2 failed, 1 skipped");
    }

    #[test]
    fn a_death_without_a_result_is_a_failure() {
        assert_eq!(
            Summary::read("running 3 tests\n", false),
            Summary::ONE_FAILURE
        );
        assert_eq!(
            Summary::read(OK, false),
            Summary {
                passed: 12,
                failed: 1,
                skipped: 1
            }
        );
    }

    #[test]
    fn no_result_at_all_is_empty() {
        let none = "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out";
        assert!(Summary::read(none, true).is_empty());
        assert!(!Summary::read(OK, true).is_empty());
        assert_eq!(Summary::default().to_string(), "0 passed, 0 failed");
    }
}
