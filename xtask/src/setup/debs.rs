// SPDX-License-Identifier: Apache-2.0
//! Programs of Debian packages that are not to be installed: downloaded and unpacked.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::apt;
use crate::progress::step;
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
        let dir = workspace.peers().join(self.name);
        let (root, complete) = (dir.join("root"), dir.join("packages"));
        let wanted = self.packages.join("\n");
        if fs::read_to_string(&complete).is_ok_and(|there| there == wanted) {
            return Ok(root);
        }
        step(&format!("fetching Debian's {}", self.name), |step| {
            apt::refresh_lists(step)?;
            apt::unpack(step, &dir, self.packages)?;
            // Written last: its presence says that everything before it was completed.
            fs::write(&complete, wanted).with_context(|| format!("writing {}", complete.display()))
        })?;
        Ok(root)
    }
}
