// SPDX-License-Identifier: Apache-2.0
//! Programs of Debian packages that are not to be installed: downloaded and unpacked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::apt;
use crate::process;
use crate::progress::{Step, step};
use crate::workspace::Workspace;

/// Some packages, unpacked into one root of their own.
pub(crate) struct Debs {
    /// What they are for, and the directory's name under `target/peers`.
    pub(crate) name: &'static str,
    /// Their names. Dependencies are not followed: name those as well that a fresh
    /// Debian lacks.
    pub(crate) packages: &'static [&'static str],
}

impl Debs {
    /// Downloads the packages unless they are there. Returns the root.
    pub(crate) fn provide(&self, workspace: &Workspace) -> Result<PathBuf> {
        let root = workspace.peers().join(self.name);
        // Beside the root and written last: it says which packages are in it, completely.
        let stamp = root.with_added_extension("packages");
        let wanted = self.packages.join("\n");
        if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
            return Ok(root);
        }
        step(&format!("fetching Debian's {}", self.name), |step| {
            apt::refresh_lists(step)?;
            let debs = self.download(step, &root.with_added_extension("debs"))?;
            step.progress("unpacking");
            unpack(step, &debs, &root)
        })?;
        fs::write(&stamp, wanted).with_context(|| format!("writing {}", stamp.display()))?;
        Ok(root)
    }

    fn download(&self, step: &Step, dir: &Path) -> Result<PathBuf> {
        make_empty(dir)?;
        let mut apt = Command::new("apt-get");
        apt.arg("download").args(self.packages).current_dir(dir);
        process::within(step, &mut apt)?;
        Ok(dir.to_owned())
    }
}

/// Unpacks all packages in `debs`, which is removed.
fn unpack(step: &Step, debs: &Path, root: &Path) -> Result<()> {
    make_empty(root)?;
    let list = fs::read_dir(debs).with_context(|| format!("listing {}", debs.display()))?;
    let mut unpacked = 0;
    for entry in list {
        let deb = entry?.path();
        let mut dpkg = Command::new("dpkg-deb");
        process::within(step, dpkg.arg("-x").arg(&deb).arg(root))?;
        unpacked += 1;
    }
    ensure!(unpacked > 0, "apt-get download left no package");
    fs::remove_dir_all(debs).with_context(|| format!("removing {}", debs.display()))
}

fn make_empty(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("emptying {}", dir.display()))?;
    }
    fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))
}
