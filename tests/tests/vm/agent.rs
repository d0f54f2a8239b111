// SPDX-License-Identifier: Apache-2.0
//! The life of the agent: who starts it, who ends it, and that it is alone.

use std::thread;

use hhnet_tests::capture::Capture;
use hhnet_tests::fabric::Connection;
use hhnet_tests::host::Host;
use hhnet_tests::process;
use hhnet_tests::wait::{self, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Lab, secs};

/// Process ids of the agents.
fn agents(server: &Host) -> Vec<i32> {
    server
        .hhnet_processes()
        .iter()
        .map(|process| process.pid)
        .collect()
}

fn kill_agents(server: &Host) {
    for pid in agents(server) {
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the agent is alive");
    }
    wait::until("the agent is dead", secs(5), || agents(server).is_empty());
}

/// The command returns and lets go of its pipes, the agent stays, and it is in
/// a session of its own: a hangup of the terminal does not reach it.
#[test]
fn the_agent_outlives_the_command_that_started_it() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    lab.server.must("vlan 1001 enp2s1");
    let [agent] = agents(&lab.server)[..] else {
        panic!("{:?}", lab.server.hhnet_processes())
    };
    let session = nix::unistd::getsid(Some(Pid::from_raw(agent))).expect("the agent is alive");
    assert_ne!(session, nix::unistd::getsid(None).expect("own session"));
}

/// Nothing but the lease is asked for, and nobody is told of the server: what else a port
/// sends is the kernel's.
#[test]
fn an_idle_agent_sends_nothing() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    // By the kernel: LACP, ARP, neighbour discovery and multicast listeners.
    const FOREIGN: &str = "not (ether proto 0x8809 or arp or icmp6)";
    let filter = format!("{FOREIGN} and not (vlan and (arp or icmp6))");
    let sent = [0, 1].map(|leaf| {
        let port = format!("s1p{}", leaf + 1);
        Capture::start(lab.fabric.leaves[leaf].namespace(), &port, "in", &filter)
    });
    wait::throughout(secs(10), "nothing is sent", || {
        sent.iter().all(|capture| capture.text().is_empty())
    });
    // It would have been seen.
    lab.server.namespace().must("ping -c 1 -W 2 10.0.1.1");
    wait::until("the echo request", secs(5), || {
        let seen = sent.iter().filter(|c| c.text().contains("echo request"));
        seen.count() == 1
    });
}

/// One agent serves all.
#[test]
fn there_is_one_agent_for_all_interfaces() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    lab.server.must("vlan 1001 enp2s1");
    let first = agents(&lab.server);
    assert_eq!(first.len(), 1);
    lab.server.must("vlan 1002 enp2s1");
    assert_eq!(agents(&lab.server), first);
}

/// After cleanup there is nothing to be an agent for.
#[test]
fn cleanup_ends_the_agent() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    lab.server.must("vlan 1001 enp2s1");
    assert_eq!(agents(&lab.server).len(), 1);
    lab.server.must("cleanup");
    wait::until("the agent has left", PATIENCE, || {
        agents(&lab.server).is_empty()
    });
}

/// What a killed agent has left behind is swept as well.
#[test]
fn cleanup_works_after_the_agent_was_killed() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let before = lab.server.snapshot();
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    kill_agents(&lab.server);
    assert_eq!(lab.server.must("cleanup"), "");
    lab.server.expect_unchanged(&before);
    assert_eq!(
        lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2"),
        "10.0.1.10/24\n"
    );
}

/// A verb after the death of the agent starts another one.
#[test]
fn a_verb_works_after_the_agent_was_killed() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    lab.server.must("vlan 1001 enp2s1");
    kill_agents(&lab.server);
    assert_eq!(lab.server.must("vlan 1002 enp2s1"), "10.0.2.10/24\n");
    assert_eq!(agents(&lab.server).len(), 1);
}

/// Without an agent there is nothing to tell, which is no error. Neither
/// command starts one.
#[test]
fn status_and_flows_answer_without_an_agent() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    lab.server.must("status");
    lab.server.must("flows");
    assert!(agents(&lab.server).is_empty());
}

/// Two commands at once, each for its own VLAN: both succeed.
#[test]
fn two_vlans_at_once_both_succeed() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    let answers = at_once(&lab.server, ["vlan 1001 enp2s1", "vlan 1002 enp2s1"]);
    let answers = answers.map(|output| output.success("hhnet vlan").stdout);
    assert_eq!(answers, ["10.0.1.10/24\n", "10.0.2.10/24\n"]);
    assert_eq!(agents(&lab.server).len(), 1);
}

/// Two commands at once for the same bond: one succeeds, the other is refused,
/// and the bond is whole.
#[test]
fn of_two_bonds_at_once_one_succeeds() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let line = "bond 1001 layer2+3 enp2s1 enp2s2";
    let outputs = at_once(&lab.server, [line, line]);
    let (good, bad): (Vec<_>, Vec<_>) = outputs.iter().partition(|output| output.ok());
    assert_eq!((good.len(), bad.len()), (1, 1), "{outputs:?}");
    assert_eq!(good[0].stdout, "10.0.1.10/24\n");
    assert!(
        bad[0].stdout.is_empty() && bad[0].stderr.contains("bond0"),
        "{outputs:?}"
    );
    assert_eq!(lab.server.addresses("bond0.1001"), ["10.0.1.10/24"]);
    assert_eq!(lab.server.ip_json("link show master bond0").len(), 2);
}

/// Cleanup at the same time as another verb: both return, and either all of the
/// verb's work is there, or none.
#[test]
fn cleanup_at_the_same_time_as_a_verb_leaves_all_or_nothing() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let before = lab.server.snapshot();
    for round in 0..10 {
        let verb = "vlan 1001 enp2s1";
        let [cleanup, vlan] = if round % 2 == 0 {
            at_once(&lab.server, ["cleanup", verb])
        } else {
            let [vlan, cleanup] = at_once(&lab.server, [verb, "cleanup"]);
            [cleanup, vlan]
        };
        assert!(cleanup.ok(), "round {round}: {cleanup:?}");
        if vlan.ok() && lab.server.has_link("enp2s1.1001") {
            assert_eq!(lab.server.addresses("enp2s1.1001"), ["10.0.1.10/24"]);
            lab.server.must("cleanup");
        }
        lab.server.expect_unchanged(&before);
    }
}

/// Everything is done in-process: no command starts another program, and the
/// agent is the same binary.
#[test]
fn no_other_program_is_started() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let own = hhnet_tests::host::binary();
    let lines = [
        "bond 1001 layer2+3 enp2s1 enp2s2",
        "status",
        "flows",
        "getvips",
        "cleanup",
    ];
    for (number, line) in lines.iter().enumerate() {
        // The tracer follows the agent, too: it must not hold the command's pipes.
        let script = format!(
            "exec strace -D -f -e trace=execve -o /run/trace{number} \"$@\" >/run/said 2>&1"
        );
        let hhnet = lab.server.hhnet_command(line);
        let mut traced = lab.server.namespace().command("sh");
        traced
            .args(["-c", &script, "sh"])
            .arg(hhnet.get_program())
            .args(hhnet.get_args());
        process::run(&mut traced, secs(60)).success(&format!("strace hhnet {line}"));
    }
    wait::until("the tracers have left", secs(10), || {
        lab.server.namespace().processes().is_empty()
    });
    for (number, line) in lines.iter().enumerate() {
        let trace = lab.server.namespace().read(&format!("/run/trace{number}"));
        let trace = trace.expect("strace has written");
        let started: Vec<_> = trace.lines().filter_map(program).collect();
        // Else nothing was traced, or the agent was not.
        let expected = if line.starts_with("bond") { 2 } else { 1 };
        assert!(started.len() >= expected, "hhnet {line}:\n{trace}");
        for program in started {
            let same = program == own.to_string_lossy() || program == "/proc/self/exe";
            assert!(same, "hhnet {line} starts {program}:\n{trace}");
        }
    }
}

/// The program in a line of strace: `12 execve("/bin/x", …`.
fn program(line: &str) -> Option<&str> {
    line.contains("execve(")
        .then(|| line.split('"').nth(1))
        .flatten()
}

fn at_once<const N: usize>(server: &Host, lines: [&str; N]) -> [process::Output; N] {
    // A host is not shared between threads, but its commands are.
    let commands = lines.map(|line| server.hhnet_command(line));
    thread::scope(|scope| {
        commands
            .map(|mut command| scope.spawn(move || process::run(&mut command, secs(60))))
            .map(|thread| thread.join().expect("the command ended in time"))
    })
}
