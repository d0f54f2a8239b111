// SPDX-License-Identifier: Apache-2.0
//! Members that come to a bond which is counted already, and several bonds.

use std::net::UdpSocket;

use hhnet_tests::host::Host;
use hhnet_tests::wait;
use hhnet_tests::xdp;

use super::{PORTS, aggregates, bonded_with, flows_going, packets, report, settle, status};
use crate::secs;

fn enslave(server: &Host, port: &str) {
    // Only links that are down.
    server.namespace().ip_batch(&format!(
        "link set {port} down\nlink set {port} master bond0"
    ));
}

/// Datagrams to ports enough for every member to get some.
fn send(server: &Host, destination: u16) {
    server.namespace().enter(|| {
        for _ in 0..60 {
            let socket = UdpSocket::bind("10.0.1.10:0").expect("our address");
            let _ = socket.send_to(&[0; 100], ("10.0.1.1", destination));
        }
    });
}

/// A NIC that is put in again and made a member by somebody: it is counted
/// without any command.
#[test]
fn a_replugged_member_is_counted_again() {
    for mode in ["auto", "tc"] {
        let lab = bonded_with(&format!("layer3+4 --xdp={mode}"));
        let before = status(&lab.server, PORTS[1]);
        assert!(before.contains("out by"), "{before}");
        lab.fabric.leaves[1].replug(&lab.server, 1, 2);
        wait::until("the port is none's", secs(5), || {
            !status(&lab.server, PORTS[1]).contains("aggregator")
        });
        enslave(&lab.server, PORTS[1]);
        wait::until("it has programs", secs(20), || {
            let programs = |facts: &str| -> Vec<String> {
                let facts = facts.split(", ").map(str::to_owned);
                facts
                    .filter(|fact| fact.contains("XDP ") || fact.contains(" by "))
                    .collect()
            };
            programs(&status(&lab.server, PORTS[1])) == programs(&before)
        });
        wait::until("both ports aggregate", secs(20), || {
            aggregates(&lab.server, 2)
        });
        lab.fabric.leaves[1].wait_until_aggregated(1, 2);
        settle(&lab.server);
        send(&lab.server, 9);
        let report = report(&lab.server);
        let sent = flows_going("out", &report, &[("destination_port", 9.into())]);
        assert_eq!(packets(&sent), 60);
        for port in PORTS {
            assert!(sent.iter().any(|flow| flow["member"] == port), "{sent:?}");
        }
        for flow in &sent {
            assert_eq!(flow["expected_member"], flow["member"], "{flow}");
        }
    }
}

/// One that leaves and comes back keeps its programs; neither is it counted twice.
#[test]
fn a_member_that_comes_back_is_counted_once() {
    let lab = bonded_with("layer3+4");
    let before = xdp::classifiers(lab.server.namespace(), PORTS[1]);
    lab.server.ip(&format!("link set {} nomaster", PORTS[1]));
    enslave(&lab.server, PORTS[1]);
    wait::until("both ports aggregate", secs(20), || {
        aggregates(&lab.server, 2)
    });
    assert_eq!(xdp::classifiers(lab.server.namespace(), PORTS[1]), before);
    send(&lab.server, 9);
    let sent = flows_going(
        "out",
        &report(&lab.server),
        &[("destination_port", 9.into())],
    );
    assert_eq!(packets(&sent), 60);
}

/// Where nobody wants programs, newcomers get none.
#[test]
fn a_member_of_a_bond_without_programs_gets_none() {
    let lab = bonded_with("layer3+4 --xdp=off");
    lab.fabric.leaves[1].replug(&lab.server, 1, 2);
    enslave(&lab.server, PORTS[1]);
    wait::until("both ports aggregate", secs(20), || {
        aggregates(&lab.server, 2)
    });
    assert_eq!(super::programs(&lab.server), 0);
    let none = xdp::classifiers(lab.server.namespace(), PORTS[1]);
    assert_eq!(none, Vec::<String>::new());
}

/// A port with a VLAN of its own beside the bond has no part in its shares.
#[test]
fn a_single_port_has_no_share_of_the_bond() {
    let lab = bonded_with("layer3+4");
    let server = &lab.server;
    server
        .namespace()
        .ip_batch("link add enp2s9 type veth peer name far\nlink set far up");
    server.owns("enp2s9");
    server.owns("far");
    let vlan = hhnet_tests::process::Running::start(
        &mut server.hhnet_command("vlan 1002 enp2s9 --timeout=30"),
    );
    wait::until("the port has programs", secs(20), || {
        !xdp::classifiers(server.namespace(), "enp2s9").is_empty()
    });
    send(server, 9);
    let report = report(server);
    let members = report["members"].as_array().expect("members");
    let of = |name: &str| {
        let named = members.iter().filter(move |member| member["name"] == name);
        named.cloned().collect::<Vec<_>>()
    };
    for member in of("enp2s9") {
        assert_eq!(
            (&member["bond"], &member["share"]),
            (&().into(), &().into())
        );
    }
    for port in PORTS {
        assert!(of(port).iter().all(|m| m["bond"] == "bond0"), "{report}");
    }
    for spread in report["spread"].as_array().expect("spread") {
        assert_eq!(spread["bond"], "bond0");
        assert_eq!(spread["members"], 2);
    }
    drop(vlan);
}
