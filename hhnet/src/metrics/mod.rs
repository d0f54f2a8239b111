// SPDX-License-Identifier: Apache-2.0
//! What Prometheus gets: every series there is, and its samples.
//!
//! ```text
//! series   the table of all series: name, kind, labels, help, how it is read
//! agent, links, counters, leases   the rows of that table, by subject
//! text     samples as text, in either of two formats
//! process  what the kernel says of the agent's process
//! ```
//! Labels have as many values as the machine has interfaces, times a few: what there
//! may be thousands of, flows, is exported only on request.

mod agent;
mod counters;
mod leases;
mod links;
mod process;
mod series;
mod text;

use std::time::Duration;

pub use self::process::Process;
use crate::{exporter::Format, status::Status, xdp::report::Flow};

/// What metrics are made of.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Everything known.
    pub status: &'a Status,
    /// The busiest flows and how many are known, if they were asked for.
    pub flows: Option<(usize, &'a [Flow])>,
    /// The agent's process; none without one.
    pub process: Option<Process>,
    /// How long it took to gather all that.
    pub took: Duration,
}

/// All series that there is something to say of, as text.
pub fn render(facts: &Facts<'_>, format: Format) -> String {
    let all = series::all().map(|series| series.read(facts)).collect();
    text::write(all, format)
}

#[cfg(test)]
mod tests;
