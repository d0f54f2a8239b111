// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask soak`: what the tests do shortly, for long.

use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;

use crate::payload::Payload;
use crate::progress::{answer, note};
use crate::setup::kernel::Kernel;
use crate::summary::Summary;
use crate::test::{self, Harness, Variable};
use crate::vm::System;
use crate::workspace::Workspace;

/// A thousand VLANs and two hundred bonds, under emulation; who goes on for longer has to
/// look himself whether it hangs.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);

/// What goes on for long.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Soak {
    /// Each disturbance alone, then random ones, around a bonded server in the VM
    Chaos {
        /// How long random disturbances go on
        #[arg(long, default_value_t = 300)]
        seconds: u64,
        /// What the random ones begin with; a run says which, so that it can be repeated
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Debian's kernel
        #[arg(long, value_enum, default_value = "6.12")]
        kernel: Kernel,
    },
    /// Commands again and again: on a cable on this kernel, bonds and VLANs in the VM
    Verbs {
        /// How often each
        #[arg(long, default_value_t = 1000)]
        cycles: u32,
        /// How often a bond, which takes longer; a fifth of the others unless given
        #[arg(long)]
        bonds: Option<u32>,
        /// Debian's kernel
        #[arg(long, value_enum, default_value = "6.12")]
        kernel: Kernel,
        /// Only tests with one of these in their name: cable, bond, vlan, dhcp, commands
        #[arg(last = true)]
        filter: Vec<String>,
    },
    /// A lease that is renewed each second
    Leases {
        /// For how long
        #[arg(long, default_value_t = 720)]
        seconds: u32,
    },
}

/// Runs one of them. Returns whether all went well.
pub(crate) fn run(workspace: &Workspace, soak: Soak) -> Result<bool> {
    let summary = match soak {
        Soak::Chaos {
            seconds,
            seed,
            kernel,
        } => chaos(workspace, (seconds, seed), kernel)?,
        Soak::Verbs {
            cycles,
            bonds,
            kernel,
            filter,
        } => {
            let bonds = bonds.unwrap_or(cycles / 5);
            note(&format!("soak verbs: {cycles} cycles, {bonds} of bonds"));
            let variables = [
                ("HHNET_SOAK_CYCLES", cycles.to_string()),
                ("HHNET_SOAK_VLANS", cycles.to_string()),
                ("HHNET_SOAK_BONDS", bonds.to_string()),
            ];
            let mut summary = here(workspace, &variables, &filter, TIMEOUT)?;
            summary += in_vm(workspace, kernel, &variables, &filter, TIMEOUT)?;
            summary
        }
        Soak::Leases { seconds } => {
            let variables = [("HHNET_SOAK_SECONDS", seconds.to_string())];
            let filter = ["a_lease_is_renewed".to_owned()];
            here(workspace, &variables, &filter, TIMEOUT)?
        }
    };
    answer(&summary.to_string());
    Ok(summary.failed == 0)
}

/// Commands again and again, on this kernel.
pub(crate) fn here(
    workspace: &Workspace,
    variables: &[Variable],
    filter: &[String],
    timeout: Duration,
) -> Result<Summary> {
    let run = Harness {
        target: test::SOAK,
        variables,
        arguments: &alone("bond::", filter),
        timeout,
    };
    test::netns(workspace, &run)
}

/// The same in the VM.
pub(crate) fn in_vm(
    workspace: &Workspace,
    kernel: Kernel,
    variables: &[Variable],
    filter: &[String],
    timeout: Duration,
) -> Result<Summary> {
    let run = Harness {
        target: test::SOAK,
        variables,
        arguments: &alone("cable::", filter),
        timeout,
    };
    let payload = Payload::build(workspace)?;
    test::in_vm(workspace, System::Bare(kernel), payload, &run)
}

fn chaos(workspace: &Workspace, (seconds, seed): (u64, u64), kernel: Kernel) -> Result<Summary> {
    note(&format!("soak chaos: seed {seed}, {seconds} s"));
    let variables = [
        ("HHNET_CHAOS_SEED", seed.to_string()),
        ("HHNET_CHAOS_SECONDS", seconds.to_string()),
    ];
    let run = Harness {
        target: "vm",
        variables: &variables,
        arguments: &["chaos::", "--test-threads=1", "--nocapture"].map(str::to_owned),
        timeout: TIMEOUT,
    };
    let payload = Payload::build(workspace)?;
    test::in_vm(workspace, System::Bare(kernel), payload, &run)
}

/// One test after the other, which print, but for those of a kind.
fn alone(but: &str, filter: &[String]) -> Vec<String> {
    let mut arguments = ["--test-threads=1", "--nocapture", "--skip", but]
        .map(str::to_owned)
        .to_vec();
    // libtest takes no flag twice.
    let is_new = |word: &&String| *word != "--nocapture";
    arguments.extend(filter.iter().filter(is_new).cloned());
    arguments
}
