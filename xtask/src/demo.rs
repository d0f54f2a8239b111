// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask demo`: hhnet against a fabric, as a user would see it.

use std::io::{IsTerminal, stdin, stdout};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::payload::Payload;
use crate::setup::kernel::Kernel;
use crate::vm::{self, Job, System};
use crate::workspace::Workspace;

/// Plays the story; with `keep`, leaves a shell in the lab until its user exits.
/// Returns the lab's exit status.
pub(crate) fn run(workspace: &Workspace, keep: bool) -> Result<i32> {
    let has_terminal = stdin().is_terminal() && stdout().is_terminal();
    ensure!(
        !keep || has_terminal,
        "--keep leaves a shell, which needs a terminal"
    );
    let payload = Payload::build(workspace)?;
    let (command, timeout) = if keep {
        (
            vec!["lab".to_owned(), "--keep".to_owned()],
            Duration::from_secs(24 * 60 * 60),
        )
    } else {
        (vec!["lab".to_owned()], Duration::from_secs(10 * 60))
    };
    let job = Job {
        system: System::Bare(Kernel::V6_12),
        payload: &payload,
        command,
        interactive: keep,
        timeout,
    };
    Ok(vm::run(workspace, &job)?.status)
}
