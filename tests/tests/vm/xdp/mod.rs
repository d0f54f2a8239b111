// SPDX-License-Identifier: Apache-2.0
//! The XDP programs: they count, and otherwise nobody notices them.

mod dups;
mod members;
mod policy;
mod tc;

use std::net::UdpSocket;
use std::thread;

use hhnet_tests::dhcp::Daemon;
use hhnet_tests::fabric::Connection;
use hhnet_tests::host::Host;
use hhnet_tests::process;
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::xdp;
use serde_json::Value;

use crate::{Lab, secs};

const PORTS: [&str; 2] = ["enp2s1", "enp2s2"];

/// A server with a bond and an address, and leaves that pass all it is sent.
fn bonded() -> Lab<Daemon> {
    bonded_with("layer2+3")
}

/// The same with another policy, or other flags.
fn bonded_with(policy_and_flags: &str) -> Lab<Daemon> {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let bond = format!("bond 1001 {policy_and_flags} enp2s1 enp2s2");
    assert_eq!(lab.server.must(&bond), "10.0.1.10/24\n");
    lab.fabric.await_lacp();
    lab
}

/// What `hhnet status` says of a port: its line, and those that go on with it.
fn status(server: &Host, port: &str) -> String {
    let status = server.must("status");
    let mut lines = status.lines().map(str::trim_end);
    let first = lines.find(|line| line.trim_start().starts_with(port));
    let more = lines.take_while(|line| line.starts_with("      "));
    let facts = first.into_iter().chain(more).map(str::trim);
    facts.collect::<Vec<_>>().join(", ")
}

fn report(server: &Host) -> Value {
    let text = server.must("flows --json");
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("hhnet flows --json: {e}\n{text}"))
}

/// Waits until what is sent is compared with the policy's choice: the agent has seen
/// the last change of members, and a second has passed since.
fn settle(server: &Host) {
    report(server);
    thread::sleep(secs(2));
}

/// The received flows for which all of `wanted` holds.
fn flows(report: &Value, wanted: &[(&str, Value)]) -> Vec<Value> {
    flows_going("in", report, wanted)
}

fn flows_going(direction: &str, report: &Value, wanted: &[(&str, Value)]) -> Vec<Value> {
    let all = report["flows"].as_array().expect("a list of flows");
    let matches = |flow: &&Value| {
        flow["direction"] == direction && wanted.iter().all(|(key, value)| flow[key] == *value)
    };
    all.iter().filter(matches).cloned().collect()
}

/// Frames of all these flows, over all members: which member a flow comes by is
/// the fabric's choice.
fn packets(flows: &[Value]) -> u64 {
    flows
        .iter()
        .map(|flow| flow["packets"].as_u64().expect("a number"))
        .sum()
}

/// How many programs are on the links of a machine.
fn programs(server: &Host) -> usize {
    server
        .ip("-d -o link show")
        .lines()
        .filter(|line| line.contains("prog/xdp"))
        .count()
}

/// Answers to the server's own pings: as many as ping has seen, with the VLAN
/// they came by and the member that received them.
#[test]
fn echo_replies_are_counted_exactly() {
    let lab = bonded();
    let wanted = [
        ("protocol", 1.into()),
        ("icmp_type", 0.into()),
        ("source", "10.0.1.1".into()),
        ("destination", "10.0.1.10".into()),
    ];
    assert_eq!(packets(&flows(&report(&lab.server), &wanted)), 0);
    for _ in 0..2 {
        lab.server.namespace().must("ping -c 5 -i 0.1 10.0.1.1");
    }
    let seen = flows(&report(&lab.server), &wanted);
    assert_eq!(packets(&seen), 10, "{seen:?}");
    let mut ids: Vec<_> = seen
        .iter()
        .map(|flow| flow["icmp_id"].to_string())
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 2, "two pings are two flows: {seen:?}");
    for flow in &seen {
        assert_eq!(flow["vlan"], 1001, "{flow}");
        assert!(
            PORTS.contains(&flow["member"].as_str().expect("a name")),
            "{flow}"
        );
    }
}

/// Datagrams from the gateway: packets and bytes, Ethernet header and tag
/// included.
#[test]
fn datagrams_are_counted_exactly_by_port() {
    let lab = bonded();
    lab.fabric.vpc(1001).namespace().enter(|| {
        let socket = UdpSocket::bind("10.0.1.1:7001").expect("the gateway has this address");
        for _ in 0..20 {
            socket
                .send_to(&[0; 100], "10.0.1.10:7002")
                .expect("the network takes a datagram");
        }
    });
    let wanted = [
        ("protocol", 17.into()),
        ("source_port", 7001.into()),
        ("destination_port", 7002.into()),
    ];
    let mut seen = Vec::new();
    wait::until("20 datagrams", PATIENCE, || {
        seen = flows(&report(&lab.server), &wanted);
        packets(&seen) >= 20
    });
    assert_eq!(packets(&seen), 20, "{seen:?}");
    let bytes: u64 = seen
        .iter()
        .map(|flow| flow["bytes"].as_u64().expect("a number"))
        .sum();
    // Ethernet 14, VLAN tag 4, IPv4 20, UDP 8.
    assert_eq!(bytes, 20 * (14 + 4 + 20 + 8 + 100), "{seen:?}");
}

/// IPv6 is counted alike.
#[test]
fn ipv6_flows_are_counted_exactly() {
    let lab = bonded();
    lab.server.ip("addr add 2001:db8:1::10/64 dev bond0.1001");
    lab.fabric
        .vpc(1001)
        .namespace()
        .must("ip addr add 2001:db8:1::1/64 dev br0.1001");
    lab.fabric
        .vpc(1001)
        .namespace()
        .must("ping -6 -c 4 -i 0.1 2001:db8:1::10");
    let wanted = [
        ("protocol", 58.into()),
        ("icmp_type", 128.into()),
        ("source", "2001:db8:1::1".into()),
        ("destination", "2001:db8:1::10".into()),
    ];
    let seen = flows(&report(&lab.server), &wanted);
    assert_eq!(packets(&seen), 4, "{seen:?}");
}

/// The table for humans names members, addresses and flows.
#[test]
fn the_table_of_flows_names_the_members() {
    let lab = bonded();
    lab.server.namespace().must("ping -c 3 -i 0.1 10.0.1.1");
    let table = lab.server.must("flows");
    for part in [PORTS[0], PORTS[1], "10.0.1.1", "10.0.1.10", "1001"] {
        assert!(table.contains(part), "the table lacks {part}:\n{table}");
    }
}

/// A program on each port, none on the bond or the VLAN.
#[test]
fn each_member_has_a_program() {
    let lab = bonded();
    for port in PORTS {
        let shown = lab.server.ip(&format!("-d -o link show {port}"));
        assert!(shown.contains("prog/xdp"), "{shown}");
    }
    assert_eq!(programs(&lab.server), 2);
    lab.server.must("cleanup");
    assert_eq!(programs(&lab.server), 0);
}

/// LACP goes on beside the programs, both ways, and is counted apart: a port
/// that was cut off is aggregated anew.
#[test]
fn lacp_works_with_programs_attached() {
    let lab = bonded();
    for (leaf, nic) in lab.fabric.leaves.iter().zip([1, 2]) {
        let before = lacpdus(&lab.server, nic);
        leaf.cut(1, nic);
        wait::until("one port aggregates", PATIENCE, || {
            aggregates(&lab.server, 1)
        });
        leaf.mend(1, nic);
        wait::until("both ports aggregate", PATIENCE, || {
            aggregates(&lab.server, 2)
        });
        wait::until("LACPDUs are counted", PATIENCE, || {
            lacpdus(&lab.server, nic) > before
        });
    }
}

/// Whether bond0 aggregates so many ports with the leaves.
fn aggregates(server: &Host, ports: u8) -> bool {
    let bond = server.ip("-d -o link show bond0");
    bond.contains(&format!("ad_num_ports {ports} "))
        && bond.contains("ad_partner_mac 0a:0a:0a:0a:0a:0a ")
}

/// LACPDUs counted on `enp2s<nic>`.
fn lacpdus(server: &Host, nic: u8) -> u64 {
    let report = report(server);
    let members = report["members"].as_array().expect("a list of members");
    let member = members
        .iter()
        .find(|member| member["name"] == PORTS[usize::from(nic) - 1]);
    member
        .and_then(|m| m["lacp"]["packets"].as_u64())
        .expect("a counter of LACPDUs")
}

/// ARP is passed: an address that was forgotten on both sides is found again.
#[test]
fn arp_works_with_programs_attached() {
    let lab = bonded();
    lab.server.ip("neigh flush dev bond0.1001");
    lab.fabric
        .vpc(1001)
        .namespace()
        .must("ip neigh flush dev br0.1001");
    lab.server.namespace().must("ping -c 1 -W 2 10.0.1.1");
}

/// LLDP from the leaf reaches whoever listens on the port.
#[test]
fn lldp_is_passed_with_programs_attached() {
    let lab = bonded();
    let mut listen = lab
        .server
        .namespace()
        .command_line("tcpdump --immediate-mode -l -n -p -i enp2s1 -c 1 ether proto 0x88cc");
    let mut listener = process::Running::start(&mut listen);
    wait::until("tcpdump listens", PATIENCE, || {
        listener.stderr().contains("listening on")
    });
    lab.fabric.leaves[0].send_lldp(1, 1);
    assert!(listener.wait(PATIENCE).success(), "{}", listener.stderr());
}

/// A kernel that refuses programs (here: to a process without the capabilities)
/// is worth a warning; the network is there all the same.
#[test]
fn without_the_right_to_load_programs_the_verb_succeeds() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let hhnet = lab.server.hhnet_command("bond 1001 layer2+3 enp2s1 enp2s2");
    let mut limited = lab.server.namespace().command("setpriv");
    limited.arg("--bounding-set=-bpf,-perfmon,-sys_admin");
    limited.arg(hhnet.get_program()).args(hhnet.get_args());
    let output = process::run(&mut limited, secs(60)).success("hhnet bond");
    assert_eq!(output.stdout, "10.0.1.10/24\n");
    assert_eq!(programs(&lab.server), 0);
    for port in PORTS {
        let warned = |line: &str| line.starts_with("warning") && line.contains(port);
        assert!(
            output.stderr.lines().any(warned),
            "no warning for {port}:\n{}",
            output.stderr
        );
    }
}

/// Nobody has to have programs.
#[test]
fn programs_can_be_switched_off() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let answer = lab
        .server
        .must("bond 1001 layer2+3 enp2s1 enp2s2 --xdp=off");
    assert_eq!(answer, "10.0.1.10/24\n");
    assert_eq!(programs(&lab.server), 0);
}

/// Where the driver has no XDP, the stack has.
#[test]
fn generic_programs_count_as_well() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server
        .must("bond 1001 layer2+3 enp2s1 enp2s2 --xdp=generic");
    let ports = lab.server.ip("-d -o link show master bond0");
    assert_eq!(ports.matches("xdpgeneric").count(), 2, "{ports}");
    lab.fabric.await_lacp();
    lab.server.namespace().must("ping -c 5 -i 0.1 10.0.1.1");
    let wanted = [("icmp_type", 0.into()), ("source", "10.0.1.1".into())];
    assert_eq!(packets(&flows(&report(&lab.server), &wanted)), 5);
}

/// Programs that others have left on a port disturb neither bond nor cleanup,
/// after which they are gone, too.
#[test]
fn a_foreign_program_on_a_port_is_no_obstacle() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    xdp::attach_foreign_program(lab.server.namespace(), "enp2s1");
    assert_eq!(programs(&lab.server), 1);
    assert_eq!(
        lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2"),
        "10.0.1.10/24\n"
    );
    assert_eq!(lab.server.must("cleanup"), "");
    assert_eq!(programs(&lab.server), 0);
}

/// Programs on port, bond and VLAN: all of them are swept.
#[test]
fn cleanup_sweeps_foreign_programs_everywhere() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let server = &lab.server;
    server.must("vlan 1001 enp2s1 --xdp=off");
    for link in ["enp2s1", "enp2s1.1001"] {
        xdp::attach_foreign_program(server.namespace(), link);
    }
    assert_eq!(programs(server), 2);
    assert_eq!(server.must("cleanup"), "");
    assert_eq!(programs(server), 0);
}

/// The kernel takes none off a member while there is one on the bond.
#[test]
fn cleanup_sweeps_foreign_programs_of_a_whole_bond() {
    let lab = Lab::dnsmasq(Connection::Bundled);
    let server = &lab.server;
    server.must("bond 1001 layer2+3 enp2s1 enp2s2 --xdp=off");
    for link in ["enp2s1", "bond0", "bond0.1001"] {
        xdp::attach_foreign_program(server.namespace(), link);
    }
    assert_eq!(programs(server), 3);
    assert_eq!(server.must("cleanup"), "");
    assert_eq!(programs(server), 0);
}
