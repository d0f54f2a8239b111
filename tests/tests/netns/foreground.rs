// SPDX-License-Identifier: Apache-2.0
//! `hhnet agent --foreground`: the service and its declarative file.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use hhnet_tests::dhcp::{Daemon, Software};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::{Host, VERB_DEADLINE};
use hhnet_tests::process::{Running, run};
use hhnet_tests::service;
use hhnet_tests::wait::{self, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A second port and the other end of its cable.
const SECOND: &str = "enp2s2";
const ITS_PEER: &str = "peer";

/// What the fixture's file asks for: an address on each port. What is given up is given up
/// after a time in which a busy machine leases one.
const LINES: &str = "# the first port, and the second\n\
                     p2p enp2s2 10.9.0.0/31 10.9.0.1\n\n\
                     dhcp enp2s1 --timeout=4 # soon\n";

/// How long a line that has failed waits before it is tried again, and a bit.
const AGAIN: Duration = Duration::from_secs(20);

/// A server with two ports, on one of which there may be a DHCP server.
struct Lab {
    server: Host,
    segment: Segment,
}

impl Lab {
    fn new() -> Self {
        let segment = Segment::new();
        let server = segment.server();
        server.ip(&format!("link add {SECOND} type veth peer name {ITS_PEER}"));
        for link in [SECOND, ITS_PEER] {
            server.owns(link);
            server.ip(&format!("link set {link} up"));
        }
        Self { server, segment }
    }

    fn serve(&self) -> Daemon {
        self.segment.serve(Software::Dnsmasq, &Segment::pool())
    }

    #[track_caller]
    fn expect_addresses(&self, deadline: Duration) {
        wait::until("both ports have addresses", deadline, || {
            self.server.addresses(NIC) == ["10.0.1.10/24"]
                && self.server.addresses(SECOND) == ["10.9.0.0/31"]
        });
    }
}

#[track_caller]
fn expect_log(service: &Running, text: &str) {
    wait::until(text, AGAIN, || service.stderr().contains(text));
}

fn send(service: &Running, signal: Signal) {
    kill(Pid::from_raw(service.pid()), signal).expect("it is running");
}

/// Lines come into force, and what is done is said on stderr as in the log.
#[test]
fn lines_come_into_force_and_are_logged() {
    let lab = Lab::new();
    let dhcp = lab.serve();
    let mut service = service::start(&lab.server, LINES);
    lab.expect_addresses(PATIENCE);
    let routes = lab.server.ip("route show default");
    assert!(routes.contains("via 10.9.0.1 dev enp2s2"), "{routes}");
    expect_log(&service, "line 4: 10.0.1.10/24");
    expect_log(&service, "program attached");
    let said = service.stderr();
    assert!(said.contains("line 2: 10.9.0.0/31"), "{said}");
    assert!(!said.contains("WARN"), "{said}");
    wait::until("the log says the same", PATIENCE, || {
        lab.server.log() == service.stderr()
    });
    assert_eq!(service.stdout(), "");
    // Commands find it.
    let status = lab.server.must("status");
    assert!(
        status.contains(&format!("pid {}", service.pid())),
        "{status}"
    );
    assert_eq!(service.ended(), None);
    drop((service, dhcp));
}

/// A file with mistakes changes nothing; all of them are named.
#[test]
fn a_bad_file_is_refused_before_anything_is_changed() {
    let lab = Lab::new();
    let before = lab.server.snapshot();
    let lines = "p2p enp2s2 10.9.0.0/31 10.9.0.1\nvlan 4095 enp2s1\n\ncleanup\ndhcp enp2s2\n";
    let output = run(&mut service::command(&lab.server, lines), VERB_DEADLINE);
    assert_eq!(output.code(), 78);
    assert_eq!(output.stdout, "");
    let said: Vec<&str> = output.stderr.lines().collect();
    let [vlan, cleanup, dhcp] = said[..] else {
        panic!("{said:?}")
    };
    assert!(
        vlan.starts_with("/run/hhnet.conf:2: ") && vlan.contains("4095"),
        "{vlan}"
    );
    assert!(
        cleanup.starts_with("/run/hhnet.conf:4: cleanup cannot"),
        "{cleanup}"
    );
    assert!(dhcp.starts_with("/run/hhnet.conf:5: enp2s2 gets"), "{dhcp}");
    lab.server.expect_unchanged(&before);
    assert_eq!(lab.server.runtime_files(), [""; 0]);
    let line = "agent --foreground --config=/run/none";
    let output = lab.server.hhnet(line);
    assert_eq!(output.code(), 78);
    assert!(output.stderr.contains("/run/none"), "{}", output.stderr);
    assert!(!lab.server.hhnet("agent --config=/run/none").ok());
}

/// A line that fails is tried again, and does not keep the others back.
#[test]
fn an_address_that_comes_late_is_waited_for() {
    let lab = Lab::new();
    let service = service::start(&lab.server, LINES);
    expect_log(&service, "line 4: again in 10 s");
    assert_eq!(lab.server.addresses(SECOND), ["10.9.0.0/31"]);
    let dhcp = lab.serve();
    lab.expect_addresses(AGAIN);
    expect_log(&service, "line 4: 10.0.1.10/24");
    drop((service, dhcp));
}

/// Cleanup is the end of all lines, also of those that are still tried, and of
/// the service. The next command starts an agent as any other.
#[test]
fn cleanup_ends_it() {
    let lab = Lab::new();
    let before = lab.server.snapshot();
    let mut service = service::start(&lab.server, LINES);
    expect_log(&service, "line 4: again in 10 s");
    assert_eq!(lab.server.must("cleanup"), "");
    assert_eq!(service.wait(PATIENCE).code(), Some(0));
    lab.server.expect_unchanged(&before);
    assert_eq!(lab.server.runtime_files(), [""; 0]);
    // One that is at it right now.
    let mut service = service::start(&lab.server, "dhcp enp2s1\n");
    expect_log(&service, "line 1: dhcp enp2s1");
    wait::until("it has begun", PATIENCE, || {
        lab.server.must("status").contains("SELECTING")
    });
    assert_eq!(lab.server.must("cleanup"), "");
    assert_eq!(service.wait(PATIENCE).code(), Some(0));
    lab.server.expect_unchanged(&before);
    let dhcp = lab.serve();
    assert_eq!(lab.server.must(&format!("dhcp {NIC}")), "10.0.1.10/24\n");
    lab.server.must("cleanup");
    wait::until("the agent has left", PATIENCE, || {
        lab.server.hhnet_processes().is_empty()
    });
    drop(dhcp);
}

/// Starts a command, and waits until it waits for its answer.
fn asking(server: &Host, line: &str) -> Running {
    let command = Running::start(&mut server.hhnet_command(line));
    // recvfrom(2), by its number.
    let file = format!("/proc/{}/syscall", command.pid());
    wait::until("the command waits", PATIENCE, || {
        std::fs::read_to_string(&file).is_ok_and(|call| call.starts_with("45 "))
    });
    command
}

/// A command that comes right after cleanup keeps the agent, but not its lines.
#[test]
fn after_cleanup_only_commands_count() {
    let lab = Lab::new();
    let dhcp = lab.serve();
    let mut service = service::start(&lab.server, "p2p enp2s9 10.9.0.0/31 10.9.0.1\n");
    expect_log(&service, "line 1: again in 10 s");
    // Both are there before it can leave.
    send(&service, Signal::SIGSTOP);
    let mut cleanup = asking(&lab.server, "cleanup");
    let mut lease = asking(&lab.server, &format!("dhcp {NIC}"));
    send(&service, Signal::SIGCONT);
    assert!(cleanup.wait(PATIENCE).success(), "{}", cleanup.stderr());
    assert!(lease.wait(PATIENCE).success(), "{}", lease.stderr());
    lab.server.ip(&format!("link set {SECOND} name enp2s9"));
    expect_log(&service, "line 1: not wanted any more");
    assert_eq!(lab.server.addresses("enp2s9"), [""; 0]);
    lab.server.ip("link set enp2s9 down");
    lab.server.ip(&format!("link set enp2s9 name {SECOND} up"));
    // And then it is an agent like any other.
    lab.server.must("cleanup");
    assert_eq!(service.wait(PATIENCE).code(), Some(0));
    drop(dhcp);
}

/// Addresses outlive it, and the next one goes on with them.
#[test]
fn a_restart_goes_on_with_what_is_there() {
    for end in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL] {
        let lab = Lab::new();
        let dhcp = lab.serve();
        let mut service = service::start(&lab.server, LINES);
        expect_log(&service, "line 4: 10.0.1.10/24");
        send(&service, end);
        let status = service.wait(PATIENCE);
        assert_eq!(status.success(), end != Signal::SIGKILL, "{status}");
        lab.expect_addresses(Duration::ZERO);
        let asked = dhcp.log().matches("DHCPDISCOVER").count();
        let service = service::start(&lab.server, LINES);
        expect_log(&service, "line 2: in force already");
        expect_log(&service, "line 4: in force already");
        lab.expect_addresses(Duration::ZERO);
        assert_eq!(dhcp.log().matches("DHCPDISCOVER").count(), asked);
        drop((service, dhcp));
    }
}

/// What a command has done meanwhile need not be done again.
#[test]
fn a_command_may_do_what_a_line_could_not() {
    let lab = Lab::new();
    let service = service::start(&lab.server, LINES);
    expect_log(&service, "line 4: again in 10 s");
    let dhcp = lab.serve();
    assert_eq!(lab.server.must(&format!("dhcp {NIC}")), "10.0.1.10/24\n");
    expect_log(&service, "line 4: in force already");
    drop((service, dhcp));
}

/// systemd hears of its end before the command that wanted it returns: asked to
/// start it next, it would answer that it runs.
#[test]
fn systemd_is_told_in_time() {
    let lab = Lab::new();
    let ear = lab.server.namespace().enter(|| {
        let bound = UnixDatagram::bind("/run/notify");
        bound.expect("/run is the machine's own")
    });
    ear.set_nonblocking(true).expect("a socket");
    let heard = || {
        let mut text = [0; 4096];
        let length = ear.recv(&mut text).ok()?;
        Some(String::from_utf8_lossy(&text[..length]).into_owned())
    };
    let mut command = service::command(&lab.server, "# nothing\n");
    let mut service = Running::start(command.env("NOTIFY_SOCKET", "/run/notify"));
    let first = wait::poll(PATIENCE, heard).expect("a message");
    assert!(first.contains("READY=1"), "{first}");
    lab.server.must("cleanup");
    let last = heard().expect("a message before cleanup has returned");
    assert!(last.contains("STOPPING=1"), "{last}");
    assert_eq!(service.wait(PATIENCE).code(), Some(0));
}

/// It stays although it has nothing to do, and there is only one.
#[test]
fn it_stays_when_idle_and_alone() {
    let lab = Lab::new();
    let mut service = service::start(&lab.server, "# nothing\n");
    expect_log(&service, "ready");
    wait::throughout(Duration::from_secs(3), "it is there", || {
        service.ended().is_none()
    });
    let p2p = "p2p enp2s2 10.9.0.0/31 10.9.0.1";
    assert_eq!(lab.server.must(p2p), "10.9.0.0/31\n");
    wait::throughout(Duration::from_millis(200), "it is there", || {
        service.ended().is_none()
    });
    let second = run(&mut service::command(&lab.server, ""), VERB_DEADLINE);
    assert_eq!(second.code(), 1);
    let said = second.stderr;
    assert!(said.ends_with("another agent is running\n"), "{said}");
    assert_eq!(service.ended(), None);
}
