// SPDX-License-Identifier: Apache-2.0
//! Manual pages and completions, which an example of hhnet writes from its grammar.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::process;
use crate::setup::apt;
use crate::workspace::Workspace;

/// The directory of the manual pages.
pub(super) fn pages(workspace: &Workspace) -> PathBuf {
    workspace.dist().join("man")
}

/// The directory of the completions.
pub(super) fn completions(workspace: &Workspace) -> PathBuf {
    workspace.dist().join("completions")
}

/// Writes them, and has `man` read every page.
pub(super) fn write(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo();
    // As `cargo test` builds it, not by `--package`, which would choose other features and
    // build everything anew.
    cargo.args(["run", "--quiet", "--example", "manual", "--"]);
    process::visible(cargo.arg(workspace.dist())).context("writing the manual")?;
    for page in files(&pages(workspace))? {
        check(&page)?;
    }
    Ok(())
}

/// The files in a directory, by name.
pub(super) fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let at = || format!("listing {}", directory.display());
    let entries = fs::read_dir(directory).with_context(at)?;
    let files = entries.map(|entry| Ok(entry.with_context(at)?.path()));
    let mut files = files.collect::<Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

/// Formats a page as for a terminal. What groff complains of, readers would not see.
fn check(page: &Path) -> Result<()> {
    let mut man = Command::new(apt::program("man")?);
    man.args(["--warnings", "-E", "UTF-8", "-l"]).arg(page);
    man.env("LC_ALL", "C.UTF-8").env("MANWIDTH", "80");
    let output = man.stdin(Stdio::null()).output().context("starting man")?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success() && complaints.is_empty() && !output.stdout.is_empty(),
        "{}: {}\n{complaints}",
        page.display(),
        output.status
    );
    Ok(())
}
