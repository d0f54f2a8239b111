// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask sanitize`: the tests of everything that is `unsafe` (UNSAFE.md), under the
//! address sanitizer.

use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::progress::note;
use crate::test::PROGRAM_TESTS;
use crate::workspace::{STATIC_TARGET, Workspace};

/// The unit tests, and frames that end where readable memory ends.
const PURE: &str = "--lib --test packet --test fingerprint";

/// One of them measures memory, of which the sanitizer takes much for itself.
const SKIPPED: &str = "a_million_flows";

/// Runs them all; those that load programs need root.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut pure = sanitized(workspace);
    pure.args(PURE.split(' '));
    note("tests under the address sanitizer");
    process::visible(&mut pure).context("testing under the address sanitizer")?;
    if !nix::unistd::geteuid().is_root() {
        note("WARNING: what reads the maps of programs was NOT checked: that needs root");
        return Ok(());
    }
    let mut programs = sanitized(workspace);
    programs.args(PROGRAM_TESTS.iter().flat_map(|target| ["--test", target]));
    programs.args(["--", "--skip", SKIPPED]);
    // A test forgets what a killed agent would have left.
    programs.env("ASAN_OPTIONS", "detect_leaks=0");
    note("programs and their maps under the address sanitizer");
    process::visible(&mut programs).context("testing programs under the address sanitizer")
}

/// With the compiler all the rest is built with: a stable one has the sanitizer, too. For
/// a named target, because without one build scripts would be built like that as well.
fn sanitized(workspace: &Workspace) -> Command {
    let mut cargo = workspace.cargo();
    cargo
        .args(["test", "--locked", "--target", STATIC_TARGET])
        .args(["--package", "hhnet-ebpf", "--package", "hhnet"])
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .env("CARGO_TARGET_DIR", workspace.sanitize_target());
    cargo
}
