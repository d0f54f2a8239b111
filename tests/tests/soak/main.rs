// SPDX-License-Identifier: Apache-2.0
//! Again and again, and nothing is left of it. Needs root, and the machine for itself.
//!
//! `cable` needs this kernel alone, `bond` one with bonds and VLANs. What they cost and
//! leave is printed. `cargo xtask soak` is the long form, by the environment.

mod bond;
mod cable;

use std::env;
use std::time::Duration;

use hhnet_tests::footprint::Footprint;
use hhnet_tests::host::Host;
use hhnet_tests::pace;
use hhnet_tests::soak::Ledger;

/// Runs before the first look: what is loaded and kept once is no leak.
const WARM_UP: u32 = 1;

/// What an agent may grow by, in bytes, however much it has done.
const GROWTH: u64 = 2 << 20;

/// A number that the long form gives; else a usual one, or that of a thorough run.
fn from_environment(name: &str, [usual, thorough]: [u32; 2]) -> u32 {
    let given = env::var(name).ok();
    let default = if pace::is_thorough() { thorough } else { usual };
    given.map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|e| panic!("{name}={text}: {e}"))
    })
}

#[expect(clippy::print_stdout, reason = "the figures are what the test is for")]
fn say(line: &str) {
    println!("soak: {line}");
}

/// The one agent of a server.
fn agent(server: &Host) -> i32 {
    let processes = server.hhnet_processes();
    let agents: Vec<_> = processes
        .iter()
        .filter(|process| process.cmdline.ends_with(" agent"))
        .collect();
    let [agent] = agents[..] else {
        panic!("one agent was expected: {processes:?}");
    };
    agent.pid
}

/// Gives two commands in turn, the first of which is `cleanup`, and compares what there is
/// after a `cleanup` with what there was before. Returns by how many kB the kernel has grown.
fn again_and_again(server: &Host, verb: &str, answer: &str, cycles: u32) -> i64 {
    let once = || {
        server.must("cleanup");
        assert_eq!(server.must(verb), answer);
    };
    (0..WARM_UP).for_each(|_| once());
    let first = Footprint::of(agent(server));
    server.must("cleanup");
    let before = Ledger::of(server.namespace());
    let started = std::time::Instant::now();
    (0..cycles).for_each(|_| once());
    let took = started.elapsed();
    let last = Footprint::of(agent(server));
    server.must("cleanup");
    let after = before.expect_nothing_more(server.namespace());
    let each = (took / cycles).as_millis();
    say(&format!(
        "{cycles} times cleanup and {verb}, {each} ms each"
    ));
    say(&format!("before: {before}"));
    say(&format!("after:  {after}"));
    compare("the agent", first, last);
    after.growth(&before)
}

/// Neither memory nor descriptors of an agent may have become more.
#[track_caller]
fn compare(what: &str, first: Footprint, last: Footprint) {
    say(&format!(
        "{what}: {} KB and {} descriptors, then {} KB and {}",
        first.resident >> 10,
        first.descriptors,
        last.resident >> 10,
        last.descriptors
    ));
    assert!(last.resident < first.resident + GROWTH, "it grows");
    assert!(last.descriptors <= first.descriptors, "it keeps files open");
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
