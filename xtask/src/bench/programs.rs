// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask bench dups`: the eBPF programs in test runs.

use anyhow::{Result, ensure};

use crate::process;
use crate::workspace::Workspace;

/// Builds and runs a binary of the `bench` package, optimised.
pub(super) fn run(workspace: &Workspace, binary: &str) -> Result<()> {
    let is_root = nix::unistd::geteuid().is_root();
    ensure!(is_root, "loading eBPF programs needs root");
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--release", "--package", "hhnet-bench"]);
    let (status, _) = process::watched(cargo.args(["--bin", binary]))?;
    ensure!(status.success(), "bench {binary}: {status}");
    Ok(())
}
