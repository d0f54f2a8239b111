// SPDX-License-Identifier: Apache-2.0
//! `bench dups`: hhnet's detector of duplicates and those of others on the same traces.

mod judged;
mod rivals;

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context as _, Result};

use self::judged::Judged;
use self::rivals::Rivals;
use crate::detector::program::Members;
use crate::report::{Figure, Goal};
use crate::trace::{Mix, Plan};

/// One trace of the comparison.
const fn trace(mix: Mix, frames: usize, rate: f64, copies: f64) -> Plan {
    Plan {
        frames,
        rate,
        copies,
        mix,
        seed: 1,
    }
}

/// As a typical server has them, and as busy ones do; the same with streams of equal
/// frames, where copies are few among them.
const TRACES: [Plan; 7] = [
    trace(Mix::Typical, 100_000, 20e3, 0.01),
    trace(Mix::Typical, 100_000, 20e3, 0.1),
    trace(Mix::Typical, 1_000_000, 20e3, 0.01),
    trace(Mix::Typical, 1_000_000, 200e3, 0.1),
    trace(Mix::Hostile, 10_000, 20e3, 0.01),
    trace(Mix::Hostile, 100_000, 20e3, 0.01),
    trace(Mix::Hostile, 1_000_000, 20e3, 0.1),
];

/// Traces below are too short to make a figure of: one copy more or less would matter.
const LEAST: usize = 100_000;

/// Judges all traces, of at most `longest` frames, and writes tables and figures. `peers` is the
/// directory of the other programs' packages.
///
/// # Errors
/// If a detector cannot be run or the output not be written.
pub fn run(peers: &Path, longest: Option<usize>, out: &mut impl Write) -> Result<()> {
    let members = Members::new()?;
    let rivals = Rivals::new(peers)?;
    let mut figures = Vec::new();
    for plan in TRACES {
        let counts = plan.frames >= LEAST;
        let frames = longest.map_or(plan.frames, |longest| longest.min(plan.frames));
        let judged = judge(&Plan { frames, ..plan }, &members, &rivals)?;
        writeln!(out, "{judged}").context("writing a table")?;
        if counts {
            figures.push(judged);
        }
    }
    write_figures(&figures, out).context("writing figures")
}

fn judge(plan: &Plan, members: &Members, rivals: &Rivals) -> Result<Judged> {
    let trace = plan.generate();
    let verdicts = members.judge(&trace)?;
    let mut judged = Judged::new(*plan, &trace, &verdicts);
    judged.rivals = rivals.judge(&trace)?;
    Ok(judged)
}

/// The worst of all traces that count.
fn write_figures(judged: &[Judged], out: &mut impl Write) -> io::Result<()> {
    let mut write = |name: &str, mix: Option<Mix>, least, value: fn(&Judged) -> f64| {
        let is_of = |judged: &&Judged| mix.is_none_or(|mix| judged.plan.mix == mix);
        let values = judged.iter().filter(is_of).map(value);
        let figure = Figure {
            name: format!("dups_{name}"),
            value: values.fold(f64::INFINITY, f64::min),
            goal: Goal::AtLeast(least),
        };
        writeln!(out, "{figure}")
    };
    let (typical, hostile) = (Some(Mix::Typical), Some(Mix::Hostile));
    write("typical_precision", typical, 0.999, |j| j.all.precision())?;
    write("typical_recall", typical, 0.94, |j| j.all.recall())?;
    write("hostile_precision", hostile, 0.97, |j| j.all.precision())?;
    write("hostile_recall", hostile, 0.92, |j| j.all.recall())?;
    write("strong_precision", None, 1.0, |j| j.strong.precision())?;
    write("f1_over_best_editcap", None, 1.0, |j| j.over("editcap"))?;
    write("f1_over_nfpcapd", None, 1.0, |j| j.over("nfpcapd"))
}
