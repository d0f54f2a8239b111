// SPDX-License-Identifier: Apache-2.0
//! Where sent flows are, and where hhnet says the bond's policy puts them: the
//! kernel's bonding driver is the judge.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{SocketAddr, TcpStream, UdpSocket};

use hhnet_tests::dhcp::Daemon;
use hhnet_tests::fabric::Connection;
use hhnet_tests::wait::{self, PATIENCE};
use serde_json::Value;

use super::{bonded_with, flows_going, report, settle};
use crate::Lab;

/// Not in the order of their indices.
const MEMBERS: [&str; 5] = ["enp2s3", "enp2s1", "enp2s5", "enp2s2", "enp2s4"];

/// Machines of each family that there are not, with hardware addresses.
const STRANGERS: u8 = 40;

/// A server with five members, addresses of both families on its VLAN, one on a
/// VLAN inside that and one on the bond itself, and many neighbours.
fn wide(policy: &str) -> Lab<Daemon> {
    let lab = Lab::dnsmasq(Connection::Wide);
    let bond = format!("bond 1001 {policy} {}", MEMBERS.join(" "));
    assert_eq!(lab.server.must(&bond), "10.0.1.10/24\n");
    for nic in 1..=5 {
        lab.fabric.leaves[0].wait_until_aggregated(1, nic);
    }
    let mut lines = String::from(
        "addr add 2001:db8:1::10/64 dev bond0.1001
         addr add 172.31.0.10/24 dev bond0
         link add link bond0.1001 name inner up type vlan id 7
         addr add 172.31.7.10/24 dev inner
         route add 198.51.100.0/24 via 10.0.1.1\n",
    );
    for number in 0..STRANGERS {
        let (host, tail) = (100 + number, number.wrapping_mul(37));
        for (address, device) in [
            (format!("10.0.1.{host}"), "bond0.1001"),
            (format!("2001:db8:1::{host}"), "bond0.1001"),
            (format!("172.31.0.{host}"), "bond0"),
            (format!("172.31.7.{host}"), "inner"),
        ] {
            let mac = format!("02:00:00:00:{number:02x}:{tail:02x}");
            let _ = writeln!(
                lines,
                "neigh replace {address} lladdr {mac} dev {device} nud permanent"
            );
        }
    }
    lab.server.namespace().ip_batch(&lines);
    let gateway = lab.fabric.vpc(1001);
    gateway
        .namespace()
        .must("ip addr add 2001:db8:1::1/64 dev br0.1001");
    wait::until("all members distribute", PATIENCE, || {
        let bond = lab.server.ip("-d -o link show bond0");
        bond.contains("ad_num_ports 5 ")
    });
    settle(&lab.server);
    lab
}

/// Sends what each policy looks at: ports, addresses, hardware addresses, VLANs.
fn talk(lab: &Lab<Daemon>) {
    let datagram = |from: &str, to: &str, length: usize| {
        let socket = UdpSocket::bind(from).expect("our address");
        socket.set_broadcast(true).expect("a broadcast");
        socket.send_to(&vec![0; length], to).expect("it leaves");
    };
    lab.server.namespace().enter(|| {
        for number in 0..STRANGERS {
            let (host, port) = (100 + number, 20_000 + u16::from(number));
            datagram(
                &format!("10.0.1.10:{port}"),
                &format!("10.0.1.{host}:9"),
                100,
            );
            let to = format!("[2001:db8:1::{host}]:9");
            datagram("[2001:db8:1::10]:0", &to, 100);
            datagram("172.31.0.10:0", &format!("172.31.0.{host}:9"), 100);
            datagram("172.31.7.10:0", &format!("172.31.7.{host}:9"), 100);
            let far = format!("198.51.100.{number}:9");
            datagram("10.0.1.10:0", &far, 100);
            let connected = UdpSocket::bind("10.0.1.10:0").expect("our address");
            connected.connect(far).expect("a route");
            connected.send(&[0; 100]).expect("it leaves");
            // Nobody listens: a SYN, answered by a reset.
            for gateway in ["10.0.1.1", "2001:db8:1::1"] {
                let to = SocketAddr::new(gateway.parse().expect("an address"), port);
                let _ = TcpStream::connect(to);
            }
        }
        datagram("10.0.1.10:0", "10.0.1.102:9", 3000);
        datagram("[2001:db8:1::10]:0", "[2001:db8:1::102]:9", 3000);
        datagram("10.0.1.10:0", "10.0.1.255:9", 100);
        datagram("10.0.1.10:0", "239.1.2.3:9", 100);
    });
    for _ in 0..4 {
        lab.server.namespace().must("ping -c 1 10.0.1.1");
        lab.server.namespace().must("ping -c 1 2001:db8:1::1");
    }
    // The server answers: that it is there, and that nobody listens.
    let gateway = lab.fabric.vpc(1001);
    gateway.namespace().must("ping -c 1 10.0.1.10");
    gateway.namespace().enter(|| {
        datagram("10.0.1.1:0", "10.0.1.10:9", 100);
    });
}

/// Whether the policy looks at what the flow does not tell.
fn is_hidden(policy: &str, flow: &Value, all: &[Value]) -> bool {
    let is_numbered = [6, 17, 58].map(Value::from).contains(&flow["protocol"]);
    let is_error = flow["protocol"] == 1 && flow["icmp_type"] == 3;
    let fragments = |other: &&Value| {
        let same = ["vlan", "protocol", "source", "destination"];
        other["fragments"] == true && same.iter().all(|key| other[key] == flow[key])
    };
    match policy {
        "layer2+3" => is_error,
        "layer3+4" => is_error || all.iter().any(|other| fragments(&other)),
        "encap3+4" => is_numbered,
        _ => false,
    }
}

/// When a report was made, in milliseconds.
fn at(report: &Value) -> u64 {
    report["at_ms"].as_u64().expect("a time")
}

/// Each flow that tells enough is where hhnet expects it.
fn follows(policy: &str) {
    let lab = wide(policy);
    let began = at(&report(&lab.server));
    talk(&lab);
    let report = report(&lab.server);
    let ours = ["10.0.1.10", "2001:db8:1::10", "172.31.0.10"];
    let sent = flows_going("out", &report, &[]);
    let of_ours = |flow: &&Value| ours.map(Value::from).contains(&flow["source"]);
    // What was sent before that, while members came, is not compared.
    let since = at(&report) - began;
    let recent = |flow: &&Value| flow["idle_ms"].as_u64() <= Some(since);
    let sent: Vec<_> = sent
        .iter()
        .filter(of_ours)
        .filter(recent)
        .cloned()
        .collect();
    assert!(sent.len() > 7 * usize::from(STRANGERS), "{sent:?}");
    let inner = flows_going("out", &report, &[("vlan", 7.into())]);
    assert!(inner.len() >= usize::from(STRANGERS), "{inner:?}");
    assert!(inner.iter().all(|flow| flow["expected_member"].is_null()));
    let mut members = BTreeSet::new();
    for flow in &sent {
        let expected = &flow["expected_member"];
        if expected.is_null() {
            assert!(is_hidden(policy, flow, &sent), "{policy}: {flow}");
        } else {
            assert_eq!(*expected, flow["member"], "{policy}: {flow}");
            members.insert(flow["member"].to_string());
        }
    }
    let few = ["vlan+srcmac", "encap3+4"].contains(&policy);
    assert!(members.len() >= if few { 2 } else { 5 }, "{members:?}");
    let verdict = &report["policies"][0];
    let text = lab.server.must("flows --top=1");
    assert_eq!(
        (&verdict["bond"], &verdict["policy"], &verdict["elsewhere"]),
        (&"bond0".into(), &policy.into(), &0.into()),
        "{text}"
    );
    assert_eq!(verdict["members"], Value::from(MEMBERS.to_vec()));
    let line = format!("flows are on the member that {policy} chooses");
    assert!(
        text.contains(&line) && !text.contains("instead of"),
        "{text}"
    );
}

#[test]
fn layer2_chooses_as_expected() {
    follows("layer2");
}

#[test]
fn layer2_and_3_choose_as_expected() {
    follows("layer2+3");
}

#[test]
fn layer3_and_4_choose_as_expected() {
    follows("layer3+4");
}

#[test]
fn encap2_and_3_choose_as_expected() {
    follows("encap2+3");
}

#[test]
fn encap3_and_4_choose_as_expected() {
    follows("encap3+4");
}

#[test]
fn vlan_and_srcmac_choose_as_expected() {
    follows("vlan+srcmac");
}

/// When a member goes, the other is expected to have everything from then on;
/// what was sent before is nobody's fault.
#[test]
fn expectations_change_with_the_members() {
    let lab = bonded_with("layer3+4");
    let send = |ports: std::ops::Range<u16>| {
        lab.server.namespace().enter(|| {
            for port in ports {
                let socket = UdpSocket::bind(("10.0.1.10", port)).expect("our address");
                let _ = socket.send_to(&[0; 100], "10.0.1.1:9");
            }
        });
    };
    send(20_000..20_020);
    lab.fabric.leaves[1].cut(1, 2);
    wait::until("one member is left", PATIENCE, || {
        let report = report(&lab.server);
        report["policies"][0]["members"] == Value::from(vec!["enp2s1"])
    });
    settle(&lab.server);
    send(20_020..20_040);
    let report = report(&lab.server);
    let streams = flows_going("out", &report, &[("destination_port", 9.into())]);
    for stream in &streams {
        let before = stream["source_port"].as_u64() < Some(20_020);
        let expected = if before { Value::Null } else { "enp2s1".into() };
        assert_eq!(stream["expected_member"], expected, "{stream}");
    }
    assert_eq!(report["policies"][0]["elsewhere"], 0);
}
