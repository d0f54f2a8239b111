// SPDX-License-Identifier: Apache-2.0
//! Duplicates of real frames, made by the kernel's own means: as many as ping
//! reports, and where they come from.

use hhnet_tests::dhcp::Daemon;
use hhnet_tests::harness::Pings;
use hhnet_tests::host::Host;
use hhnet_tests::wait::{self, PATIENCE};
use serde_json::Value;

use super::{bonded, bonded_with, flows_going, report};
use crate::Lab;

/// Pings sent: enough for a duplication of 30 % to be seen.
const PINGS: u64 = 200;

/// Pings the gateway, and returns how many duplicates ping has seen.
fn ping(server: &Host) -> u64 {
    let line = format!("ping -c {PINGS} -i 0.01 -W 5 10.0.1.1");
    let output = server.run(&line).stdout;
    let pings = Pings::parse(&output).unwrap_or_else(|| panic!("ping: {output}"));
    assert_eq!(u64::from(pings.sent), PINGS);
    assert!(pings.all_but_last_answered(), "{output}");
    pings.duplicates as u64
}

fn dups(server: &Host) -> Value {
    let text = server.must("dups --json");
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("hhnet dups --json: {e}\n{text}"))
}

fn number(report: &Value, name: &str) -> u64 {
    let number = report["total"][name].as_u64();
    number.unwrap_or_else(|| panic!("no {name} in {report}"))
}

/// Counts that are to be those of ping, and one that ended with a copy on its way.
fn assert_counted(found: u64, by_ping: u64, report: &Value) {
    assert!(by_ping > PINGS / 10, "ping saw only {by_ping} duplicates");
    assert!(
        found.abs_diff(by_ping) <= 1,
        "{found} found, {by_ping} seen by ping: {report}"
    );
}

fn explained(report: &Value, words: &str) {
    let explanations = report["explanations"].as_array().expect("a list");
    let is_there = |line: &Value| line.as_str().is_some_and(|line| line.contains(words));
    assert!(explanations.iter().any(is_there), "{words}: {report}");
}

/// The member by which the server sends its pings, as an index of the leaves.
fn leaf_of_pings(server: &Host) -> usize {
    server.run("ping -c 1 10.0.1.1").success("ping");
    let pings = flows_going("out", &report(server), &[("icmp_type", 8.into())]);
    let member = pings.first().expect("a flow")["member"].clone();
    usize::from(member == "enp2s2")
}

/// Has all that the gateway sends into VLAN 1001 leave by one more leaf, whichever
/// the bridge chooses.
fn send_copies_to(lab: &Lab<Daemon>, leaf: usize) {
    let vpc = lab.fabric.vpc(1001);
    let gateway = vpc.namespace();
    gateway.must("tc qdisc add dev br0 clsact");
    gateway.must(&format!(
        "tc filter add dev br0 egress protocol 802.1Q flower \
         action mirred egress mirror dev leaf{}",
        leaf + 1
    ));
}

#[test]
fn replies_doubled_on_one_link_are_those_that_ping_reports() {
    let lab = bonded();
    for (leaf, port) in lab.fabric.leaves.iter().zip(["s1p1", "s1p2"]) {
        let leaf = leaf.namespace();
        leaf.must(&format!("tc qdisc add dev {port} root netem duplicate 30%"));
    }
    let by_ping = ping(&lab.server);
    let report = dups(&lab.server);
    let of_replies = report["flows"].as_array().expect("a list")[0]["duplicates"].clone();
    assert_counted(
        of_replies["same_member"].as_u64().expect("a number"),
        by_ping,
        &report,
    );
    assert_eq!(of_replies["other_member"], 0, "{report}");
    assert_eq!(number(&report, "answered_again"), 0, "{report}");
    explained(&report, "of 200 echo replies from 10.0.1.1 arrived twice");
    explained(&report, "(reply leg)");
    assert!(
        report["total"]["duplication_fraction"].as_f64() > Some(0.1),
        "{report}"
    );
    let example = &report["examples"][0];
    assert!(
        example["summary"].is_string() && example["bytes"].is_string(),
        "{report}"
    );
}

#[test]
fn replies_by_both_leaves_are_told_apart_by_member() {
    let lab = bonded();
    let leaf = leaf_of_pings(&lab.server);
    send_copies_to(&lab, 1 - leaf);
    let by_ping = ping(&lab.server);
    let report = dups(&lab.server);
    // The last one's copy comes when ping has left.
    assert!(by_ping >= PINGS - 1, "{by_ping} of {PINGS}");
    assert_counted(number(&report, "strong_other_member"), by_ping, &report);
    assert_eq!(number(&report, "strong_same_member"), 0, "{report}");
    explained(
        &report,
        "once on enp2s1 and once on enp2s2: both switches forwarded them",
    );
    let text = lab.server.must("dups");
    assert!(text.contains("echo replies from 10.0.1.1"), "{text}");
}

#[test]
fn requests_doubled_on_their_way_are_seen_by_their_answers() {
    let lab = bonded();
    for leaf in &lab.fabric.leaves {
        leaf.namespace()
            .must("tc qdisc add dev uplink root netem duplicate 30%");
    }
    let by_ping = ping(&lab.server);
    let report = dups(&lab.server);
    // One in sixteen has an identification that cannot be told from the first's.
    let answered = number(&report, "answered_again");
    let copies = number(&report, "strong_same_member") + number(&report, "strong_other_member");
    assert_counted(answered + copies, by_ping, &report);
    assert!(answered > 3 * copies, "{report}");
    explained(&report, "(request leg)");
}

#[test]
fn frames_of_our_own_that_come_back_are_no_copies() {
    let lab = bonded();
    for (leaf, port) in lab.fabric.leaves.iter().zip(["s1p1", "s1p2"]) {
        let leaf = leaf.namespace();
        leaf.must(&format!("tc qdisc add dev {port} clsact"));
        leaf.must(&format!(
            "tc filter add dev {port} ingress protocol 802.1Q flower \
             action mirred egress mirror dev {port}"
        ));
    }
    assert_eq!(ping(&lab.server), 0);
    let report = dups(&lab.server);
    assert!(number(&report, "looped") >= PINGS, "{report}");
    assert_eq!(number(&report, "strong_same_member"), 0, "{report}");
    explained(&report, "frames of our own came back");
}

#[test]
fn copies_that_bonding_drops_are_counted_apart() {
    let lab = bonded_with("layer2+3 --lacp-rate=fast");
    // The second leaf has forgotten LACP: its port is one for itself.
    lab.fabric.leaves[1].unbundle(1, 2);
    wait::until("enp2s2 is not in use", PATIENCE, || {
        let ports = lab.server.ip_json("-d link show enp2s2");
        ports[0]["linkinfo"]["info_slave_data"]["state"] == "BACKUP"
    });
    send_copies_to(&lab, 1);
    assert_eq!(ping(&lab.server), 0, "bonding drops them");
    let report = dups(&lab.server);
    let suppressed = number(&report, "suppressed");
    assert!((PINGS - 1..PINGS + 20).contains(&suppressed), "{report}");
    assert_eq!(number(&report, "strong_other_member"), 0, "{report}");
    explained(&report, "bonding");
    explained(&report, "it drops one of the two");
}

/// `hhnet check` has seen the copies itself, and is told by the agent where they came.
#[test]
fn a_check_tells_by_which_members_copies_came() {
    let lab = bonded();
    let leaf = leaf_of_pings(&lab.server);
    send_copies_to(&lab, 1 - leaf);
    let text = lab.server.must("check 10.0.1.1 --seconds=0 --json");
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    let pings = &report["pairs"][0]["pings"];
    assert_eq!(pings["received"], 5, "{report}");
    assert_eq!(pings["duplicates"], 5, "{report}");
    let copies = &pings["copies"];
    assert_eq!(copies["other_member"], 5, "{report}");
    assert_eq!(copies["same_member"], 0, "{report}");
    assert_eq!(
        copies["members"],
        serde_json::json!(super::PORTS),
        "{report}"
    );
    let text = lab.server.must("check 10.0.1.1 --seconds=0 --pings=2");
    let told = "  duplicates  2: 2 of 2 echo replies from 10.0.1.1 arrived twice";
    assert!(text.contains(told), "{text}");
    assert!(text.contains("both switches forwarded them"), "{text}");
}
