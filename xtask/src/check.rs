// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask check`: what must hold before a change is shown to anyone.

use anyhow::{Context, Result};

use crate::process;
use crate::progress::{note, step};
use crate::workspace::Workspace;

/// What cargo is told, one after the other.
const STEPS: [&str; 6] = [
    "fmt --all --check",
    "fmt --manifest-path fuzz/Cargo.toml --check",
    // These tests need root to run, and therefore are no part of "all".
    "clippy --workspace --all-targets --test xdp_testrun --test tc_testrun --test dups_testrun --test slots_testrun --test datapath_testrun --locked -- -D warnings",
    "test --locked",
    "test --locked --package hhnet-bench",
    "deny --offline check licenses bans sources",
];

/// Formatting, lints, unit tests, and the audit of the dependencies.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    for arguments in STEPS {
        cargo(workspace, arguments)?;
    }
    fuzz_targets(workspace)?;
    advisories(workspace)
}

/// The fuzz targets are no part of the workspace, and must build all the same.
fn fuzz_targets(workspace: &Workspace) -> Result<()> {
    let arguments = "clippy --manifest-path fuzz/Cargo.toml --locked -- -D warnings";
    note(&format!("cargo {arguments}"));
    let mut cargo = workspace.cargo();
    cargo.env("CARGO_TARGET_DIR", workspace.fuzz_target());
    process::visible(cargo.args(arguments.split_whitespace()))
}

fn cargo(workspace: &Workspace, arguments: &str) -> Result<()> {
    note(&format!("cargo {arguments}"));
    process::visible(workspace.cargo().args(arguments.split_whitespace()))
}

/// Known vulnerabilities. Their database is a git repository, and a machine that cannot
/// reach it is told so rather than kept from everything else.
fn advisories(workspace: &Workspace) -> Result<()> {
    let fetched = step("fetching the database of security advisories", |step| {
        process::within(step, workspace.cargo().args(["deny", "fetch", "db"]))
    });
    if let Err(error) = fetched {
        note(&format!(
            "WARNING: security advisories were NOT checked: {error:#}"
        ));
        return Ok(());
    }
    cargo(workspace, "deny --offline check advisories").context("a dependency has a known problem")
}
