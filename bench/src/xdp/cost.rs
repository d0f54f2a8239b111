// SPDX-License-Identifier: Apache-2.0
//! What a frame costs, in test runs.
//!
//! The driver of `driver.c` stands before each program and makes frames differ. Its
//! cost is taken off: a program takes what driver and program take, less what the
//! driver takes with `XDP_PASS` behind it, plus what `XDP_PASS` takes alone.

use anyhow::Result;

use super::{
    contestant::{
        self, Contestant, DRIVEN_PASS, Geometry, HHNET, KTIME, NAIVE, Outsider, PASS, TWIN,
    },
    peers::{Driver, Peers},
    table::Table,
    traffic::Traffic,
    turns::{Rounds, geometric_mean},
    update,
};
use crate::report::{Figure, Goal};

/// Test runs are repeated so often in one system call.
const REPEAT: u32 = 200_000;
/// After so many rounds all programs are loaded anew: how a table lies in memory, and
/// therefore in caches, is luck that should not decide between two programs.
const ROUNDS_PER_LOAD: usize = 3;

/// The medians of one sort of traffic.
struct Medians {
    name: &'static str,
    /// Nanoseconds of `XDP_PASS`.
    pass: f64,
    /// Of every contestant: multiples of `XDP_PASS`, and nanoseconds more than it.
    times: Vec<f64>,
    increments: Vec<f64>,
    /// Ratios in which a goal is set, or which are worth a column.
    of_ktime: f64,
    naive: f64,
    twin: f64,
}

/// Measures every sort of traffic, and prints two tables.
pub(super) fn run(
    peers: &Peers,
    rounds: usize,
    outsiders: &[Outsider],
    print: &mut impl FnMut(&str),
) -> Result<Vec<Figure>> {
    let mut all = Vec::new();
    let mut names = Vec::new();
    for traffic in Traffic::all() {
        let mut driver = Driver::load(peers, &traffic, 0)?;
        let mut results = Rounds::default();
        for first in (0..rounds).step_by(ROUNDS_PER_LOAD) {
            let rounds = ROUNDS_PER_LOAD.min(rounds - first);
            let mut contestants = contestant::all(peers, outsiders)?;
            let run = |contestant: &mut Contestant| contestant.run(&mut driver, REPEAT);
            results.extend(Rounds::run(rounds, &mut contestants, run)?);
            let name = |contestant: Contestant| contestant.name;
            names = contestants.into_iter().map(name).collect();
        }
        all.push(Medians::new(traffic.name, &results, names.len()));
    }
    print(&costs(&all, &names));
    print(&ratios(&all));
    let geometry = Geometry::of(&mut contestant::hhnet()?)?;
    let mut figures = figures(&all);
    figures.extend(update::run(peers, &geometry, rounds, print)?);
    Ok(figures)
}

impl Medians {
    fn new(name: &'static str, rounds: &Rounds, contestants: usize) -> Self {
        let increment = |round: &[f64], of: usize| match of {
            PASS => 0.0,
            of => round[of] - round[DRIVEN_PASS],
        };
        let time = |round: &[f64], of| increment(round, of) + round[PASS];
        let each = 0..contestants;
        Self {
            name,
            pass: rounds.median(|round| round[PASS]),
            times: each
                .clone()
                .map(|of| rounds.median(|round| time(round, of) / round[PASS]))
                .collect(),
            increments: each
                .map(|of| rounds.median(|round| increment(round, of)))
                .collect(),
            of_ktime: rounds.median(|round| increment(round, HHNET) / increment(round, KTIME)),
            naive: rounds.median(|round| time(round, NAIVE) / time(round, HHNET)),
            twin: rounds.median(|round| time(round, HHNET) / time(round, TWIN)),
        }
    }
}

/// `× XDP_PASS (+ ns)` of each program on each sort of traffic.
fn costs(all: &[Medians], names: &[String]) -> String {
    let shown = |contestant: &usize| ![PASS, DRIVEN_PASS].contains(contestant);
    let shown: Vec<usize> = (0..names.len()).filter(shown).collect();
    let programs = shown.iter().map(|&of| names[of].as_str());
    let headings: Vec<&str> = ["XDP_PASS, ns"].into_iter().chain(programs).collect();
    let mut table = Table::new("× XDP_PASS (+ ns)", &headings);
    for medians in all {
        let cell = |&of: &usize| {
            let (times, more) = (medians.times[of], medians.increments[of]);
            format!("{times:.2} ({more:+.0})")
        };
        let pass = format!("{:.1}", medians.pass);
        table.row(
            medians.name,
            [pass].into_iter().chain(shown.iter().map(cell)),
        );
    }
    table.to_string()
}

fn ratios(all: &[Medians]) -> String {
    let headings = [
        "increment: hhnet/ktime_get_ns",
        "naive/hhnet",
        "hhnet/C twin",
    ];
    let mut table = Table::new("ratio", &headings);
    for medians in all {
        let ratios = [medians.of_ktime, medians.naive, medians.twin];
        table.row(medians.name, ratios.map(|ratio| format!("{ratio:.2}")));
    }
    table.to_string()
}

fn figures(all: &[Medians]) -> Vec<Figure> {
    let thousand = Traffic::thousand().name;
    let Some(medians) = all.iter().find(|medians| medians.name == thousand) else {
        return Vec::new();
    };
    let twins: Vec<f64> = all.iter().map(|medians| medians.twin).collect();
    let worst = twins.iter().copied().fold(f64::NAN, f64::max);
    [
        (
            "whole_program/xdp_pass",
            medians.times[HHNET],
            Goal::AtMost(5.0),
        ),
        (
            "increment/ktime_increment",
            medians.of_ktime,
            Goal::AtMost(3.2),
        ),
        ("naive/whole_program", medians.naive, Goal::AtLeast(5.0)),
        ("rust/c_twin", geometric_mean(&twins), Goal::AtMost(1.0)),
        ("rust/c_twin_worst", worst, Goal::AtMost(1.1)),
    ]
    .map(|(name, value, goal)| Figure::new(name, value, goal))
    .into()
}
