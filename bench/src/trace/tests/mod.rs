// SPDX-License-Identifier: Apache-2.0

mod copies;
mod mix;
mod sight;

use super::{Mix, Plan, Trace};

/// Small enough for a build that is not optimised, and large enough for shares to
/// be near what they should be.
fn plan(mix: Mix, copies: f64) -> Plan {
    Plan {
        frames: 60_000,
        rate: 20_000.0,
        copies,
        mix,
        seed: 7,
    }
}

fn typical() -> Trace {
    plan(Mix::Typical, 0.1).generate()
}

/// Asserts that `count` of `all` is about a share.
#[track_caller]
fn about(what: &str, count: usize, all: usize, share: f64, tolerance: f64) {
    let found = count as f64 / all as f64;
    assert!(
        (found - share).abs() <= tolerance,
        "{what}: {found} instead of {share}"
    );
}
