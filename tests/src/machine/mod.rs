// SPDX-License-Identifier: Apache-2.0
//! The server that the test itself is running on: a whole Debian with systemd, of which
//! there is one, so that tests take turns.
//!
//! What the fabric's own tests do to their servers is done the same way: by ssh, as the
//! user `core`, a command line at a time.

mod report;
mod residue;

pub use residue::{OWN_LINKS, PORTS};

use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::host::VERB_DEADLINE;
use crate::namespace::Namespace;
use crate::process::{self, Output, Running};
use crate::wait::{self, PATIENCE};

/// Where hhnet is installed.
pub const HHNET: &str = "/opt/bin/hhnet";

/// What the fabric's tests wait at most for a server, all in all.
const HARNESS_PATIENCE: Duration = Duration::from_secs(10 * 60);

/// The machine, until the test that has it is over.
///
/// When the test has passed, `hhnet cleanup` has to leave the machine as it was; what is
/// left behind fails the test.
#[derive(Debug)]
pub struct Machine {
    namespace: Namespace,
    began: String,
    _turn: MutexGuard<'static, ()>,
}

impl Machine {
    /// Waits for one's turn.
    ///
    /// # Panics
    /// When the machine is not as a test expects it, which is an earlier one's fault.
    #[expect(clippy::new_without_default, reason = "there is one machine")]
    pub fn new() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        // A test that has failed takes no other one with it.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut machine = Self {
            namespace: Namespace::own(),
            began: String::new(),
            _turn: turn,
        };
        machine.restore();
        machine.began = machine.must("date +%s.%N").trim().to_owned();
        machine
    }

    /// The machine as fixtures know machines.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Runs a command line as the fabric's tests do: by ssh, as core, without a terminal
    /// and without input, until both pipes are at their end.
    #[track_caller]
    pub fn ssh(&self, line: &str) -> Output {
        process::run(&mut ssh(line), HARNESS_PATIENCE.min(VERB_DEADLINE * 2))
    }

    /// The same, of a command line that has to succeed. Returns its stdout.
    #[track_caller]
    pub fn ssh_must(&self, line: &str) -> String {
        self.ssh(line).success(&format!("ssh {line}")).stdout
    }

    /// The same, of a command line that goes on meanwhile.
    #[track_caller]
    pub fn ssh_start(&self, line: &str) -> Running {
        Running::start(&mut ssh(line))
    }

    /// Runs `hhnet ARGUMENTS` by ssh, which has to succeed. Returns its answer.
    #[track_caller]
    pub fn hhnet(&self, arguments: &str) -> String {
        self.ssh_must(&format!("{HHNET} {arguments}"))
    }

    /// Runs a command line in a shell of root.
    #[track_caller]
    pub fn root(&self, line: &str) -> Output {
        process::run(&mut shell(line), PATIENCE * 3)
    }

    /// The same, of a command line that has to succeed. Returns its stdout.
    #[track_caller]
    pub fn must(&self, line: &str) -> String {
        self.root(line).success(line).stdout
    }

    /// The same, of a command line that goes on meanwhile.
    #[track_caller]
    pub fn root_start(&self, line: &str) -> Running {
        Running::start(&mut shell(line))
    }

    /// The version of systemd, such as 257.
    pub fn systemd(&self) -> u32 {
        let version = self.must("systemctl --version");
        let number = version
            .split_whitespace()
            .nth(1)
            .and_then(|n| n.parse().ok());
        number.unwrap_or_else(|| panic!("no version of systemd in:\n{version}"))
    }

    /// Whether `ip` can show addresses by the protocol that has set them.
    pub fn ip_knows_protocols(&self) -> bool {
        self.root("ip addr show dev lo proto 4").ok()
    }

    /// The names of all links but those of the fabric, sorted.
    pub fn links(&self) -> Vec<String> {
        let shown = self.must("ip -o link show");
        let names = shown.lines().filter_map(|line| line.split(": ").nth(1));
        let names = names.map(|name| name.split('@').next().unwrap_or(name).to_owned());
        let mut names: Vec<_> = names.filter(|name| !name.starts_with("enp3s")).collect();
        names.sort();
        names
    }

    /// The IPv4 addresses of a link as `a.b.c.d/len`; none if there is no link.
    pub fn addresses(&self, link: &str) -> Vec<String> {
        let shown = self.root(&format!("ip -o -4 addr show dev {link}")).stdout;
        let addresses = shown
            .lines()
            .filter_map(|line| line.split_whitespace().nth(3));
        addresses.map(str::to_owned).collect()
    }

    /// Waits until the link has these addresses and no other.
    #[track_caller]
    pub fn expect_addresses(&self, link: &str, deadline: Duration, expected: &[&str]) {
        wait::until(&format!("{link} has {expected:?}"), deadline, || {
            self.addresses(link) == expected
        });
    }

    /// Whether networkd has set up the link, or is about to.
    pub fn is_managed(&self, link: &str) -> bool {
        ["configured", "configuring"].contains(&self.setup(link).as_str())
    }

    /// What networkd says of the link: `configured`, `unmanaged`, …
    pub fn setup(&self, link: &str) -> String {
        let state = self.root(&format!(
            "cat /run/systemd/netif/links/$(cat /sys/class/net/{link}/ifindex)"
        ));
        let mut lines = state.stdout.lines();
        let setup = lines.find_map(|line| line.strip_prefix("ADMIN_STATE="));
        setup.unwrap_or("unknown").to_owned()
    }

    /// Ends the machine's part in the test, and checks that nothing is left.
    fn leave(&self) {
        let cleanup = self
            .ssh(&format!("{HHNET} cleanup"))
            .success("hhnet cleanup");
        assert_eq!(cleanup.stdout, "", "hhnet cleanup has no answer");
        let mut left = Vec::new();
        let clean = wait::poll(PATIENCE, || {
            left = self.residue();
            left.is_empty().then_some(())
        });
        assert!(clean.is_some(), "after hhnet cleanup:\n{}", left.join("\n"));
    }
}

impl Drop for Machine {
    #[expect(clippy::print_stderr, reason = "the report of a failed test")]
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "--- the machine when the test failed ---\n{}",
                self.report()
            );
        } else {
            self.leave();
        }
    }
}

/// A command of core by ssh. No option changes what a server sees of it.
fn ssh(line: &str) -> Command {
    let mut ssh = Command::new("ssh");
    ssh.args([
        "-n",
        "-T",
        "-F",
        "none",
        "-o",
        "BatchMode=yes",
        "-o",
        "LogLevel=ERROR",
    ])
    .args([
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
    ])
    .args(["core@127.0.0.1", line]);
    ssh
}

fn shell(line: &str) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", line]);
    shell
}
