// SPDX-License-Identifier: Apache-2.0
//! Compiles the eBPF object that `hhnet::xdp` embeds, and stamps the build id.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use aya_build::{Package, Toolchain};

/// rustup's name for the distribution's compiler (Debian's rustc-web with
/// libstd-rust-web-dev-bpf), linked by `cargo xtask setup`.
const DISTRIBUTION_TOOLCHAIN: &str = "debian-bpf";

fn main() {
    if let Err(error) = run() {
        println!("cargo::error={}", format!("{error:#}").replace('\n', " "));
    }
}

fn run() -> Result<()> {
    let manifest = env::var_os("CARGO_MANIFEST_DIR").context("CARGO_MANIFEST_DIR is not set")?;
    let workspace = Path::new(&manifest)
        .parent()
        .context("hhnet is outside its workspace")?;
    stamp_build_id(workspace)?;
    build_ebpf(workspace)
}

fn build_ebpf(workspace: &Path) -> Result<()> {
    let sources = workspace.join("hhnet-ebpf");
    let package = Package {
        name: "hhnet-ebpf",
        root_dir: sources.to_str().context("workspace path is not UTF-8")?,
        ..Package::default()
    };
    println!("cargo::rerun-if-env-changed=HHNET_BPF_TOOLCHAIN");
    println!(
        "cargo::rerun-if-changed={}",
        workspace.join("Cargo.lock").display()
    );
    // aya-build repeats what cargo says as warnings; errors come another way.
    set_env("CARGO_TERM_QUIET", "true".as_ref());
    find_linker(workspace)?;
    let toolchain = choose_toolchain()?;
    if toolchain != "nightly" {
        // A stable compiler with a prebuilt `core` for the BPF target. aya-ebpf and
        // the programs need an unstable feature each; naming crates also tells
        // aya-build not to ask for `-Z build-std`.
        set_env("RUSTC_BOOTSTRAP", "aya_ebpf,hhnet_ebpf".as_ref());
    }
    aya_build::build_ebpf([package], Toolchain::Custom(&toolchain))
}

/// A nightly that can build `core` itself, else the distribution's compiler
/// that comes with one.
fn choose_toolchain() -> Result<String> {
    if let Ok(chosen) = env::var("HHNET_BPF_TOOLCHAIN") {
        ensure!(
            sysroot(&chosen).is_some(),
            "HHNET_BPF_TOOLCHAIN: rustup has no `{chosen}` here"
        );
        return Ok(chosen);
    }
    let has = |toolchain: &str, path: &str| {
        sysroot(toolchain).is_some_and(|root| root.join("lib/rustlib").join(path).exists())
    };
    if has("nightly", "src/rust/library/core") {
        Ok("nightly".into())
    } else if has(DISTRIBUTION_TOOLCHAIN, "bpfel-unknown-none/lib") {
        Ok(DISTRIBUTION_TOOLCHAIN.into())
    } else {
        bail!(
            "no compiler for eBPF: neither `nightly` with rust-src nor `{DISTRIBUTION_TOOLCHAIN}` \
             is a rustup toolchain here; run `cargo xtask setup`"
        )
    }
}

fn sysroot(toolchain: &str) -> Option<PathBuf> {
    output(Command::new("rustup").args(["run", toolchain, "rustc", "--print", "sysroot"]))
        .map(PathBuf::from)
}

/// Makes sure of bpf-linker: in `tools/bin` of a target directory, where
/// `cargo xtask setup` installs it, which then is put on PATH, or on PATH.
fn find_linker(workspace: &Path) -> Result<()> {
    let has_linker = |dir: &PathBuf| dir.join("bpf-linker").exists();
    let out = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set")?);
    let tools = out.ancestors().map(|dir| dir.join("tools/bin"));
    let tools = tools
        .chain([workspace.join("target/tools/bin")])
        .find(has_linker);
    let path = env::var_os("PATH").unwrap_or_default();
    if let Some(tools) = tools {
        set_env(
            "PATH",
            &env::join_paths([tools].into_iter().chain(env::split_paths(&path)))?,
        );
    } else if !env::split_paths(&path).any(|dir| has_linker(&dir)) {
        bail!("bpf-linker is neither on PATH nor in target/tools/bin; run `cargo xtask setup`");
    }
    Ok(())
}

fn set_env(name: &str, value: &std::ffi::OsStr) {
    // SAFETY: a build script has one thread until aya-build starts its own.
    unsafe { env::set_var(name, value) };
}

/// `HHNET_BUILD`: the version, and the commit where the sources are a clone.
fn stamp_build_id(workspace: &Path) -> Result<()> {
    let git = |args: &[&str]| output(Command::new("git").arg("-C").arg(workspace).args(args));
    let version = env::var("CARGO_PKG_VERSION")?;
    let commit = git(&[
        "describe",
        "--always",
        "--dirty",
        "--abbrev=9",
        "--exclude=*",
    ]);
    let build = commit.map_or_else(|| version.clone(), |commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=HHNET_BUILD={build}");
    // What a commit or checkout changes, in a worktree too. Not the index:
    // `git status` rewrites it.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]).map(|path| workspace.join(path))
            && path.exists()
        {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }
    // Whether the tree is dirty; a change here compiles hhnet anew anyhow.
    for path in ["build.rs", "src", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={path}");
    }
    Ok(())
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}
