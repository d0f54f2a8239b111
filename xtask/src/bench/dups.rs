// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask bench dups`: the duplicates that the XDP program and `editcap` find.

use std::process::Command;

use anyhow::{Result, ensure};
use clap::Args;

use super::xdp;
use crate::progress::note;
use crate::setup::debs::Debs;
use crate::workspace::Workspace;
use crate::{process, setup};

/// The binary that measures.
const PROGRAM: &str = "dups";

/// `editcap`, with the libraries that a Debian without it lacks.
const WIRESHARK: Debs = Debs {
    name: "wireshark-common",
    packages: &[
        "wireshark-common",
        "libwiretap13",
        "libwsutil14",
        "libglib2.0-0",
    ],
};

/// What is asked for.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Make no trace longer than that: for a first look, figures need 100,000
    #[arg(long, value_parser = clap::value_parser!(u32).range(1000..))]
    frames: Option<u32>,
}

/// Measures on this kernel.
pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let is_root = nix::unistd::geteuid().is_root();
    ensure!(is_root, "loading eBPF programs needs root");
    provide_editcap(workspace)?;
    let program = xdp::build(workspace, PROGRAM)?;
    note("bench dups: judging traces");
    let mut bench = Command::new(program);
    bench.arg("--peers").arg(workspace.peers());
    bench.args(options.frames.map(|frames| format!("--frames={frames}")));
    let (status, _) = process::watched(&mut bench)?;
    ensure!(status.success(), "bench dups: {status}");
    Ok(())
}

/// Downloads `editcap` unless it is there.
pub(crate) fn provide_editcap(workspace: &Workspace) -> Result<()> {
    let _lock = setup::lock(workspace)?;
    WIRESHARK.provide(workspace).map(drop)
}
