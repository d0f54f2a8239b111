// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask bench`: hhnet and others, measured in turns.

mod dhcp;
mod dups;
mod host;
mod xdp;

use anyhow::Result;
use clap::Subcommand;

use self::dhcp::Part;
pub(crate) use self::dhcp::provide_peers;
pub(crate) use self::dups::provide_editcap;
pub(crate) use self::xdp::provide_compiler;
use crate::workspace::Workspace;

/// What is measured.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Benchmark {
    /// The time to a leased address, on a cable and on a bond
    Dhcp {
        /// Only this part; all of them if none is named
        #[arg(long, value_enum)]
        part: Option<Part>,
        /// How often each client is measured; 15 times on a cable, and less where a run
        /// takes longer, unless given
        #[arg(long)]
        rounds: Option<u32>,
    },
    /// Whole commands on a machine with systemd, beside a script that does the same
    Verbs {
        /// How often each command is measured
        #[arg(long, default_value_t = 7)]
        rounds: u32,
    },
    /// What programs cost the throughput of a bond on that machine
    Throughput {
        /// How often it is measured with and without them
        #[arg(long, default_value_t = 5)]
        rounds: u32,
    },
    /// What the XDP program costs, beside programs that do less, and the same in C
    Xdp(xdp::Options),
    /// How many duplicates are found in labelled traces, beside editcap
    Dups(dups::Options),
}

/// Measures, and prints all figures once more at the end.
pub(crate) fn run(workspace: &Workspace, benchmark: Benchmark) -> Result<()> {
    match benchmark {
        Benchmark::Dhcp { part, rounds } => dhcp::run(workspace, part, rounds),
        Benchmark::Verbs { rounds } => host::run(workspace, "verbs", rounds),
        Benchmark::Throughput { rounds } => host::run(workspace, "throughput", rounds),
        Benchmark::Xdp(options) => xdp::run(workspace, &options),
        Benchmark::Dups(options) => dups::run(workspace, &options),
    }
}
