// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask bench xdp`: what the XDP program costs, beside programs in C.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::payload::Payload;
use crate::process;
use crate::progress::note;
use crate::setup;
use crate::setup::debs::Debs;
use crate::setup::kernel::Kernel;
use crate::vm::{self, Job, System};
use crate::workspace::{STATIC_TARGET, Workspace};

/// The binary that measures, and its name in the VM.
const PROGRAM: &str = "xdp";

/// Where the VM has the objects in C.
const GUEST_PEERS: &str = "opt/peers";

/// Ten times what loading takes under emulation.
const VM_TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// The compiler of the programs in C, of the same LLVM as Debian's Rust for eBPF, with
/// the libraries that a Debian without it lacks.
const CLANG: Debs = Debs {
    name: "clang",
    packages: &[
        "clang-22",
        "libclang-cpp22",
        "libllvm22",
        "libbsd0",
        "libedit2",
        "libicu72",
        "libxml2",
        "libz3-4",
    ],
};

const COMPILER: &str = "usr/lib/llvm-22/bin/clang";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";

/// As the Rust program is compiled: optimised, with BTF, for the same instruction set.
const FLAGS: &str = "-target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror \
                     -Wno-unused-variable -Wno-unused-parameter -c";

/// The parts of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Nanoseconds per frame, in test runs
    Cost,
    /// Frames per second on a veth pair
    Live,
    /// The time to read the flows
    Read,
    /// What the verifier has to do, on this kernel, 6.12 and 6.1
    Load,
    /// Kernel memory
    Memory,
}

/// What is asked for.
#[derive(Clone, Debug, Args)]
pub(crate) struct Options {
    /// Only this part; all of them if none is named
    #[arg(long, value_enum)]
    part: Option<Part>,
    /// How often each program has its turn
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Another XDP program to be measured: an object file and perhaps a name in it
    #[arg(long, value_name = "FILE[:NAME]")]
    program: Vec<String>,
}

/// Compiles the peers, measures here and loads in VMs.
pub(super) fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let is_root = nix::unistd::geteuid().is_root();
    ensure!(is_root, "loading eBPF programs needs root");
    let peers = compile_peers(workspace)?;
    let program = build(workspace, PROGRAM)?;
    let mut bench = Command::new(&program);
    bench.arg("--peers").arg(&peers);
    bench.arg(format!("--rounds={}", options.rounds));
    bench.args(
        options
            .program
            .iter()
            .map(|file| format!("--program={file}")),
    );
    if let Some(part) = options.part.as_ref().and_then(ValueEnum::to_possible_value) {
        bench.arg(format!("--part={}", part.get_name()));
    }
    if options.part.is_none_or(|part| part == Part::Load) {
        for kernel in Kernel::ALL {
            for line in load_in_vm(workspace, kernel, &peers, &program)? {
                bench.arg(format!("--elsewhere={line}"));
            }
        }
    }
    note("bench xdp: measuring");
    let (status, _) = process::watched(&mut bench)?;
    ensure!(status.success(), "bench xdp: {status}");
    Ok(())
}

/// The objects of `bench/peers`. Returns their directory.
fn compile_peers(workspace: &Workspace) -> Result<PathBuf> {
    let clang = provide_compiler(workspace)?;
    let (sources, objects) = (workspace.bench_peers(), workspace.target().join("bench"));
    fs::create_dir_all(&objects).with_context(|| format!("creating {}", objects.display()))?;
    for entry in fs::read_dir(&sources).with_context(|| format!("reading {}", sources.display()))? {
        let source = entry?.path();
        if source.extension().is_some_and(|extension| extension == "c") {
            let object = objects.join(source.with_extension("o").file_name().unwrap_or_default());
            let mut compiler = Command::new(clang.join(COMPILER));
            compiler.env("LD_LIBRARY_PATH", clang.join(LIBRARIES));
            compiler.args(FLAGS.split_whitespace());
            process::visible(compiler.arg(&source).arg("-o").arg(object))?;
        }
    }
    Ok(objects)
}

/// Downloads the compiler of the peers unless it is there. Returns its root.
pub(crate) fn provide_compiler(workspace: &Workspace) -> Result<PathBuf> {
    let _lock = setup::lock(workspace)?;
    CLANG.provide(workspace)
}

/// A binary of the `bench` package. Static, so that it runs in the VM as well.
pub(super) fn build(workspace: &Workspace, program: &str) -> Result<PathBuf> {
    let mut cargo = workspace.static_cargo();
    cargo.args(["build", "--release", "--target", STATIC_TARGET]);
    cargo.args(["--package", "hhnet-bench", "--bin", program]);
    process::visible(&mut cargo).context("building the benchmark")?;
    let built = workspace.target().join(STATIC_TARGET).join("release");
    Ok(built.join(program))
}

/// Loads every program into another kernel. Returns what is to be told about each.
fn load_in_vm(
    workspace: &Workspace,
    kernel: Kernel,
    peers: &Path,
    program: &Path,
) -> Result<Vec<String>> {
    note(&format!("bench xdp: loading on Linux {}", kernel.name()));
    let payload = Payload::build(workspace)?
        .with(PROGRAM, program.to_owned())
        .with_copy(GUEST_PEERS, peers.to_owned());
    let guest_peers = format!("--peers=/{GUEST_PEERS}");
    let job = Job {
        system: System::Bare(kernel),
        payload: &payload,
        command: vec![PROGRAM.to_owned(), guest_peers, "--load-only".to_owned()],
        interactive: false,
        timeout: VM_TIMEOUT,
    };
    let outcome = vm::run(workspace, &job)?;
    let status = outcome.status;
    ensure!(status == 0, "{PROGRAM} in the VM: exit status {status}");
    let lines = outcome.output.lines().map(str::trim_end);
    let lines = lines.filter(|line| line.starts_with("loaded "));
    Ok(lines.map(str::to_owned).collect())
}
