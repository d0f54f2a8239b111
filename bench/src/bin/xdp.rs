// SPDX-License-Identifier: Apache-2.0
//! `xdp`: measures hhnet's XDP program; prints tables, and a line for each figure that
//! has a goal. `cargo xtask bench xdp` builds and runs it.

use std::path::PathBuf;

use clap::{Parser, ValueEnum as _};
use hhnet_bench::xdp::{self, Loaded, Outsider, Part, Peers, Plan};

/// Measures hhnet's XDP program.
#[derive(Parser)]
struct Arguments {
    /// Directory of the objects in C
    #[arg(long)]
    peers: PathBuf,
    /// Only this part; all of them if none is named
    #[arg(long, value_enum)]
    part: Vec<Part>,
    /// How often each program has its turn
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Another XDP program to be measured: an object file and perhaps a name in it
    #[arg(long, value_name = "FILE[:NAME]")]
    program: Vec<Outsider>,
    /// A line that --load-only has printed in another kernel
    #[arg(long, value_name = "LINE")]
    elsewhere: Vec<Loaded>,
    /// Load the programs into this kernel, print a line for each, and no more
    #[arg(long)]
    load_only: bool,
}

#[expect(clippy::print_stdout, reason = "a command line tool")]
fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let peers = Peers(arguments.peers);
    if arguments.load_only {
        let loaded = xdp::load_here(&peers)?;
        loaded.iter().for_each(|loaded| println!("{loaded}"));
        return Ok(());
    }
    let mut parts = arguments.part;
    if parts.is_empty() {
        parts = Part::value_variants().to_vec();
    }
    let plan = Plan {
        parts,
        peers,
        rounds: arguments.rounds,
        outsiders: arguments.program,
        elsewhere: arguments.elsewhere,
    };
    let figures = xdp::run(&plan, &mut |text| println!("{text}"))?;
    figures.iter().for_each(|figure| println!("{figure}"));
    Ok(())
}
