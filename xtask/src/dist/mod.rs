// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask dist`: hhnet as one static file, and what comes along in a package.

mod manual;
mod package;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

pub(crate) use self::package::build as package;
use crate::workspace::{STATIC_TARGET, Workspace};
use crate::{process, progress};

/// Builds everything there is to be given away, and says what.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let package = package(workspace)?;
    describe(&workspace.dist_binary(), "static, ")?;
    describe(&package, "")?;
    let (man, completions) = (manual::pages(workspace), manual::completions(workspace));
    progress::answer(&format!("{}: manual pages", man.display()));
    progress::answer(&format!(
        "{}: for bash, zsh and fish",
        completions.display()
    ));
    Ok(())
}

/// Builds hhnet for any x86-64 Linux, whatever its C library.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.static_cargo();
    cargo.args(["build", "--release", "--package", "hhnet", "--bin", "hhnet"]);
    process::visible(cargo.args(["--target", STATIC_TARGET])).context("building hhnet")?;

    let built = release(workspace).join("hhnet");
    let binary = workspace.dist_binary();
    fs::create_dir_all(workspace.dist()).context("creating target/dist")?;
    // Beside its place first: an agent may be running from there.
    let new = binary.with_extension("new");
    fs::copy(&built, &new)
        .and_then(|_| fs::rename(&new, &binary))
        .with_context(|| format!("copying {} to {}", built.display(), binary.display()))?;
    check_static(&binary)?;
    Ok(binary)
}

/// Prints what a file is.
fn describe(file: &Path, kind: &str) -> Result<()> {
    let size = file
        .metadata()
        .with_context(|| format!("reading {}", file.display()))?
        .len();
    let sha256 = process::output(Command::new("sha256sum").arg(file))?;
    let sha256 = sha256.split_whitespace().next().unwrap_or_default();
    progress::answer(&format!("{}: {kind}{size} bytes", file.display()));
    progress::answer(&format!("sha256 {sha256}"));
    Ok(())
}

/// Where cargo leaves what it has built for release.
fn release(workspace: &Workspace) -> PathBuf {
    workspace.target().join(STATIC_TARGET).join("release")
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
