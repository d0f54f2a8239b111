// SPDX-License-Identifier: Apache-2.0
//! The Debian package. What is in it stands in `hhnet/Cargo.toml`, what happens when it
//! comes and goes in `dist/deb/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::manual;
use crate::process;
use crate::setup;
use crate::workspace::{STATIC_TARGET, Workspace};

/// Where hhfab has hhnet, and the unit that is given to it.
const OF_HHFAB: &str = "/opt/bin/hhnet";
/// Where a package may have it.
const OF_PACKAGE: &str = "/usr/bin/hhnet";

/// Builds it, and everything in it.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    setup::provision_packaging(workspace)?;
    super::build(workspace)?;
    manual::write(workspace)?;
    stage(workspace, &super::release(workspace).join("package"))?;
    for file in manual::files(&workspace.dist())? {
        if file.extension().is_some_and(|extension| extension == "deb") {
            fs::remove_file(&file).with_context(|| format!("removing {}", file.display()))?;
        }
    }
    let mut cargo = workspace.cargo();
    cargo
        .args(["deb", "--quiet", "--package", "hhnet"])
        // Of the very file that is in target/dist.
        .args(["--no-build", "--no-strip", "--target", STATIC_TARGET])
        .arg("--output")
        .arg(workspace.dist().join(""));
    let built = process::output(&mut cargo).context("building the package")?;
    Ok(built.trim().into())
}

/// Lays out what cargo-deb cannot find by itself wherever the target directory is.
fn stage(workspace: &Workspace, directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)
            .with_context(|| format!("emptying {}", directory.display()))?;
    }
    for (from, to) in [
        (manual::pages(workspace), "man"),
        (manual::completions(workspace), "completions"),
    ] {
        let to = directory.join(to);
        fs::create_dir_all(&to).with_context(|| format!("creating {}", to.display()))?;
        for file in manual::files(&from)? {
            let name = file.file_name().context("a file has a name")?;
            let copy = to.join(name);
            fs::copy(&file, &copy).with_context(|| format!("writing {}", copy.display()))?;
        }
    }
    // Debian Policy 12.1 has manual pages compressed.
    let pages = manual::files(&directory.join("man"))?;
    process::output(Command::new("gzip").arg("-9n").args(pages))?;
    let unit = directory.join("hhnet.service");
    let text = packaged_unit(&workspace.unit())?;
    fs::write(&unit, text).with_context(|| format!("writing {}", unit.display()))
}

/// The unit, with the program where the package has it.
fn packaged_unit(file: &Path) -> Result<String> {
    let unit = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    ensure!(
        unit.matches(OF_HHFAB).count() == 1,
        "{}: {OF_HHFAB} is not there just once",
        file.display()
    );
    Ok(unit.replace(OF_HHFAB, OF_PACKAGE))
}
