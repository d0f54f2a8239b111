// SPDX-License-Identifier: Apache-2.0
//! Classifiers: where the driver has no XDP, and for what is sent.

use std::collections::BTreeMap;
use std::net::UdpSocket;

use hhnet_tests::fabric::Connection;
use hhnet_tests::host::{Host, assert_refusal};
use hhnet_tests::wait;
use hhnet_tests::xdp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{PORTS, bonded_with, flows, flows_going, packets, programs, report, status};
use crate::{Lab, secs};

/// All that classifies a server's frames.
fn classifiers(server: &Host) -> Vec<String> {
    let on = |port| xdp::classifiers(server.namespace(), port);
    PORTS.into_iter().flat_map(on).collect()
}

fn kill_agent(server: &Host) {
    let agents = server.hhnet_processes();
    assert_eq!(agents.len(), 1, "{agents:?}");
    kill(Pid::from_raw(agents[0].pid), Signal::SIGKILL).expect("the agent is alive");
}

fn ping(server: &Host, count: u8) {
    let line = format!("ping -c {count} -i 0.1 10.0.1.1");
    server.namespace().must(&line);
}

/// Echo requests that were sent, and replies that were received.
fn echoes(report: &Value) -> (Vec<Value>, Vec<Value>) {
    let requests = [("icmp_type", 8.into()), ("destination", "10.0.1.1".into())];
    let replies = [("icmp_type", 0.into()), ("source", "10.0.1.1".into())];
    (
        flows_going("out", report, &requests),
        flows(report, &replies),
    )
}

/// The kernel takes the tag out of a frame before a classifier sees it: it is
/// counted all the same, once, and with the same bytes.
#[test]
fn without_xdp_the_same_is_counted() {
    let lab = bonded_with("layer2+3 --xdp=tc");
    assert_eq!(programs(&lab.server), 0);
    let status = lab.server.must("status");
    let by = if status.contains("in by tcx") {
        "tcx"
    } else {
        "clsact"
    };
    assert_eq!(
        status.matches(&format!("in by {by}")).count(),
        2,
        "{status}"
    );
    assert_eq!(
        status.matches(&format!("out by {by}")).count(),
        2,
        "{status}"
    );
    ping(&lab.server, 5);
    let (requests, replies) = echoes(&report(&lab.server));
    for flows in [requests, replies] {
        assert_eq!(packets(&flows), 5, "{flows:?}");
        let bytes = flows
            .iter()
            .map(|flow| flow["bytes"].as_u64().expect("bytes"));
        // Ethernet 14, VLAN tag 4, IPv4 20, ICMP 8, and 56 of ping.
        assert_eq!(bytes.sum::<u64>(), 5 * (14 + 4 + 20 + 8 + 56), "{flows:?}");
        assert!(flows.iter().all(|flow| flow["vlan"] == 1001), "{flows:?}");
    }
}

/// A driver that refuses: here, because somebody else has a program on the port.
/// The reason is told, and the other port has XDP.
#[test]
fn a_refused_program_is_replaced_by_a_classifier() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    xdp::attach_foreign_program(lab.server.namespace(), "enp2s1");
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    let refused = status(&lab.server, "enp2s1");
    assert!(
        refused.contains("in by tcx") || refused.contains("in by clsact"),
        "{refused}"
    );
    assert!(
        refused.contains("another XDP program is attached"),
        "{refused}"
    );
    let other = status(&lab.server, "enp2s2");
    assert!(other.contains("XDP native"), "{other}");
    lab.fabric.await_lacp();
    ping(&lab.server, 5);
    let (requests, replies) = echoes(&report(&lab.server));
    assert_eq!((packets(&requests), packets(&replies)), (5, 5));
}

/// What the policy makes of many streams: each goes by one member, and together
/// they are all that was sent.
#[test]
fn sent_streams_add_up_over_the_members() {
    const STREAMS: u16 = 40;
    const EACH: u64 = 10;
    let lab = bonded_with("layer3+4");
    ping(&lab.server, 3);
    lab.server.namespace().enter(|| {
        for stream in 0..STREAMS {
            let socket = UdpSocket::bind(("10.0.1.10", 20_000 + stream)).expect("our address");
            for _ in 0..EACH {
                let sent = socket.send_to(&[0; 100], "10.0.1.1:9");
                // An answer that nobody listens comes as an error of the next one.
                let _ = sent.or_else(|_| socket.send_to(&[0; 100], "10.0.1.1:9"));
            }
        }
    });
    let report = report(&lab.server);
    let (requests, replies) = echoes(&report);
    assert_eq!((packets(&requests), packets(&replies)), (3, 3));
    let streams = flows_going("out", &report, &[("destination_port", 9.into())]);
    assert_eq!(streams.len(), usize::from(STREAMS), "each by one member");
    let mut by_member = BTreeMap::new();
    for stream in &streams {
        assert_eq!(stream["packets"], EACH, "{stream}");
        // Ethernet 14, VLAN tag 4, IPv4 20, UDP 8.
        assert_eq!(stream["bytes"], EACH * (14 + 4 + 20 + 8 + 100), "{stream}");
        *by_member.entry(stream["member"].as_str()).or_insert(0) += 1;
    }
    assert_eq!(
        by_member.len(),
        2,
        "layer3+4 uses both members: {by_member:?}"
    );
    spreads(&report);
}

/// Shares of each direction are one, and their evenness between one half and one.
fn spreads(report: &Value) {
    for direction in ["in", "out"] {
        let of = |list: &str| {
            let all = report[list].as_array().expect("a list").iter();
            let these = all.filter(|entry| entry["direction"] == direction);
            these.cloned().collect::<Vec<_>>()
        };
        let members = of("members");
        let shares = members
            .iter()
            .map(|m| m["share"]["packets"].as_f64().expect("share"));
        let sum: f64 = shares.sum();
        assert!((sum - 1.0).abs() < 0.001, "{direction}: {members:?}");
        let index = of("spread")[0]["jain_packets"].as_f64().expect("an index");
        assert!((0.5..=1.0).contains(&index), "{direction}: {index}");
    }
}

/// `--by` and `--member` choose among flows.
#[test]
fn flows_by_packets_and_of_one_member() {
    let lab = bonded_with("layer2+3");
    ping(&lab.server, 3);
    let text = lab.server.must("flows --json --by packets --member enp2s2");
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let packets: Vec<_> = report["flows"]
        .as_array()
        .expect("flows")
        .iter()
        .map(|flow| {
            assert_eq!(flow["member"], "enp2s2");
            flow["packets"].as_u64().expect("a number")
        })
        .collect();
    assert!(packets.is_sorted_by(|a, b| a >= b), "{packets:?}");
    assert_eq!(
        report["members"].as_array().map(Vec::len),
        Some(2),
        "{text}"
    );
    let line = "flows --member enp2s9";
    assert_refusal(line, &lab.server.hhnet(line), &["enp2s9"]);
}

/// Neither a cleanup nor a killed agent and then a cleanup leave a classifier.
#[test]
fn nothing_classifies_after_cleanup() {
    let lab = bonded_with("layer2+3 --xdp=tc");
    assert!(!classifiers(&lab.server).is_empty());
    lab.server.must("cleanup");
    assert_eq!(classifiers(&lab.server), Vec::<String>::new());

    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2 --xdp=tc");
    assert!(!classifiers(&lab.server).is_empty());
    kill_agent(&lab.server);
    lab.server.must("cleanup");
    assert_eq!(classifiers(&lab.server), Vec::<String>::new());
}

/// A clsact that was there stays, and what is in it.
#[test]
fn somebody_elses_clsact_stays() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let tc = |line: &str| lab.server.namespace().must(&format!("tc {line}"));
    tc("qdisc add dev enp2s1 clsact");
    tc("filter add dev enp2s1 ingress matchall action ok");
    let before = classifiers(&lab.server);
    for killed in [false, true] {
        lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2 --xdp=tc");
        lab.fabric.await_lacp();
        ping(&lab.server, 5);
        let (requests, replies) = echoes(&report(&lab.server));
        assert_eq!((packets(&requests), packets(&replies)), (5, 5));
        if killed {
            kill_agent(&lab.server);
        }
        lab.server.must("cleanup");
        assert_eq!(classifiers(&lab.server), before, "killed: {killed}");
    }
    tc("qdisc del dev enp2s1 clsact");
}

/// The agent that follows a killed one counts anew, with one program a port and
/// direction.
#[test]
fn the_next_agent_takes_over() {
    let lab = bonded_with("layer2+3 --xdp=tc");
    let before = names(&lab.server);
    kill_agent(&lab.server);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    assert_eq!(
        lab.server.must("vlan 1002 bond0 --xdp=tc"),
        "10.0.2.10/24\n"
    );
    // The command does not wait for ever, and an emulated machine is slow.
    wait::until("all programs are there", secs(30), || {
        names(&lab.server) == before
    });
    ping(&lab.server, 4);
    let (requests, replies) = echoes(&report(&lab.server));
    assert_eq!((packets(&requests), packets(&replies)), (4, 4));
}

/// What classifies, without the ids of programs.
fn names(server: &Host) -> Vec<String> {
    let all = classifiers(server).into_iter();
    all.map(|found| found.split(" id ").next().unwrap_or_default().to_owned())
        .collect()
}
