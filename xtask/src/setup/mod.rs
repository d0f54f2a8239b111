// SPDX-License-Identifier: Apache-2.0
//! Provisions what the other commands need: once, and under `target/` except for
//! Debian's packages and rustup's link to one of them.

pub(crate) mod apt;
mod bpf;
mod bzimage;
mod cargo_tool;
pub(crate) mod debs;
pub(crate) mod kernel;
pub(crate) mod prometheus;
pub(crate) mod servers;

use std::fs::{self, File};

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use bpf::BpfToolchain;
use cargo_tool::CargoTool;
use kernel::{Flavour, Kernel};

/// To link static programs, and bpf-linker to the C++ of LLVM.
const BUILD_PACKAGES: &[&str] = &["g++", "libc6-dev"];

/// To boot VMs, and the programs inside them; all but the essential ones.
const LAB_PACKAGES: &[&str] = &[
    "cpio",
    "dnsmasq-base",
    "ethtool",
    "iperf3",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "lz4",
    "mawk",
    "mmdebstrap",
    "mount",
    "nftables",
    "procps",
    "qemu-system-x86",
    "strace",
    "sudo",
    "tcpdump",
    "tmux",
    "xz-utils",
    "zstd",
];

/// What a command works with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Compilers alone.
    Build,
    /// Network namespaces and VMs, too.
    Lab,
}

/// Installs what is missing, except for kernels, DHCP servers and Prometheus: those
/// are fetched when one is booted, or tested against.
pub(crate) fn provision(workspace: &Workspace, needs: Needs) -> Result<()> {
    let _lock = lock(workspace)?;
    let bpf = BpfToolchain::choose();
    let bpf_packages = bpf.packages(workspace);
    let mut packages = BUILD_PACKAGES.to_vec();
    packages.extend(bpf_packages.iter().map(String::as_str));
    if needs == Needs::Lab {
        packages.extend(LAB_PACKAGES);
    }
    apt::install(&packages)?;
    bpf.provide(workspace)
}

/// Everything that any command may take.
pub(crate) fn provision_all(workspace: &Workspace) -> Result<()> {
    provision(workspace, Needs::Lab)?;
    provision_cargo_deny(workspace)?;
    provision_packaging(workspace)?;
    let _lock = lock(workspace)?;
    for kernel in Kernel::ALL {
        kernel::provision(workspace, kernel, Flavour::Cloud)?;
    }
    servers::SERVERS.provide(workspace)?;
    servers::KEA.provide(workspace)?;
    prometheus::PROMETHEUS.provide(workspace)?;
    Ok(())
}

/// The audit of dependencies, which only `cargo xtask check` does.
pub(crate) fn provision_cargo_deny(workspace: &Workspace) -> Result<()> {
    let _lock = lock(workspace)?;
    CargoTool {
        name: "cargo-deny",
        version: "0.20.2",
        // Unoptimised: it runs for a second, and optimising it takes minutes.
        arguments: vec!["--debug".to_owned()],
        environment: vec![("CARGO_PROFILE_DEV_DEBUG".to_owned(), "none".to_owned())],
    }
    .provide(workspace)
}

/// What only a package is built with.
pub(crate) fn provision_packaging(workspace: &Workspace) -> Result<()> {
    let _lock = lock(workspace)?;
    apt::install(&["man-db"])?;
    CargoTool {
        name: "cargo-deb",
        version: "3.8.0",
        arguments: vec!["--debug".to_owned()],
        environment: vec![("CARGO_PROFILE_DEV_DEBUG".to_owned(), "none".to_owned())],
    }
    .provide(workspace)
}

/// Which only `cargo xtask fuzz` needs.
pub(crate) fn provision_cargo_fuzz(workspace: &Workspace) -> Result<()> {
    let _lock = lock(workspace)?;
    CargoTool {
        name: "cargo-fuzz",
        version: "0.13.2",
        arguments: vec!["--debug".to_owned()],
        environment: vec![("CARGO_PROFILE_DEV_DEBUG".to_owned(), "none".to_owned())],
    }
    .provide(workspace)
}

/// Held while something is provisioned, so that two commands do not do it at once.
pub(crate) fn lock(workspace: &Workspace) -> Result<File> {
    let dir = workspace.target();
    fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    let path = dir.join("xtask.lock");
    let lock = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    lock.lock()
        .with_context(|| format!("locking {}", path.display()))?;
    Ok(lock)
}
