// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask`: everything done to the repository.

mod bench;
mod check;
mod demo;
mod dist;
mod fuzz;
mod payload;
mod process;
mod progress;
mod sanitize;
mod setup;
mod soak;
mod summary;
mod test;
mod vm;
mod workspace;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};

use bench::Benchmark;
use demo::Play;
use payload::Payload;
use setup::Needs;
use setup::kernel::Kernel;
use soak::Soak;
use test::{Rung, Selection};
use vm::{Release, System};
use workspace::Workspace;

/// Builds, tests and shows hhnet.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Show hhnet at work against a fabric, in a throw-away VM
    Demo {
        /// Leave a shell in the lab
        #[arg(long)]
        keep: bool,
        /// Play the story of VLAB's documentation instead, in all of its topology
        #[arg(long, conflicts_with = "keep")]
        walkthrough: bool,
        /// Print it as docs/walkthrough.md has it
        #[arg(long, requires = "walkthrough")]
        markdown: bool,
    },
    /// Run the tests
    Test {
        /// Only these rungs; all of them if none is named
        #[arg(value_enum)]
        rungs: Vec<Rung>,
        /// Only these kernels in the VM
        #[arg(long, value_enum)]
        kernel: Vec<Kernel>,
        /// Only these releases of Debian in the VM with systemd
        #[arg(long, value_enum)]
        debian: Vec<Release>,
        /// All of what takes long, everything on each kernel, and on both releases
        #[arg(long)]
        thorough: bool,
        /// For every test harness: a filter of names, --nocapture, …
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// Compare hhnet with others
    Bench {
        #[command(subcommand)]
        benchmark: Benchmark,
    },
    /// Feed the parsers and the DHCP client with what nobody sends
    Fuzz {
        /// Only this target; all of them if none is named
        target: Option<String>,
        /// How long each target runs
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
        seconds: u32,
    },
    /// Do for long what the tests do shortly
    Soak {
        #[command(subcommand)]
        soak: Soak,
    },
    /// Run the tests of unsafe code under the address sanitizer
    Sanitize,
    /// Check formatting, lints, unit tests and dependencies
    Check,
    /// Build hhnet as one static file, its manual and a Debian package, in target/dist
    Dist,
    /// Run a command in a throw-away VM that has hhnet in /opt/bin
    Vm {
        /// Debian's kernel to boot
        #[arg(long, value_enum, default_value = "6.12")]
        kernel: Kernel,
        /// A whole Debian to boot, with systemd, instead of a kernel alone
        #[arg(long, value_enum, conflicts_with = "kernel")]
        debian: Option<Release>,
        /// Give the command this terminal
        #[arg(long)]
        interactive: bool,
        /// Seconds after which the VM is killed
        #[arg(long, default_value_t = 600)]
        timeout: u64,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Provision everything that the other commands need
    Setup,
}

impl Task {
    fn needs(&self) -> Needs {
        match self {
            Self::Check | Self::Dist | Self::Fuzz { .. } | Self::Sanitize => Needs::Build,
            Self::Test { rungs, .. } if rungs[..] == [Rung::Unit] => Needs::Build,
            Self::Test { .. }
            | Self::Bench { .. }
            | Self::Soak { .. }
            | Self::Demo { .. }
            | Self::Vm { .. }
            | Self::Setup => Needs::Lab,
        }
    }
}

fn main() -> ExitCode {
    let result = run(Arguments::parse().task);
    result.unwrap_or_else(|error| {
        progress::failure(&error);
        ExitCode::FAILURE
    })
}

fn run(task: Task) -> Result<ExitCode> {
    let workspace = Workspace::locate()?;
    setup::provision(&workspace, task.needs())?;
    match task {
        Task::Demo {
            keep,
            walkthrough,
            markdown,
        } => {
            let play = match (keep, walkthrough, markdown) {
                (true, ..) => Play::DemoAndShell,
                (_, true, true) => Play::WalkthroughPage,
                (_, true, false) => Play::Walkthrough,
                _ => Play::Demo,
            };
            Ok(exit_code(demo::run(&workspace, play)?))
        }
        Task::Test {
            rungs,
            kernel,
            debian,
            thorough,
            filter,
        } => {
            // The older Debian takes as long again.
            let releases: &[Release] = match thorough {
                true => &Release::ALL,
                false => &[Release::Trixie],
            };
            let selection = Selection {
                rungs: or_all(&rungs, &[Rung::Unit, Rung::Netns, Rung::Vm, Rung::Host]),
                kernels: or_all(&kernel, &Kernel::ALL),
                releases: or_all(&debian, releases),
                is_thorough: thorough,
                filter: &filter,
            };
            Ok(verdict(test::run(&workspace, &selection)?))
        }
        Task::Fuzz { target, seconds } => {
            setup::provision_cargo_fuzz(&workspace)?;
            let selection = fuzz::Selection { target, seconds };
            Ok(verdict(fuzz::run(&workspace, &selection)?))
        }
        Task::Bench { benchmark } => {
            bench::run(&workspace, benchmark)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Soak { soak } => Ok(verdict(soak::run(&workspace, soak)?)),
        Task::Sanitize => {
            sanitize::run(&workspace)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Check => {
            setup::provision_cargo_deny(&workspace)?;
            check::run(&workspace)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Dist => {
            dist::run(&workspace)?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Vm {
            kernel,
            debian,
            interactive,
            timeout,
            command,
        } => {
            let payload = Payload::build(&workspace)?;
            let timeout = Duration::from_secs(timeout);
            let job = vm::Job {
                system: debian.map_or(System::Bare(kernel), System::Debian),
                payload: &payload,
                command,
                interactive,
                timeout,
            };
            Ok(exit_code(vm::run(&workspace, &job)?.status))
        }
        Task::Setup => {
            setup::provision_all(&workspace)?;
            for release in Release::ALL {
                vm::provision(&workspace, release)?;
            }
            bench::provide_peers(&workspace)?;
            bench::provide_compiler(&workspace)?;
            bench::provide_editcap(&workspace)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn or_all<'a, T>(chosen: &'a [T], all: &'a [T]) -> &'a [T] {
    if chosen.is_empty() { all } else { chosen }
}

fn verdict(passed: bool) -> ExitCode {
    exit_code(i32::from(!passed))
}

fn exit_code(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX))
}
