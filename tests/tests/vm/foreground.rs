// SPDX-License-Identifier: Apache-2.0
//! The service and its declarative file, with bonds and VLANs.

use hhnet_tests::fabric::{Connection, Fabric};
use hhnet_tests::process::Running;
use hhnet_tests::service;
use hhnet_tests::wait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::secs;

const LINES: &str = "bond 1001 layer2+3 enp2s1 enp2s2 # to both leaves\nvlan 1002 bond0\n";

#[track_caller]
fn expect_log(service: &Running, text: &str) {
    wait::until(text, secs(30), || service.stderr().contains(text));
}

fn send(service: &Running, signal: Signal) {
    kill(Pid::from_raw(service.pid()), signal).expect("it is running");
}

/// A line may build on what one above it makes; the capabilities of the unit are
/// enough for all of it, programs included; and a restart changes nothing.
#[test]
fn a_bond_and_two_vlans_come_into_force_and_stay() {
    let fabric = Fabric::new();
    let _dhcp = [1001, 1002].map(|vlan| fabric.vpc(vlan).dnsmasq(&[]));
    let server = fabric.server(Connection::Eslag);
    let mut service = service::start(&server, LINES);
    expect_log(&service, "line 1: 10.0.1.10/24");
    expect_log(&service, "line 2: 10.0.2.10/24");
    for port in ["enp2s1", "enp2s2"] {
        let attached = format!("program attached interface=\"{port}\" direction=out");
        expect_log(&service, &attached);
    }
    let said = service.stderr();
    assert!(!said.contains("WARN"), "{said}");
    send(&service, Signal::SIGTERM);
    assert!(service.wait(secs(10)).success());
    let before = server.snapshot();
    let service = service::start(&server, LINES);
    expect_log(&service, "line 1: in force already");
    expect_log(&service, "line 2: in force already");
    let links = |snapshot: &str| -> Vec<String> {
        let links = snapshot.lines().filter(|line| line.contains("link/ether"));
        links
            .filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned))
            .collect()
    };
    assert_eq!(links(&server.snapshot()), links(&before));
    assert_eq!(server.addresses("bond0.1001"), ["10.0.1.10/24"]);
    assert_eq!(server.addresses("bond0.1002"), ["10.0.2.10/24"]);
    drop(service);
}

/// What an agent was making when it was killed does not keep the next one from
/// making it.
#[test]
fn what_is_left_half_made_is_made_anew() {
    let fabric = Fabric::new();
    let server = fabric.server(Connection::Eslag);
    let mut service = service::start(&server, LINES);
    wait::until("the links are there", secs(20), || {
        server.has_link("bond0.1001") && server.has_link("bond0.1002")
    });
    send(&service, Signal::SIGKILL);
    service.wait(secs(5));
    let _dhcp = [1001, 1002].map(|vlan| fabric.vpc(vlan).dnsmasq(&[]));
    let service = service::start(&server, LINES);
    expect_log(&service, "bond0 is left of an attempt before");
    expect_log(&service, "line 1: 10.0.1.10/24");
    expect_log(&service, "line 2: 10.0.2.10/24");
    drop(service);
}

/// A line that was given up is asked again, also when the bond is there because the other
/// line's lease is on it.
#[test]
fn a_bond_that_another_line_needs_gets_its_vlan_later() {
    let fabric = Fabric::new();
    let _second = fabric.vpc(1002).dnsmasq(&[]);
    let server = fabric.server(Connection::Eslag);
    let lines = LINES.replace(" #", " --timeout=3 #");
    let service = service::start(&server, &lines);
    expect_log(&service, "line 2: 10.0.2.10/24");
    expect_log(&service, "bond0 stays: bond0.1002 needs it");
    let _first = fabric.vpc(1001).dnsmasq(&[]);
    expect_log(&service, "line 1: 10.0.1.10/24");
    assert_eq!(server.addresses("bond0.1002"), ["10.0.2.10/24"]);
    drop(service);
}
