// SPDX-License-Identifier: Apache-2.0
//! `dups`: how many duplicates hhnet's XDP program and others find in traces where all
//! are known, and how often they are wrong; prints tables, and a line for each figure
//! that has a goal. `cargo xtask bench dups` builds and runs it.

use std::io;
use std::path::PathBuf;

use clap::Parser;
use hhnet_bench::dups;

/// Compares detectors of duplicates.
#[derive(Parser)]
struct Arguments {
    /// Directory of the other detectors' packages
    #[arg(long)]
    peers: PathBuf,
    /// Make no trace longer than that
    #[arg(long)]
    frames: Option<usize>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    dups::run(&arguments.peers, arguments.frames, &mut io::stdout())
}
