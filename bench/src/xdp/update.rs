// SPDX-License-Identifier: Apache-2.0
//! What it costs to count a frame's flow, without all the rest: in the cache, and in
//! the kernel's LRU hash.

use anyhow::Result;

use super::{
    contestant::{Contestant, Geometry},
    peers::{Driver, Peers},
    table::Table,
    traffic::Traffic,
    turns::Rounds,
};
use crate::report::{Figure, Goal};

/// More than elsewhere, as the differences are small.
const REPEAT: u32 = 1_000_000;

/// The programs of `parts.c`.
const PROGRAMS: [&str; 3] = ["parse_only", "in_cache", "in_hash"];

/// Measures, and prints a table.
pub(super) fn run(
    peers: &Peers,
    geometry: &Geometry,
    rounds: usize,
    print: &mut impl FnMut(&str),
) -> Result<Vec<Figure>> {
    let headings = ["flow cache, ns", "LRU_PERCPU_HASH, ns", "cache/hash"];
    let mut table = Table::new("flow update", &headings);
    let mut ratios = Vec::new();
    for traffic in [Traffic::one(), Traffic::thousand()] {
        let mut driver = Driver::load(peers, &traffic, 0)?;
        let load = |program| Contestant::part(peers, geometry, program);
        let mut parts = PROGRAMS.map(load).into_iter().collect::<Result<Vec<_>>>()?;
        let rounds = Rounds::run(rounds, &mut parts, |part: &mut Contestant| {
            part.run(&mut driver, REPEAT)
        })?;
        let more = |round: &[f64], of: usize| round[of] - round[0];
        let ratio = rounds.median(|round| more(round, 1) / more(round, 2));
        let times = [1, 2].map(|of| format!("{:.1}", rounds.median(|round| more(round, of))));
        table.row(
            traffic.name,
            times.into_iter().chain([format!("{ratio:.2}")]),
        );
        ratios.push(ratio);
    }
    print(&table.to_string());
    let worst = ratios.into_iter().fold(f64::NAN, f64::max);
    let goal = Goal::AtMost(0.25);
    Ok(vec![Figure::new(
        "flow_update/lru_percpu_hash",
        worst,
        goal,
    )])
}
