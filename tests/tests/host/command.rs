// SPDX-License-Identifier: Apache-2.0
//! hhnet as a command: by ssh, as a user who is not root.

use std::fs;
use std::path::Path;

use hhnet_tests::fabric::Connection;
use hhnet_tests::machine::Machine;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{BOND, Lab, ON_VLAN, VLAN, secs};

/// Without a verb, or with one that is unknown: usage on stderr, nothing on stdout.
#[test]
fn usage_goes_to_stderr() {
    let machine = Machine::new();
    for line in [
        "/opt/bin/hhnet",
        "/opt/bin/hhnet bogus",
        "/opt/bin/hhnet --help",
    ] {
        let output = machine.ssh(line);
        assert_eq!((output.code(), output.stdout.as_str()), (1, ""), "{line}");
        assert!(output.stderr.contains("Usage"), "{line}: {}", output.stderr);
    }
}

/// Cleaning up what is clean succeeds, without an answer and soon.
#[test]
fn cleanup_twice_on_a_clean_machine() {
    let machine = Machine::new();
    for _ in 0..2 {
        let output = machine.ssh("/opt/bin/hhnet cleanup").success("cleanup");
        assert_eq!(output.stdout, "");
        // Emulated, logging in takes two of them. An agent that is not there would be waited
        // for for ten.
        assert!(output.took < secs(9), "{:?}", output.took);
    }
}

/// The virtual addresses of the loopback interface, IPv4 first, without being root.
#[test]
fn getvips_lists_global_addresses_of_lo() {
    let machine = Machine::new();
    assert_eq!(machine.hhnet("getvips"), "");
    machine.must("ip addr add 2001:db8::1/128 dev lo; ip addr add 10.0.5.1/32 dev lo");
    assert_eq!(machine.hhnet("getvips"), "10.0.5.1/32\n2001:db8::1/128\n");
}

/// The answer is the prefix alone, however much is to be logged.
#[test]
fn the_answer_is_the_prefix_alone() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let answer = lab
        .machine
        .ssh_must(&format!("RUST_LOG=trace /opt/bin/hhnet {BOND}"));
    assert_eq!(answer, "10.0.1.10/24\n");
}

/// The session ends when the answer is there, although an agent stays: it has neither the
/// session's pipes nor a place in its control group, with which it would be killed.
#[test]
fn the_agent_outlives_the_session_and_does_not_hold_it() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let mut session = lab.machine.ssh_start(&format!("/opt/bin/hhnet {BOND}"));
    wait::until("the answer", PATIENCE, || {
        session.stdout() == "10.0.1.10/24\n"
    });
    assert!(session.wait(PATIENCE).success(), "{}", session.stderr());

    let agents = lab.machine.hhnet_processes();
    assert_eq!(agents.len(), 1, "{agents:?}");
    let group = fs::read_to_string(format!("/proc/{}/cgroup", agents[0])).expect("it runs");
    assert!(!group.contains("user.slice"), "{group}");
    wait::throughout(secs(3), "the agent runs", || {
        lab.machine.hhnet_processes() == agents
    });
    lab.machine.must("pgrep hhnet");
}

/// As the fabric installs it: copied by core, moved by root, made executable by core; once
/// more while an agent runs.
#[test]
fn it_works_as_it_is_installed_and_installed_again() {
    const UPLOAD: &str = "cp /opt/bin/hhnet /tmp/hhnet && chmod 0644 /tmp/hhnet";
    const INSTALL: &str = "bash -c 'sudo mv /tmp/hhnet /opt/bin/hhnet && chmod +x /opt/bin/hhnet'";
    let lab = Lab::dnsmasq(Connection::Unbundled);
    for _ in 0..2 {
        lab.machine.ssh_must(&format!("{UPLOAD} && {INSTALL}"));
        let owner = lab.machine.must("stat -c '%U:%G %a' /opt/bin/hhnet");
        assert_eq!(owner, "core:core 755\n");
        assert_eq!(lab.machine.hhnet("cleanup"), "");
        assert_eq!(lab.machine.hhnet(VLAN), "10.0.1.10/24\n");
        assert_eq!(lab.machine.hhnet("getvips"), "");
    }
}

/// Who is told to end ends at once, through sudo and all, and takes back what it did.
#[test]
fn a_timeout_ends_it_and_undoes_it() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    let shown = lab.machine.ssh_must(&format!(
        "began=$EPOCHREALTIME; timeout 3 /opt/bin/hhnet {VLAN}; status=$?; now=$EPOCHREALTIME
         echo $status $((${{now/./}} - ${{began/./}}))"
    ));
    let (status, took) = shown.trim().split_once(' ').expect("two numbers");
    assert_eq!(status, "124", "{shown}");
    let took: u64 = took.parse().expect("microseconds");
    // The lease would be waited for for five minutes.
    assert!(took < 10_000_000, "{shown}");
    wait::until("nothing of it is left", PATIENCE, || {
        let is_gone = !Path::new("/sys/class/net").join(ON_VLAN).exists();
        is_gone && lab.machine.hhnet_processes().is_empty()
    });
}

/// What cannot be done is refused with a reason, and costs the next command nothing.
#[test]
fn a_good_command_works_after_bad_ones() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.machine.must("ip link add bond0 type bond");
    for line in [
        BOND,
        "bond 1001 bogus enp2s1",
        "bond 1001 layer2+3 enp9s9",
        "bond 1001 layer2+3",
        "vlan 5000 enp2s1",
        "vlan abc enp2s1",
        "p2p enp2s1 10.0.1.0/31",
    ] {
        let output = lab.machine.ssh(&format!("/opt/bin/hhnet {line}"));
        assert!(!output.ok(), "{line}");
        assert_eq!(output.stdout, "", "{line}");
        assert_ne!(output.stderr, "", "{line}");
    }
    assert_eq!(lab.machine.hhnet("cleanup"), "");
    assert_eq!(lab.machine.hhnet(BOND), "10.0.1.10/24\n");
}
