// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask soak`: what the tests do shortly, for long.

use std::time::Duration;

use anyhow::Result;
use clap::Subcommand;

use crate::payload::{self, Payload};
use crate::progress::{answer, note};
use crate::setup::kernel::Kernel;
use crate::summary::Summary;
use crate::test;
use crate::vm::{self, Job, System};
use crate::workspace::Workspace;

/// A thousand VLANs and two hundred bonds, under emulation; who goes on for longer has to
/// look himself whether it hangs.
const TIMEOUT: Duration = Duration::from_secs(2 * 60 * 60);

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
        #[arg(long, default_value_t = 360)]
        seconds: u32,
    },
}

/// What a harness is told by its environment.
pub(crate) type Variable = (&'static str, String);

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
            let mut summary = here(workspace, &variables, &filter)?;
            summary += in_vm(workspace, kernel, &variables, &filter)?;
            summary
        }
        Soak::Leases { seconds } => {
            let variables = [("HHNET_SOAK_SECONDS", seconds.to_string())];
            here(workspace, &variables, &["a_lease_is_renewed".to_owned()])?
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
) -> Result<Summary> {
    let arguments = alone("bond::", filter);
    test::netns(workspace, test::SOAK, variables, &arguments)
}

/// The same in the VM.
pub(crate) fn in_vm(
    workspace: &Workspace,
    kernel: Kernel,
    variables: &[Variable],
    filter: &[String],
) -> Result<Summary> {
    let arguments = alone("cable::", filter);
    harness_in_vm(workspace, kernel, (test::SOAK, variables), &arguments)
}

fn chaos(workspace: &Workspace, (seconds, seed): (u64, u64), kernel: Kernel) -> Result<Summary> {
    note(&format!("soak chaos: seed {seed}, {seconds} s"));
    let variables = [
        ("HHNET_CHAOS_SEED", seed.to_string()),
        ("HHNET_CHAOS_SECONDS", seconds.to_string()),
    ];
    let arguments = ["chaos::", "--test-threads=1", "--nocapture"].map(str::to_owned);
    harness_in_vm(workspace, kernel, ("vm", &variables), &arguments)
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

fn harness_in_vm(
    workspace: &Workspace,
    kernel: Kernel,
    (target, variables): (&str, &[Variable]),
    arguments: &[String],
) -> Result<Summary> {
    let name = format!("{target}-tests");
    let harness = payload::test_harness(workspace, target)?;
    let mut command = vec!["env".to_owned()];
    command.extend(
        variables
            .iter()
            .map(|(name, value)| format!("{name}={value}")),
    );
    command.push(name.clone());
    command.extend_from_slice(arguments);
    let job = Job {
        system: System::Bare(kernel),
        payload: &Payload::build(workspace)?.with(&name, harness),
        command,
        interactive: false,
        timeout: TIMEOUT,
    };
    let outcome = vm::run(workspace, &job)?;
    Ok(Summary::read(&outcome.output, outcome.status == 0))
}
