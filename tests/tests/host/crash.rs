// SPDX-License-Identifier: Apache-2.0
//! The agent that systemd runs is killed where it tells others of its links: at files that
//! it writes or removes, at words to the bus; and the command, where it asks systemd for
//! that agent. After that `cleanup` leaves nothing, and the same verb works. What is done
//! to the links themselves is `vm/crash.rs`.

use std::io::Write as _;

use hhnet_tests::fabric::Connection;
use hhnet_tests::machine::Machine;
use hhnet_tests::pace;
use hhnet_tests::process::Output;

use crate::{BOND, Lab, VLAN};

/// hhnet with faults.
const PROGRAM: &str = "/opt/bin/hhnet-fault";

/// How often one is sent to a step that it does not always take.
const ATTEMPTS: u32 = 3;

/// Runs `hhnet LINE`, which dies at the step, or its agent; at none, if that is 0.
fn run(machine: &Machine, line: &str, (who, step): (&str, usize)) -> Output {
    machine.root(&format!("HHNET_FAULT={who}:{step} {PROGRAM} {line}"))
}

/// The steps that were listed by now, a number and a name each, which are forgotten.
fn take_list(machine: &Machine, who: &str) -> Vec<String> {
    let list = machine.read(&format!("/run/hhnet-steps.{who}"));
    machine.must(&format!("rm -f /run/hhnet-steps.{who}"));
    let name = |line: &str| line.split_once(' ').map(|(_, name)| name.to_owned());
    list.lines().filter_map(name).collect()
}

/// Whether it is somebody else who hears of it: methods on the bus have a capital letter.
fn tells_others(step: &str) -> bool {
    let is_method = step.starts_with(|first: char| first.is_ascii_uppercase());
    is_method || step.contains("file of ") || step.contains("resolv.conf")
}

/// Kills `who` at those steps of the verb, and of the cleanup after it, that `is_meant`;
/// at every so manieth of them, as each takes ten seconds, unless the run is thorough.
fn kill_at(
    lab: &Lab<impl Sized>,
    who: &str,
    (verb, answer): (&str, &str),
    is_meant: fn(&str) -> bool,
    usual: usize,
) {
    let machine = &lab.machine;
    assert_eq!(run(machine, verb, (who, 0)).success(verb).stdout, answer);
    run(machine, "cleanup", (who, 0)).success("cleanup");
    machine.expect_clean("cleanup");
    let steps = take_list(machine, who);
    let meant = (1..).zip(&steps).filter(|(_, name)| is_meant(name));
    let meant: Vec<(usize, &String)> = meant.step_by(pace::stride(usual)).collect();
    assert!(meant.len() >= 3, "{steps:?}");
    for (number, name) in &meant {
        let at = format!("{verb}, {who} killed at step {number}, {name}");
        let reached = (0..ATTEMPTS).any(|_| kill(machine, (who, *number), verb, &at));
        assert!(reached, "{at}: it did not come to that");
        let again = machine.root(&format!("{PROGRAM} {verb}")).success(&at);
        assert_eq!(again.stdout, answer, "{at}");
        machine.must(&format!("{PROGRAM} cleanup"));
        machine.expect_clean(&at);
    }
    let row = format!(
        "| {verb}, then cleanup, beside systemd | {who} | {} of {} steps | residue 0 | again {0} |\n",
        meant.len(),
        steps.len(),
    );
    // Past what captures the output of tests that pass.
    let _ = std::io::stderr().write_all(row.as_bytes());
}

/// Has `who` die at the step of the verb, or of the cleanup after it. Returns whether it
/// came to that; there is nothing left.
fn kill(machine: &Machine, fault: (&str, usize), verb: &str, at: &str) -> bool {
    run(machine, verb, fault);
    // Where it died of its own, somebody gives it once more.
    if !run(machine, "cleanup", fault).ok() {
        run(machine, "cleanup", (fault.0, 0)).success(at);
    }
    machine.expect_clean(at);
    take_list(machine, fault.0).len() >= fault.1
}

#[test]
fn an_agent_killed_whenever_it_tells_others_of_a_vlan() {
    let lab = Lab::model(Connection::Unbundled, |subnet| {
        subnet.dns = vec![[1, 1, 1, 1].into()];
        subnet.ntp = subnet.dns.clone();
    });
    kill_at(&lab, "agent", (VLAN, "10.0.1.10/24\n"), tells_others, 9);
}

/// It has systemd start the agent, and ends it.
#[test]
fn a_command_killed_at_any_step() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    kill_at(&lab, "cli", (VLAN, "10.0.1.10/24\n"), |_| true, 5);
}

#[test]
fn an_agent_killed_at_files_about_a_bond() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let is_file = |step: &str| step.contains("file of ");
    kill_at(&lab, "agent", (BOND, "10.0.1.10/24\n"), is_file, 4);
}
