// SPDX-License-Identifier: Apache-2.0
//! Agents in trouble, and commands that meet them.

use std::fs::File;
use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use hhnet_tests::fabric::PointToPoint;
use hhnet_tests::host::Host;
use hhnet_tests::process::Running;
use hhnet_tests::wait::{self, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use socket2::{Domain, SockAddr, Socket, Type};

/// A command that waits for an address nobody gives it, and its agent.
fn waiting(server: &Host) -> (Running, Pid) {
    let command = Running::start(&mut server.hhnet_command("dhcp enp2s1 --xdp=off"));
    let agent = wait::poll(PATIENCE, || {
        server.log().contains("command: [\"dhcp\"").then_some(())?;
        let all = server.hhnet_processes();
        let agent = all.iter().find(|p| p.cmdline.ends_with(" agent"))?;
        Some(Pid::from_raw(agent.pid))
    });
    (command, agent.expect("an agent"))
}

/// `cleanup` ends an agent that is stopped, and does its work by a new one.
#[test]
fn cleanup_replaces_an_agent_that_does_not_answer() {
    let lab = PointToPoint::new();
    let before = lab.server.snapshot();
    let (mut command, agent) = waiting(&lab.server);
    kill(agent, Signal::SIGSTOP).expect("the agent is alive");
    let output = lab.server.hhnet("cleanup").success("hhnet cleanup");
    assert!(output.took < Duration::from_secs(15), "{:?}", output.took);
    assert!(!command.wait(PATIENCE).success());
    lab.server.expect_unchanged(&before);
}

/// Any other command says which process it is that does not answer.
#[test]
fn a_command_does_not_wait_for_ever_for_an_agent_that_does_not_answer() {
    let lab = PointToPoint::new();
    let (_command, agent) = waiting(&lab.server);
    kill(agent, Signal::SIGSTOP).expect("the agent is alive");
    let output = lab.server.hhnet("status");
    kill(agent, Signal::SIGCONT).expect("the agent is alive");
    assert!(!output.ok());
    let expected = format!("process {agent}, does not answer");
    assert!(output.stderr.contains(&expected), "{}", output.stderr);
}

/// Even when so many have given up on it that it cannot be connected to.
#[test]
fn a_stopped_agent_whose_backlog_is_full_is_named_and_replaced() {
    let lab = PointToPoint::new();
    let before = lab.server.snapshot();
    let (_command, agent) = waiting(&lab.server);
    kill(agent, Signal::SIGSTOP).expect("the agent is alive");
    lab.server.namespace().enter(fill_backlog);
    let output = lab.server.hhnet("status");
    assert!(!output.ok());
    let expected = format!("process {agent}, does not answer");
    assert!(output.stderr.contains(&expected), "{}", output.stderr);
    lab.server.hhnet("cleanup").success("hhnet cleanup");
    lab.server.expect_unchanged(&before);
}

/// Connects to the agent until the kernel takes no more, and hangs up.
pub(crate) fn fill_backlog() {
    let agent = SockAddr::unix("/run/hhnet/agent.sock").expect("a short name");
    let refused = (0..100_000).find_map(|_| {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).expect("a socket");
        socket.set_nonblocking(true).expect("an option");
        socket.connect(&agent).err()
    });
    let kind = refused.map(|error| error.kind());
    assert_eq!(kind, Some(ErrorKind::WouldBlock));
}

/// An agent that is terminated undoes what is not finished, and says so.
#[test]
fn a_terminated_agent_undoes_what_it_has_begun() {
    let lab = PointToPoint::new();
    lab.server.ip("link set enp2s1 down");
    let before = lab.server.snapshot();
    let (mut command, agent) = waiting(&lab.server);
    kill(agent, Signal::SIGTERM).expect("the agent is alive");
    assert!(!command.wait(PATIENCE).success());
    assert_eq!(command.stdout(), "");
    wait::until("the command has said why", PATIENCE, || {
        command.stderr().contains("the agent was terminated")
    });
    lab.server.expect_unchanged(&before);
}

/// The exit status says that the answer is there: not on a full disk.
#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let lab = PointToPoint::new();
    let full = || {
        Stdio::from(
            File::options()
                .write(true)
                .open("/dev/full")
                .expect("/dev/full"),
        )
    };
    for line in ["getvips", "--version", "status", "metrics", "flows --json"] {
        lab.server.ip("addr replace 10.0.5.1/32 dev lo");
        let mut command = lab.server.hhnet_command(line);
        command.stdout(full()).stderr(Stdio::null());
        let status = command.status().expect("hhnet starts");
        assert_eq!(status.code(), Some(1), "hhnet {line}");
    }
    let mut command = lab.server.hhnet_command("bogus");
    let status = command.stderr(full()).status().expect("hhnet starts");
    assert_eq!(status.code(), Some(1), "hhnet bogus 2>/dev/full");
}

/// Where there can be no agent, `cleanup` does its work all the same.
#[test]
fn cleanup_works_where_there_can_be_no_agent() {
    let lab = PointToPoint::new();
    let server = &lab.server;
    server.ip("addr add 10.0.5.1/32 dev lo");
    server.namespace().must("ln -s /tmp /run/hhnet");
    let output = server.hhnet("cleanup").success("hhnet cleanup");
    assert_eq!(output.stdout, "");
    assert!(
        output.stderr.contains("it is not a directory"),
        "{}",
        output.stderr
    );
    assert_eq!(server.addresses("lo"), [""; 0]);
    server.namespace().must("rm /run/hhnet");
}

/// Nobody asks an agent anything: it leaves, whatever else is going on.
#[test]
fn an_agent_nobody_asks_leaves() {
    let lab = PointToPoint::new();
    let mut agent = Running::start(&mut lab.server.hhnet_command("agent"));
    let deadline = wait::poll(Duration::from_secs(6), || {
        lab.server.ip("link set enp2s1 txqueuelen 500");
        lab.server.ip("link set enp2s1 txqueuelen 1000");
        agent.ended()
    });
    assert!(deadline.is_some(), "it is still there");
}
