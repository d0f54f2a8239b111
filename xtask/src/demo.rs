// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask demo`: hhnet against a fabric, as a user would see it.

use std::io::{IsTerminal, stdin, stdout};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::payload::Payload;
use crate::setup::kernel::Kernel;
use crate::vm::{self, Job, System};
use crate::workspace::Workspace;

/// What is played.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Play {
    /// A server and a pair of leaves.
    Demo,
    /// The same, and then a shell in the lab until its user exits.
    DemoAndShell,
    /// All of VLAB's default topology.
    Walkthrough,
    /// The same as a page of documentation.
    WalkthroughPage,
}

impl Play {
    fn command(self) -> &'static [&'static str] {
        match self {
            Self::Demo => &["lab"],
            Self::DemoAndShell => &["lab", "--keep"],
            Self::Walkthrough => &["lab", "--walkthrough"],
            Self::WalkthroughPage => &["lab", "--walkthrough", "--markdown"],
        }
    }
}

/// Plays it, and returns the lab's exit status.
pub(crate) fn run(workspace: &Workspace, play: Play) -> Result<i32> {
    let keep = play == Play::DemoAndShell;
    let has_terminal = stdin().is_terminal() && stdout().is_terminal();
    ensure!(
        !keep || has_terminal,
        "--keep leaves a shell, which needs a terminal"
    );
    let mut payload = Payload::build(workspace)?;
    if matches!(play, Play::Walkthrough | Play::WalkthroughPage) {
        payload = payload.with_relay(workspace)?;
    }
    let minutes = if keep { 24 * 60 } else { 10 };
    let command = play.command().iter().map(|word| (*word).to_owned());
    let job = Job {
        system: System::Bare(Kernel::V6_12),
        payload: &payload,
        command: command.collect(),
        interactive: keep,
        timeout: Duration::from_secs(minutes * 60),
    };
    Ok(vm::run(workspace, &job)?.status)
}
