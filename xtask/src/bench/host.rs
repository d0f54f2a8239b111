// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask bench verbs` and `throughput`: what is measured on a machine with systemd.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::dhcp::PROGRAM;
use crate::payload::{self, Payload};
use crate::progress::{answer, note};
use crate::vm::{self, Job, Release, System};
use crate::workspace::Workspace;

/// Twice what the VM takes under emulation.
const TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// Measures, and prints all figures once more at the end.
pub(super) fn run(workspace: &Workspace, part: &str, rounds: u32) -> Result<()> {
    note(&format!("bench {part}: {rounds} rounds"));
    let program = payload::lab_program(workspace, PROGRAM)?;
    let job = Job {
        system: System::Debian(Release::Trixie),
        payload: &Payload::build(workspace)?.with(PROGRAM, program),
        command: [PROGRAM, part, &rounds.to_string()]
            .map(str::to_owned)
            .to_vec(),
        interactive: false,
        timeout: TIMEOUT,
    };
    let outcome = vm::run(workspace, &job)?;
    ensure!(
        outcome.status == 0,
        "{PROGRAM} in the VM: exit status {}",
        outcome.status
    );
    answer("");
    let figures = outcome.output.lines();
    figures
        .filter(|line| line.starts_with("figure "))
        .for_each(answer);
    Ok(())
}
