// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask dist`: hhnet as one static file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace::{STATIC_TARGET, Workspace};
use crate::{process, progress};

/// Builds hhnet for any x86-64 Linux, whatever its C library.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.static_cargo();
    cargo.args(["build", "--release", "--package", "hhnet", "--bin", "hhnet"]);
    process::visible(cargo.args(["--target", STATIC_TARGET])).context("building hhnet")?;

    let built = workspace.target().join(STATIC_TARGET).join("release/hhnet");
    let binary = workspace.dist_binary();
    fs::create_dir_all(workspace.target().join("dist")).context("creating target/dist")?;
    fs::copy(&built, &binary)
        .with_context(|| format!("copying {} to {}", built.display(), binary.display()))?;
    check_static(&binary)?;
    Ok(binary)
}

/// Prints what `build` has made.
pub(crate) fn describe(binary: &Path) -> Result<()> {
    let size = binary
        .metadata()
        .with_context(|| format!("reading {}", binary.display()))?
        .len();
    let sha256 = process::output(Command::new("sha256sum").arg(binary))?;
    let sha256 = sha256.split_whitespace().next().unwrap_or_default();
    progress::answer(&format!("{}: static, {size} bytes", binary.display()));
    progress::answer(&format!("sha256 {sha256}"));
    Ok(())
}

fn check_static(binary: &Path) -> Result<()> {
    // ldd's exit status differs between static and static-pie files; its words do not.
    let ldd = Command::new("ldd")
        .arg(binary)
        .output()
        .context("starting ldd")?;
    let words = [ldd.stdout, ldd.stderr].concat();
    let words = String::from_utf8_lossy(&words);
    let is_static = ["statically linked", "not a dynamic executable"];
    ensure!(
        is_static.iter().any(|phrase| words.contains(phrase)),
        "{} needs shared libraries:\n{words}",
        binary.display()
    );
    Ok(())
}
