// SPDX-License-Identifier: Apache-2.0
//! Where things are: the checkout, the target directory and what we keep in it.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

/// The target of every static build. Named explicitly, because without `--target`
/// cargo would hand `+crt-static` to build scripts and proc macros too.
pub(crate) const STATIC_TARGET: &str = "x86_64-unknown-linux-gnu";

/// The checkout and its target directory.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Asks cargo, so that `CARGO_TARGET_DIR` and `build.target-dir` are honoured.
    pub(crate) fn locate() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
            .no_deps()
            .exec()
            .context("asking cargo for the target directory")?;
        Ok(Self {
            root: metadata.workspace_root.into(),
            target: metadata.target_directory.into(),
        })
    }

    /// Cargo's target directory.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// `cargo install --root` of the build tools.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// Kernels and images of the VM.
    pub(crate) fn vm(&self) -> PathBuf {
        self.target.join("vm")
    }

    /// Programs of others, a root each.
    pub(crate) fn peers(&self) -> PathBuf {
        self.target.join("peers")
    }

    /// Sources of the eBPF programs that ours is compared with.
    pub(crate) fn bench_peers(&self) -> PathBuf {
        self.root.join("bench/peers")
    }

    /// Files that make a Debian the lab's server, below their paths in its root.
    pub(crate) fn debian_settings(&self) -> PathBuf {
        self.root.join("xtask/debian/root")
    }

    /// The fuzz targets, a workspace of their own.
    pub(crate) fn fuzz(&self) -> PathBuf {
        self.root.join("fuzz")
    }

    /// Their target directory: built with other flags, nothing can be shared.
    pub(crate) fn fuzz_target(&self) -> PathBuf {
        self.target.join("fuzz")
    }

    /// That of tests under a sanitizer, likewise.
    pub(crate) fn sanitize_target(&self) -> PathBuf {
        self.target.join("sanitize")
    }

    /// What `cargo xtask dist` makes.
    pub(crate) fn dist(&self) -> PathBuf {
        self.target.join("dist")
    }

    /// The static binary among it.
    pub(crate) fn dist_binary(&self) -> PathBuf {
        self.dist().join("hhnet")
    }

    /// The unit of the service.
    pub(crate) fn unit(&self) -> PathBuf {
        self.root.join("dist/hhnet.service")
    }

    /// The cargo that runs us, by its absolute path: Debian's BPF toolchain brings a
    /// `/usr/bin/cargo` that must not be taken for it. The tools we installed come
    /// first on its PATH.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root).env("PATH", self.path());
        cargo
    }

    /// [`Self::cargo`] set up so that what it builds for [`STATIC_TARGET`] is static.
    pub(crate) fn static_cargo(&self) -> Command {
        let mut cargo = self.cargo();
        cargo.env(
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
            "-C target-feature=+crt-static",
        );
        cargo
    }

    fn path(&self) -> OsString {
        let inherited = env::var_os("PATH").unwrap_or_default();
        let dirs = [self.tools().join("bin")]
            .into_iter()
            .chain(env::split_paths(&inherited));
        env::join_paths(dirs).unwrap_or(inherited)
    }
}

/// The first file of that name on PATH.
pub(crate) fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
}
