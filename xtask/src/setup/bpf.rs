// SPDX-License-Identifier: Apache-2.0
//! The compiler and linker of the eBPF programs.
//!
//! The usual compiler is a nightly with rust-src, which builds `core` itself. Where
//! there is none, Debian's compiler serves, which has a prebuilt `core` for the target.
//! hhnet's build script chooses in the same order.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::cargo_tool::CargoTool;
use crate::process;
use crate::progress::step;
use crate::workspace::Workspace;

/// rustup's name for Debian's compiler; hhnet's build script looks for it.
const DEBIAN_TOOLCHAIN: &str = "debian-bpf";

const DEBIAN_PACKAGES: [&str; 4] = [
    "rustc-web",
    "cargo-web",
    "libstd-rust-web-dev-bpf",
    "rust-web-llvm",
];

/// The LLVM of Debian's compiler.
const DEBIAN_LLVM: u32 = 22;

/// What compiles eBPF on this machine.
pub(super) struct BpfToolchain {
    is_debian: bool,
    linker: CargoTool,
    llvm: u32,
}

impl BpfToolchain {
    pub(super) fn choose() -> Self {
        let nightly = nightly_llvm();
        let llvm = nightly.unwrap_or(DEBIAN_LLVM);
        Self {
            is_debian: nightly.is_none(),
            linker: bpf_linker(llvm),
            llvm,
        }
    }

    /// The Debian packages it needs.
    pub(super) fn packages(&self, workspace: &Workspace) -> Vec<String> {
        let mut packages = Vec::new();
        if self.is_debian {
            packages.extend(DEBIAN_PACKAGES.map(str::to_owned));
        }
        if !self.linker.is_there(workspace) {
            packages.push(format!("llvm-{}-dev", self.llvm));
        }
        packages
    }

    /// Completes it, once the packages are there.
    pub(super) fn provide(&self, workspace: &Workspace) -> Result<()> {
        if self.is_debian {
            link_debian_toolchain()?;
        }
        self.linker.provide(workspace)
    }
}

/// bpf-linker for the LLVM that the compiler has: the linker reads its bitcode.
fn bpf_linker(llvm: u32) -> CargoTool {
    let prefix = format!("/usr/lib/llvm-{llvm}");
    let features = [
        "--no-default-features".to_owned(),
        format!("--features=llvm-{llvm}"),
    ];
    CargoTool {
        name: "bpf-linker",
        version: "0.13.0",
        arguments: features.into(),
        environment: vec![
            ("LLVM_PREFIX".to_owned(), prefix.clone()),
            (format!("LLVM_SYS_{llvm}1_PREFIX"), prefix),
        ],
    }
}

/// The major version of the nightly's LLVM, if there is one that can build `core`.
fn nightly_llvm() -> Option<u32> {
    let sysroot = rustc("nightly", &["--print", "sysroot"])?;
    let source = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core");
    source
        .is_dir()
        .then(|| rustc("nightly", &["-vV"]).as_deref().and_then(parse_llvm))
        .flatten()
}

/// `LLVM version: 22.1.4` of `rustc -vV`.
fn parse_llvm(version: &str) -> Option<u32> {
    let llvm = version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))?;
    llvm.split('.').next()?.parse().ok()
}

/// A local link, not a download.
fn link_debian_toolchain() -> Result<()> {
    if rustc(DEBIAN_TOOLCHAIN, &["--version"]).is_some() {
        return Ok(());
    }
    step("linking Debian's BPF compiler into rustup", |step| {
        let link = ["toolchain", "link", DEBIAN_TOOLCHAIN, "/usr"];
        process::within(step, Command::new("rustup").args(link))?;
        let version = rustc(DEBIAN_TOOLCHAIN, &["--version"]);
        ensure!(version.is_some(), "rustup cannot run {DEBIAN_TOOLCHAIN}");
        Ok(())
    })
    .context("giving rustup a toolchain for eBPF")
}

fn rustc(toolchain: &str, arguments: &[&str]) -> Option<String> {
    process::output(
        Command::new("rustup")
            .args(["run", toolchain, "rustc"])
            .args(arguments),
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llvm_of_rustc() {
        let version = "rustc 1.97.0-nightly\nrelease: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        assert_eq!(parse_llvm(version), Some(22));
        assert_eq!(parse_llvm("rustc 1.97.0-nightly\n"), None);
    }
}
