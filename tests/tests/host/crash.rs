// SPDX-License-Identifier: Apache-2.0
//! The agent that systemd runs is killed where it tells others of its links: at files that
//! it writes or removes, at words to the bus. After that `cleanup` leaves nothing, and
//! the same verb works. What it does to the links themselves is `vm/crash.rs`.

use std::io::Write as _;

use hhnet_tests::fabric::Connection;
use hhnet_tests::machine::Machine;
use hhnet_tests::process::Output;

use crate::{BOND, Lab, VLAN};

/// hhnet with faults.
const PROGRAM: &str = "/opt/bin/hhnet-fault";

/// What its agent lists: a number and a name for each step.
const LIST: &str = "/run/hhnet-steps.agent";

/// Runs `hhnet LINE`, whose agent dies at the step; at none, if that is 0.
fn run(machine: &Machine, line: &str, step: usize) -> Output {
    machine.root(&format!("HHNET_FAULT=agent:{step} {PROGRAM} {line}"))
}

/// The steps that were listed by now, which are forgotten.
fn take_list(machine: &Machine) -> Vec<String> {
    let list = machine.read(LIST);
    machine.must(&format!("rm -f {LIST}"));
    let name = |line: &str| line.split_once(' ').map(|(_, name)| name.to_owned());
    list.lines().filter_map(name).collect()
}

/// Whether it is somebody else who hears of it: methods on the bus have a capital letter.
fn tells_others(step: &str) -> bool {
    let is_method = step.starts_with(|first: char| first.is_ascii_uppercase());
    is_method || step.contains("file of ") || step.contains("resolv.conf")
}

/// Kills the agent at those steps of the verb, and of the cleanup after it, that `is_meant`;
/// at every so manieth of them, as each takes ten seconds.
fn kill_at(
    lab: &Lab<impl Sized>,
    (verb, answer): (&str, &str),
    is_meant: fn(&str) -> bool,
    stride: usize,
) {
    let machine = &lab.machine;
    assert_eq!(run(machine, verb, 0).success(verb).stdout, answer);
    run(machine, "cleanup", 0).success("cleanup");
    machine.expect_clean("cleanup");
    let steps = take_list(machine);
    let meant = (1..).zip(&steps).filter(|(_, name)| is_meant(name));
    let meant: Vec<(usize, &String)> = meant.step_by(stride).collect();
    assert!(meant.len() >= 6, "{steps:?}");
    for (number, name) in &meant {
        let at = format!("{verb}, killed at step {number}, {name}");
        run(machine, verb, *number);
        // Where it died of its own, somebody gives it once more.
        if !run(machine, "cleanup", *number).ok() {
            run(machine, "cleanup", *number).success(&at);
        }
        machine.expect_clean(&at);
        let reached = take_list(machine).len();
        assert!(reached >= *number, "{at}: it came to step {reached}");
        let again = machine.root(&format!("{PROGRAM} {verb}")).success(&at);
        assert_eq!(again.stdout, answer, "{at}");
        machine.must(&format!("{PROGRAM} cleanup"));
        machine.expect_clean(&at);
    }
    let row = format!(
        "| {verb}, then cleanup, beside systemd | agent | {} of {} steps | residue 0 | again {0} |\n",
        meant.len(),
        steps.len(),
    );
    // Past what captures the output of tests that pass.
    let _ = std::io::stderr().write_all(row.as_bytes());
}

#[test]
fn an_agent_killed_whenever_it_tells_others_of_a_vlan() {
    let lab = Lab::model(Connection::Unbundled, |subnet| {
        subnet.dns = vec![[1, 1, 1, 1].into()];
        subnet.ntp = subnet.dns.clone();
    });
    kill_at(&lab, (VLAN, "10.0.1.10/24\n"), tells_others, 2);
}

#[test]
fn an_agent_killed_at_files_about_a_bond() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let is_file = |step: &str| step.contains("file of ");
    kill_at(&lab, (BOND, "10.0.1.10/24\n"), is_file, 2);
}
