// SPDX-License-Identifier: Apache-2.0
//! Build tools from crates.io.

use std::fs;

use anyhow::{Context, Result};

use crate::process;
use crate::progress::step;
use crate::workspace::{Workspace, find_on_path};

/// A program of a crate of the same name.
pub(super) struct CargoTool {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
}

impl CargoTool {
    /// Whether one is there: on PATH, or installed by us.
    pub(super) fn is_there(&self, workspace: &Workspace) -> bool {
        workspace.tools().join("bin").join(self.name).is_file() || find_on_path(self.name).is_some()
    }

    /// Installs the tool under the target directory unless it is there.
    pub(super) fn provide(&self, workspace: &Workspace) -> Result<()> {
        if self.is_there(workspace) {
            return Ok(());
        }
        step(
            &format!("building {} {} from crates.io", self.name, self.version),
            |step| {
                let build = workspace.tools().join("build");
                let mut cargo = workspace.cargo();
                cargo
                    .args([
                        "install",
                        "--locked",
                        self.name,
                        "--version",
                        self.version,
                        "--root",
                    ])
                    .arg(workspace.tools())
                    .arg("--target-dir")
                    .arg(&build)
                    .args(&self.arguments)
                    .envs(self.environment.iter().map(|(name, value)| (name, value)));
                process::within(step, &mut cargo)?;
                fs::remove_dir_all(&build).with_context(|| format!("removing {}", build.display()))
            },
        )
    }
}
