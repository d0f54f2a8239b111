// SPDX-License-Identifier: Apache-2.0
//! The server that the test itself is running on: a whole Debian with systemd, of which
//! there is one, so that tests take turns.
//!
//! What the fabric's own tests do to their servers is done the same way: by ssh, as the
//! user `core`, a command line at a time.

mod report;
mod residue;
mod sampler;

pub use residue::{OWN_LINKS, PORTS};

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::host::VERB_DEADLINE;
use crate::namespace::Namespace;
use crate::process::{self, Output, Running};
use crate::wait::{self, PATIENCE};
use sampler::Sampler;

/// Where hhnet is installed.
pub const HHNET: &str = "/opt/bin/hhnet";

/// The machine, until the test that has it is over.
///
/// When the test has passed, `hhnet cleanup` has to leave the machine as it was; what is
/// left behind fails the test.
#[derive(Debug)]
pub struct Machine {
    namespace: Namespace,
    began: String,
    sampler: Option<Sampler>,
    _turn: MutexGuard<'static, ()>,
}

impl Machine {
    /// Waits for one's turn.
    #[expect(clippy::new_without_default, reason = "there is one machine")]
    pub fn new() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        // A test that has failed takes no other one with it.
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut machine = Self {
            namespace: Namespace::own(),
            began: String::new(),
            sampler: None,
            _turn: turn,
        };
        if !IS_CLEAN.swap(false, Ordering::Relaxed) {
            machine.restore();
        }
        let began = SystemTime::now().duration_since(UNIX_EPOCH);
        machine.began = format!("{:.6}", began.unwrap_or_default().as_secs_f64());
        machine.sampler = Some(Sampler::start());
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
        process::run(&mut ssh(line, &[]), PATIENCE * 6)
    }

    /// The same, of a command line that has to succeed. Returns its stdout.
    #[track_caller]
    pub fn ssh_must(&self, line: &str) -> String {
        self.ssh(line).success(&format!("ssh {line}")).stdout
    }

    /// The same, of a command line that goes on meanwhile.
    #[track_caller]
    pub fn ssh_start(&self, line: &str) -> Running {
        Running::start(&mut ssh(line, &[]))
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
        static KNOWS: OnceLock<bool> = OnceLock::new();
        *KNOWS.get_or_init(|| self.root("ip addr show dev lo proto 4").ok())
    }

    /// The names of all links but those of the fabric, sorted.
    pub fn links(&self) -> Vec<String> {
        let entries = fs::read_dir("/sys/class/net").expect("/sys is mounted");
        let names = entries
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned());
        let is_ours = |name: &String| !name.starts_with("enp3s") && name != "bonding_masters";
        let mut names: Vec<_> = names.filter(is_ours).collect();
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

    /// The text of a file, without the end of its last line; empty if there is none.
    pub fn read(&self, path: &str) -> String {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.trim_end().to_owned()
    }

    /// A property of a link in /sys, such as `mtu`.
    pub fn link(&self, link: &str, property: &str) -> String {
        self.read(&format!("/sys/class/net/{link}/{property}"))
    }

    /// The remaining lifetime in seconds of the link's first address, as the fabric's
    /// tests read it; none if there is no address, or if it lasts for ever.
    pub fn lifetime(&self, link: &str) -> Option<u64> {
        let proto = if self.ip_knows_protocols() {
            "proto 4"
        } else {
            ""
        };
        let shown = self
            .root(&format!("ip -4 addr show dev {link} {proto}"))
            .stdout;
        let mut words = shown
            .split_whitespace()
            .skip_while(|word| *word != "valid_lft");
        words.nth(1)?.strip_suffix("sec")?.parse().ok()
    }

    /// Whether networkd has set up the link, or is about to.
    pub fn is_managed(&self, link: &str) -> bool {
        ["configured", "configuring"].contains(&self.setup(link).as_str())
    }

    /// What networkd says of the link: `configured`, `unmanaged`, …
    pub fn setup(&self, link: &str) -> String {
        let index = fs::read_to_string(format!("/sys/class/net/{link}/ifindex"));
        let index = index.unwrap_or_default();
        let state = fs::read_to_string(format!("/run/systemd/netif/links/{}", index.trim()));
        let state = state.unwrap_or_default();
        let setup = state
            .lines()
            .find_map(|line| line.strip_prefix("ADMIN_STATE="));
        setup.unwrap_or("unknown").to_owned()
    }

    /// Ends the machine's part in the test, and checks that nothing is left.
    fn leave(&self) {
        let mut cleanup = ssh(&format!("{HHNET} cleanup"), &LASTING);
        let cleanup = process::run(&mut cleanup, VERB_DEADLINE).success("hhnet cleanup");
        assert_eq!(cleanup.stdout, "", "hhnet cleanup has no answer");
        let seen = self.sampler.iter().flat_map(Sampler::seen);
        let seen: Vec<_> = seen.collect();
        assert!(seen.is_empty(), "for a moment: {seen:#?}");
        self.expect_clean("hhnet cleanup");
        IS_CLEAN.store(true, Ordering::Relaxed);
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

/// Whether the last test has left nothing.
static IS_CLEAN: AtomicBool = AtomicBool::new(false);

/// One connection for all that is not about logging in, which takes a second and more.
const LASTING: [&str; 3] = [
    "ControlMaster=auto",
    "ControlPersist=yes",
    "ControlPath=/run/lab.ssh",
];

/// A command of core by ssh. No option changes what it sees of the server.
fn ssh(line: &str, options: &[&str]) -> Command {
    const OPTIONS: [&str; 4] = [
        "BatchMode=yes",
        "LogLevel=ERROR",
        "StrictHostKeyChecking=no",
        "UserKnownHostsFile=/dev/null",
    ];
    let mut ssh = Command::new("ssh");
    ssh.args(["-n", "-T", "-F", "none"]);
    for option in OPTIONS.iter().chain(options) {
        ssh.args(["-o", option]);
    }
    ssh.args(["core@127.0.0.1", line]);
    ssh
}

fn shell(line: &str) -> Command {
    let mut shell = Command::new("bash");
    shell.args(["-c", line]);
    shell
}
