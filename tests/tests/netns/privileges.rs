// SPDX-License-Identifier: Apache-2.0
//! What an agent may do, who may ask it, and what its commands do for it.

use std::fs::{self, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};

use hhnet_tests::fabric::NIC;
use hhnet_tests::host::{Host, RUNTIME_DIR, assert_refusal};
use hhnet_tests::privileges::{as_nobody, expect_reduced};
use hhnet_tests::process::Running;
use hhnet_tests::service;
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::xdp;

use crate::Lab;
use crate::agent::fill_backlog;

const SOCKET: &str = "/run/hhnet/agent.sock";
const LOCK: &str = "/run/hhnet/agent.lock";

fn agent(server: &Host) -> i32 {
    let [agent] = &server.hhnet_processes()[..] else {
        panic!("one agent: {:?}", server.hhnet_processes())
    };
    agent.pid
}

/// With what is left it does all there is to do.
#[test]
fn an_agent_keeps_what_is_documented_and_needs_no_more() {
    let lab = Lab::new();
    let server = &lab.server;
    assert_eq!(server.must(&format!("dhcp {NIC}")), "10.0.1.10/24\n");
    expect_reduced(agent(server));
    for line in ["status", "diagnose", "flows", "dups", "metrics"] {
        server.must(line);
    }
    expect_reduced(agent(server));
    let said = server.hhnet("cleanup").success("hhnet cleanup").stderr;
    assert_eq!(said, "");
    let log = server.log();
    assert!(log.contains("program attached"), "{log}");
    assert!(!log.contains("WARN"), "{log}");
}

/// As the unit starts it, bound already.
#[test]
fn a_service_keeps_the_same() {
    let lab = Lab::new();
    let service = service::start(&lab.server, &format!("dhcp {NIC}\n"));
    wait::until("it has an address", PATIENCE, || {
        lab.server.addresses(NIC) == ["10.0.1.10/24"]
    });
    expect_reduced(service.pid());
    assert!(!service.stderr().contains("WARN"), "{}", service.stderr());
}

/// To open a link of somebody else's takes more than the agent has: its command, which has
/// it, takes the program off.
#[test]
fn cleanup_takes_off_what_the_agent_may_not() {
    let lab = Lab::new();
    let server = &lab.server;
    server.must(&format!("dhcp {NIC} --xdp=off"));
    let held = xdp::hold_foreign_program(server.namespace(), NIC);
    let shows = || {
        server
            .ip(&format!("-d link show dev {NIC}"))
            .contains("prog/xdp")
    };
    assert!(shows());
    let said = server.hhnet("cleanup").success("hhnet cleanup").stderr;
    assert_eq!(said, "");
    assert!(!shows());
    drop(held);
}

/// The socket keeps them out, and so does the agent, should the socket ever not.
#[test]
fn nobody_but_root_may_ask_the_agent() {
    let lab = Lab::new();
    let server = &lab.server;
    server.must(&format!("dhcp {NIC} --xdp=off"));
    let machine = server.namespace();
    let about = machine.enter(|| fs::metadata(SOCKET).expect("it listens"));
    assert_eq!((about.uid(), about.mode() & 0o7777), (0, 0o600));
    let refused = as_nobody(machine, || UnixStream::connect(SOCKET).map(drop));
    assert_eq!(
        refused.expect_err("no right").kind(),
        ErrorKind::PermissionDenied
    );
    machine.enter(|| fs::set_permissions(SOCKET, Permissions::from_mode(0o666)).expect("root"));
    let said = as_nobody(machine, || {
        let mut stream = UnixStream::connect(SOCKET).expect("anybody may");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let line = b"cleanup";
        let length = u32::try_from(line.len()).expect("short").to_be_bytes();
        // It may have hung up before it has heard all.
        let _ = stream.write_all(&[&length[..], line].concat());
        let mut said = Vec::new();
        let _ = stream.read_to_end(&mut said);
        said
    });
    let reason = "Error: only root may ask the agent, and this is user 65534\n";
    // A complaint (2) behind its length, and the exit status (3).
    let length = u32::try_from(reason.len()).expect("short").to_be_bytes();
    let expected = [&[2], &length[..], reason.as_bytes(), &[3, 0, 0, 0, 1, 1]].concat();
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&said));
    assert_eq!(server.addresses(NIC), ["10.0.1.10/24"]);
    assert!(server.log().contains("user 65534 may not ask the agent"));
}

/// Nor does a command believe anybody else; cleanup does without him.
#[test]
fn nobody_but_root_is_taken_for_the_agent() {
    let lab = Lab::new();
    let server = &lab.server;
    let machine = server.namespace();
    machine.must(&format!("mkdir -m 0777 {RUNTIME_DIR}"));
    let listener = as_nobody(machine, || UnixListener::bind(SOCKET).expect("anybody may"));
    machine.must(&format!("chmod 0755 {RUNTIME_DIR}"));
    for line in ["status", &format!("dhcp {NIC} --xdp=off")] {
        let output = server.hhnet(line);
        assert_refusal(
            line,
            &output,
            &[SOCKET, "user 65534 listens there, not root"],
        );
    }
    let said = server.hhnet("cleanup").success("hhnet cleanup").stderr;
    assert!(said.contains("cleaning up without an agent"), "{said}");
    drop(listener);
}

/// Not even when it cannot be told who listens: whoever has locked the file that a link of
/// his leads to is not ended for it.
#[test]
fn nobody_is_ended_in_the_place_of_the_agent() {
    let lab = Lab::new();
    let machine = lab.server.namespace();
    machine.must(&format!("mkdir -m 0777 {RUNTIME_DIR}"));
    let listener = as_nobody(machine, || {
        symlink("/run/daemon.lock", LOCK).expect("anybody may");
        UnixListener::bind(SOCKET).expect("anybody may")
    });
    machine.must(&format!("chmod 0755 {RUNTIME_DIR}"));
    machine.enter(fill_backlog);
    let mut daemon = machine.command_line("flock --no-fork /run/daemon.lock sleep 120");
    let mut daemon = Running::start(&mut daemon);
    wait::until("it has its lock", PATIENCE, || {
        !machine.run("flock --nonblock /run/daemon.lock true").ok()
    });
    let said = lab.server.hhnet("cleanup").success("hhnet cleanup").stderr;
    assert!(said.contains("the agent takes no connections"), "{said}");
    assert_eq!(daemon.ended(), None);
    daemon.kill();
    drop(listener);
}
