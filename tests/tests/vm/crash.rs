// SPDX-License-Identifier: Apache-2.0
//! The agent, or the command, is killed at each of its steps in turn, or at every fourth of
//! them. After that `cleanup` leaves nothing, and the same verb works.
//!
//! The steps are those that hhnet itself takes (`hhnet/src/fault.rs`): a first run counts
//! them. What came of it is a table on stderr.

use std::io::Write as _;
use std::process::Command;

use hhnet_tests::fabric::{Connection, Segment};
use hhnet_tests::host::{Host, VERB_DEADLINE};
use hhnet_tests::pace;
use hhnet_tests::process::{self, Output};
use hhnet_tests::wait::{self, PATIENCE};

use crate::Lab;

/// hhnet with faults.
const PROGRAM: &str = "/opt/bin/hhnet-fault";

/// Every so manieth step in a usual run.
const USUAL: usize = 4;

/// How often one is sent to a step that it does not always take.
const ATTEMPTS: u32 = 3;

/// A verb that is killed, with what it answers.
struct Story<'a> {
    server: &'a Host,
    verb: &'a str,
    answer: &'a str,
}

impl Story<'_> {
    /// Runs `hhnet LINE`, which dies at the step, or the agent that it starts.
    fn run(&self, line: &str, fault: &str) -> Output {
        let mut command: Command = self.server.namespace().command(PROGRAM);
        command.args(line.split_whitespace());
        process::run(command.env("HHNET_FAULT", fault), VERB_DEADLINE)
    }

    /// The steps of `who`, of the verb and of the cleanup after it, by their names.
    fn steps(&self, who: &str) -> Vec<String> {
        let fault = format!("{who}:0");
        let output = self.run(self.verb, &fault);
        assert_eq!(output.stdout, self.answer, "{}", output.stderr);
        self.run("cleanup", &fault).success("hhnet cleanup");
        self.expect_clean("nobody was killed");
        self.take_list(who)
    }

    /// What was listed by then, which is forgotten.
    fn take_list(&self, who: &str) -> Vec<String> {
        let file = format!("/run/hhnet-steps.{who}");
        let list = self.server.namespace().read(&file).unwrap_or_default();
        self.server.namespace().must(&format!("rm -f {file}"));
        list.lines().map(str::to_owned).collect()
    }

    /// Kills `who` at each step.
    fn kill_at_each(&self, who: &str) {
        let before = self.server.snapshot();
        let resolver = || {
            self.server
                .run("grep -rs . /etc/resolv.conf /etc/resolv.conf.hhnet")
                .stdout
        };
        let resolver_before = resolver();
        let steps = self.steps(who);
        assert!(steps.len() > 3, "{steps:?}");
        let (mut killed, mut again) = (0, 0);
        for number in (1..=steps.len()).step_by(pace::stride(USUAL)) {
            let at = format!("{} killed at step {}", who, steps[number - 1]);
            // Not all runs take all steps: some of them depend on time.
            let is_killed = (0..ATTEMPTS).any(|_| {
                let is_killed = self.kill_at(who, number, &at);
                self.server.expect_unchanged(&before);
                assert_eq!(resolver(), resolver_before, "{at}");
                is_killed
            });
            killed += usize::from(is_killed);
            let output = self.server.hhnet(self.verb);
            assert_eq!(output.stdout, self.answer, "{at}: {}", output.stderr);
            self.server.must("cleanup");
            self.expect_clean(&at);
            again += 1;
        }
        // The last steps of a run that had more of them than others.
        let missed = again - killed;
        assert!(missed <= 1 + again / 10, "killed {killed} of {again} times");
        let (verb, all) = (self.verb, steps.len());
        let row = format!(
            "| {verb}, then cleanup | {who} | {again} of {all} steps | killed {killed} | residue 0 | again {again} |\n"
        );
        // Past what captures the output of tests that pass.
        let _ = std::io::stderr().write_all(row.as_bytes());
    }

    /// Runs the verb, and the cleanup after it, one of which dies at the step. Returns
    /// whether it came to that; there is nothing left.
    fn kill_at(&self, who: &str, number: usize, at: &str) -> bool {
        let fault = format!("{who}:{number}");
        self.run(self.verb, &fault);
        // Where a command dies of its own, somebody gives it once more.
        if !self.run("cleanup", &fault).ok() {
            self.run("cleanup", "").success(at);
        }
        self.expect_clean(at);
        self.take_list(who).len() >= number
    }

    #[track_caller]
    fn expect_clean(&self, at: &str) {
        let mut left = Vec::new();
        let clean = wait::poll(PATIENCE, || {
            left = self.server.residue();
            left.is_empty().then_some(())
        });
        assert!(clean.is_some(), "{at}:\n{}", left.join("\n"));
    }
}

#[test]
fn a_bond_killed_at_every_step() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let story = Story {
        server: &lab.server,
        verb: "bond 1001 layer2+3 enp2s1 enp2s2",
        answer: "10.0.1.10/24\n",
    };
    story.kill_at_each("agent");
    story.kill_at_each("cli");
}

#[test]
fn a_vlan_killed_at_every_step() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let story = Story {
        server: &lab.server,
        verb: "vlan 1001 enp2s1",
        answer: "10.0.1.10/24\n",
    };
    story.kill_at_each("agent");
    story.kill_at_each("cli");
}

/// Of what is leased on a port nothing but the address and its record can be found.
#[test]
fn an_untagged_lease_killed_at_every_step() {
    let segment = Segment::new();
    let dhcp = segment.fabric_dhcp(Segment::subnet());
    let server = segment.server();
    let story = Story {
        server: &server,
        verb: "dhcp enp2s1",
        answer: "10.0.1.10/24\n",
    };
    story.kill_at_each("agent");
    story.kill_at_each("cli");
    drop((server, dhcp));
}

#[test]
fn a_point_to_point_address_killed_at_every_step() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    let story = Story {
        server: &lab.server,
        verb: "p2p enp2s1 10.0.9.0/31 10.0.9.1",
        answer: "10.0.9.0/31\n",
    };
    story.kill_at_each("agent");
    story.kill_at_each("cli");
}
