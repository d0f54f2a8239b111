// SPDX-License-Identifier: Apache-2.0
//! Waiting for conditions.

use std::thread;
use std::time::{Duration, Instant};

/// Long enough for anything that ends in success: under emulation a process
/// start alone may take 0.1 s, and LACP needs 2 to 4 s.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The longest pause between two looks. One look often starts a process.
const LONGEST_PAUSE: Duration = Duration::from_millis(32);

/// Returns what `probe` finds, or `None` when it found nothing for `deadline`.
pub fn poll<T>(deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(found) = probe() {
            return Some(found);
        }
        if start.elapsed() > deadline {
            return None;
        }
        thread::sleep(pause);
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Waits until `condition` holds.
///
/// # Panics
/// When it does not hold within `deadline`; the message says what was awaited.
#[track_caller]
pub fn until(awaited: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    if poll(deadline, || condition().then_some(())).is_none() {
        panic!("not within {deadline:?}: {awaited}");
    }
}

/// Watches that `condition` holds all the time for `period`.
///
/// # Panics
/// As soon as it does not.
#[track_caller]
pub fn throughout(period: Duration, claim: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    if poll(period, || (!condition()).then_some(())).is_some() {
        panic!("no longer true after {:?}: {claim}", start.elapsed());
    }
}
