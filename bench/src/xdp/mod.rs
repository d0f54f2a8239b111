// SPDX-License-Identifier: Apache-2.0
//! What hhnet's XDP program costs: time per frame, frames per second, time to read
//! and to load, memory. Everything is compared with something measured beside it:
//! a machine that does other work as well is only good for that.

mod answer;
mod contestant;
mod cost;
mod kernel_maps;
mod live;
mod load;
mod memory;
mod peers;
pub(crate) mod place;
mod read;
mod same;
mod table;
mod traffic;
mod turns;
mod update;

use anyhow::Result;
use clap::ValueEnum;

pub use self::{contestant::Outsider, load::Loaded, peers::Peers};
use crate::report::Figure;

/// The parts of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Whether the program and its twin agree, and nanoseconds per frame, in test runs
    Cost,
    /// Frames per second on a veth pair
    Live,
    /// The time to read the flows
    Read,
    /// What the verifier has to do
    Load,
    /// Kernel memory
    Memory,
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Only these parts.
    pub parts: Vec<Part>,
    /// The programs to compare with.
    pub peers: Peers,
    /// How often each of them has its turn.
    pub rounds: usize,
    /// Programs of others, in the same table.
    pub outsiders: Vec<Outsider>,
    /// Programs that were loaded into other kernels.
    pub elsewhere: Vec<Loaded>,
}

/// Measures, printing tables.
///
/// # Errors
/// Without root, or if the kernel refuses a program.
pub fn run(plan: &Plan, print: &mut impl FnMut(&str)) -> Result<Vec<Figure>> {
    let Plan { peers, rounds, .. } = plan;
    place::enter_namespace()?;
    place::pin(0)?;
    let mut figures = Vec::new();
    for part in &plan.parts {
        figures.extend(match part {
            Part::Cost => {
                same::run(peers, print)?;
                cost::run(peers, *rounds, &plan.outsiders, print)?
            }
            Part::Live => live::run(peers, *rounds, print)?,
            Part::Read => read::run(peers, *rounds, print)?,
            Part::Load => load::run(peers, *rounds, &plan.outsiders, &plan.elsewhere, print)?,
            Part::Memory => memory::run(print)?,
        });
    }
    Ok(figures)
}

/// Loads every program once, for the [`Plan::elsewhere`] of a run on another kernel.
///
/// # Errors
/// Without root, or if the kernel refuses a program.
pub fn load_here(peers: &Peers) -> Result<Vec<Loaded>> {
    load::here(peers, &[])
}
