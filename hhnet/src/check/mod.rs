// SPDX-License-Identifier: Apache-2.0
//! Does this server reach others, and if not, why: `hhnet check`.
//!
//! ```text
//! url · iperf                              bytes
//! tally · path_mtu · copies · words ·      rules
//! verdict · text, matrix
//! socket ─▶ probe   echoes, ICMP errors    world
//! connect · fetch · throughput             TCP, HTTP, iperf3
//! run               all of it, in order
//! ```
//! What is printed as JSON is the structs of `report`; text and matrix are views
//! of them.

mod connect;
mod copies;
mod fetch;
mod iperf;
mod matrix;
mod path_mtu;
mod probe;
mod report;
mod run;
mod socket;
mod tally;
mod text;
mod throughput;
mod url;
mod verdict;
mod words;

pub use self::{
    report::{
        Copies, Fetch, IcmpError, Pair, PathMtu, Pings, Port, Problem, ProblemKind, Report, Rtt,
        SCHEMA, Throughput,
    },
    run::run,
    url::Url,
};

#[cfg(test)]
mod tests;
