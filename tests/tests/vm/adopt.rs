// SPDX-License-Identifier: Apache-2.0
//! An agent that was killed, and the next one, which goes on with what it finds.
//!
//! The kernel's own reports say whether an address or a route was gone for a moment.

use std::net::Ipv4Addr;

use hhnet_tests::dhcp::Answer;
use hhnet_tests::fabric::Connection;
use hhnet_tests::host::Host;
use hhnet_tests::monitor::{Event, Monitor};
use hhnet_tests::wait::{self, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::{Lab, secs};

const BOND: &str = "bond 1001 layer2+3 enp2s1 enp2s2";

/// Kills the agent, and has the next one started by a command that is refused.
fn replace_agent(server: &Host, refused: &str) {
    let [agent] = &server.hhnet_processes()[..] else {
        panic!("{:?}", server.hhnet_processes())
    };
    let agent = Pid::from_raw(agent.pid);
    kill(agent, Signal::SIGKILL).expect("the agent is alive");
    wait::until("the agent is dead", secs(5), || {
        server.hhnet_processes().is_empty()
    });
    assert!(!server.hhnet(refused).ok());
    let [next] = &server.hhnet_processes()[..] else {
        panic!("{:?}", server.hhnet_processes())
    };
    assert_ne!(next.pid, agent.as_raw());
}

fn status(server: &Host) -> Value {
    serde_json::from_str(&server.must("status --json")).expect("it is JSON")
}

/// The DHCP state of an interface.
fn state(status: &Value, interface: &str) -> String {
    let all = status["interfaces"].as_array().expect("a list");
    let one = all.iter().find(|i| i["name"] == interface);
    let state = one.and_then(|i| i["dhcp"]["state"].as_str());
    state.unwrap_or("none").to_owned()
}

/// Neither an address nor a route was gone, not for a moment.
#[track_caller]
fn expect_nothing_lost(monitor: &Monitor) {
    assert_eq!(monitor.losses(), []);
}

/// Ten times, on a bond with two VLANs: both leases are confirmed by who gave them, the
/// programs count again, and the addresses never leave.
#[test]
fn ten_killed_agents_cost_a_bond_with_two_vlans_nothing() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    let server = &lab.server;
    server.must(BOND);
    server.must("vlan 1002 bond0");
    let leased = [
        ("bond0.1001", Ipv4Addr::new(10, 0, 1, 10)),
        ("bond0.1002", Ipv4Addr::new(10, 0, 2, 10)),
    ];
    assert_eq!(status(server)["agent"]["adopted"], 0);
    let monitor = Monitor::of(server.namespace());
    for round in 1..=10 {
        replace_agent(server, BOND);
        // The servers have confirmed: the lifetime is set anew.
        for (interface, address) in leased {
            wait::until("the lease is confirmed", PATIENCE, || {
                monitor.times_set(address) >= round && state(&status(server), interface) == "BOUND"
            });
        }
        expect_nothing_lost(&monitor);
    }
    wait::until("both members are counted", PATIENCE, || {
        let status = status(server);
        let members = status["bonds"][0]["members"].as_array().cloned();
        let members = members.unwrap_or_default();
        let counted = |member: &Value| member["programs"].as_array().map_or(0, Vec::len) == 2;
        members.len() == 2 && members.iter().all(counted)
    });
    let text = server.must("status");
    let marked = "has gone on with 2 leases of an agent that had died";
    assert!(text.contains(marked), "{text}");
    assert!(
        server
            .must("metrics")
            .contains("hhnet_agent_adopted_leases 2")
    );
    server.namespace().must("ping -c 1 -W 2 10.0.2.1");
    expect_nothing_lost(&monitor);
}

/// In the middle of renewing, with a server that does not answer: the lease goes on from
/// where it was, not from its beginning, and is renewed when the server is back.
#[test]
fn an_agent_killed_while_renewing_loses_nothing() {
    let lab = Lab::model(|subnet| subnet.lease = secs(40));
    let server = &lab.server;
    let (vlan, address) = ("enp2s1.1001", Ipv4Addr::new(10, 0, 1, 10));
    server.must("vlan 1001 enp2s1");
    lab.dhcp.answer(|_| Answer::Silence);
    wait::until("it renews", secs(30), || {
        state(&status(server), vlan) == "RENEWING"
    });
    let monitor = Monitor::of(server.namespace());
    let left = server.valid_lft(vlan);
    replace_agent(server, "vlan 1001 enp2s1");
    assert!(server.valid_lft(vlan) <= left, "nobody has prolonged it");
    expect_nothing_lost(&monitor);
    lab.dhcp.answer(|_| Answer::Normal);
    wait::until("it is renewed", secs(20), || {
        let renewed = |event: &Event| matches!(event, Event::AddressSet(a, valid) if *a == address && *valid > 35);
        monitor.events().iter().any(renewed)
    });
    wait::until("it is bound", PATIENCE, || {
        state(&status(server), vlan) == "BOUND"
    });
    expect_nothing_lost(&monitor);
}
