// SPDX-License-Identifier: Apache-2.0
//! Everything that goes wrong around a server, alone and at random. `cargo xtask soak
//! chaos` is the long form; its seed and its length come by the environment.

use std::env;
use std::io::Write as _;
use std::time::{Duration, Instant};

use hhnet_tests::chaos::{Disturbance, Lab, Sequence, Watch, play};
use hhnet_tests::pace;

use crate::secs;

/// What a seed names: `HHNET_CHAOS_SEED=7 cargo xtask …`.
const SEED: &str = "HHNET_CHAOS_SEED";

/// How many seconds random disturbances go on.
const SECONDS: &str = "HHNET_CHAOS_SECONDS";

/// From so many on the others take their time, too.
const LONG: u64 = 300;

fn from_environment(name: &str, usual: u64) -> u64 {
    let given = env::var(name).ok();
    given.map_or(usual, |text| {
        text.parse()
            .unwrap_or_else(|e| panic!("{name}={text}: {e}"))
    })
}

/// How long random disturbances go on, in seconds, if nobody says so.
fn usual() -> u64 {
    if pace::is_thorough() { LONG } else { 30 }
}

/// Past what captures the output of tests that pass.
fn announce(line: &str) {
    let _ = writeln!(std::io::stderr(), "chaos: {line}");
}

#[expect(clippy::print_stdout, reason = "shown when the test fails")]
fn say(line: &str) {
    println!("chaos: {line}");
}

fn report(watch: &Watch) {
    let [first, last] = watch.footprints();
    announce(&format!(
        "{} statuses were true; the agent has {} KB, at first {}; {} descriptors, at first {}",
        watch.compared(),
        last.resident >> 10,
        first.resident >> 10,
        last.descriptors,
        first.descriptors,
    ));
}

#[test]
fn each_disturbance_alone_is_survived() {
    let is_long = from_environment(SECONDS, usual()) >= LONG;
    let lab = Lab::new();
    lab.lease();
    let watch = Watch::start(&lab);
    let mut number = 0;
    for disturbance in Disturbance::ALL {
        let hold = match disturbance {
            Disturbance::MemberFlaps if is_long => secs(60),
            // Long enough for the lease to end.
            Disturbance::VlanRemoved if is_long => secs(15),
            _ => disturbance.shortest_hold(),
        };
        say(&format!("{disturbance:?} for {hold:?}"));
        let took = play(&watch, &[disturbance], hold);
        say(&format!(
            "{disturbance:?}: well {:.1} s later",
            took.as_secs_f64()
        ));
        number += 1;
    }
    watch.expect_no_descriptor_more();
    announce(&format!("{number} disturbances, one after the other"));
    report(&watch);
    assert!(watch.compared() > number);
}

/// Nor does anything stay of a server that is cleaned up while something is wrong.
#[test]
fn cleanup_in_the_middle_of_each_disturbance_is_clean() {
    let lab = Lab::new();
    for disturbance in Disturbance::ALL.into_iter().step_by(pace::stride(3)) {
        say(&format!("{disturbance:?}"));
        lab.lease();
        disturbance.apply(&lab);
        lab.server().must("cleanup");
        lab.server().expect_clean();
        disturbance.undo_cleaned(&lab);
    }
}

#[test]
fn random_disturbances_are_survived() {
    let (seed, seconds) = (
        from_environment(SEED, 1),
        from_environment(SECONDS, usual()),
    );
    announce(&format!("{SEED}={seed} {SECONDS}={seconds}"));
    let lab = Lab::new();
    lab.lease();
    let watch = Watch::start(&lab);
    let (started, mut rounds, mut worst) = (Instant::now(), 0, Duration::ZERO);
    for (disturbances, hold) in Sequence::new(seed) {
        if started.elapsed() >= secs(seconds) {
            break;
        }
        say(&format!(
            "seed {seed}, round {rounds}: {disturbances:?} for {hold:?}"
        ));
        let took = play(&watch, &disturbances, hold);
        say(&format!("well {:.1} s later", took.as_secs_f64()));
        worst = worst.max(took);
        rounds += 1;
    }
    watch.expect_no_descriptor_more();
    announce(&format!(
        "seed {seed}: {rounds} rounds, well {:.1} s later at the latest",
        worst.as_secs_f64()
    ));
    report(&watch);
    assert!(rounds > 0 && watch.compared() > rounds);
}
