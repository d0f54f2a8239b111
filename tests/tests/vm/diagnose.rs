// SPDX-License-Identifier: Apache-2.0
//! Why there is no address, with bonds and VLANs: each situation is made, and the
//! first sentence has to name it.

use hhnet_tests::diagnosis::{diagnose, expect_cause, in_vain};
use hhnet_tests::fabric::Connection;
use hhnet_tests::wait::{self, PATIENCE};
use serde_json::Value;

use crate::Lab;

const BOND: &str = "bond 1001 layer2+3 enp2s1 enp2s2";
const VLAN: &str = "vlan 1001 enp2s1";

/// What is said first when `line` is in vain because of `cause`.
#[track_caller]
fn first_sentence<D>(lab: &Lab<D>, line: &str, interface: &str, cause: &str) -> String {
    let said = in_vain(&lab.server, line, interface, cause);
    let (sentence, _) = said.split_once(".\n").expect("a sentence");
    sentence.to_owned()
}

#[track_caller]
fn expect(sentence: &str, words: &[&str]) {
    for words in words {
        assert!(sentence.contains(words), "no {words:?} in {sentence:?}");
    }
}

fn sentence(said: &Value) -> &str {
    said["findings"][0]["sentence"].as_str().expect("text")
}

#[test]
fn no_member_has_a_carrier() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.fabric.leaves[0].cut(1, 1);
    lab.fabric.leaves[1].cut(1, 2);
    let line = format!("{BOND} --timeout=3");
    let said = first_sentence(&lab, &line, "bond0.1001", "no_carrier");
    expect(
        &said,
        &["enp2s1 and enp2s2 have no carrier: the cables or the switch ports are down"],
    );
    lab.fabric.leaves[0].mend(1, 1);
    lab.fabric.leaves[1].mend(1, 2);
}

/// One of two, and nobody answers: the fault that is seen comes before the one that is
/// guessed.
#[test]
fn a_member_is_down() {
    let lab = Lab::without_dhcp(Connection::Eslag);
    lab.fabric.leaves[1].cut(1, 2);
    let line = format!("{BOND} --timeout=8");
    let said = first_sentence(&lab, &line, "bond0.1001", "no_carrier");
    expect(
        &said,
        &["enp2s2 has no carrier: the cable or the switch port is down"],
    );
    lab.fabric.leaves[1].mend(1, 2);
}

#[test]
fn the_switch_does_not_speak_lacp() {
    let lab = Lab::without_dhcp(Connection::Eslag);
    lab.fabric.leaves[0].unbundle(1, 1);
    lab.fabric.leaves[1].unbundle(1, 2);
    let line = format!("{BOND} --timeout=6");
    let said = first_sentence(&lab, &line, "bond0.1001", "no_lacp");
    expect(
        &said,
        &[
            "no LACPDU has come from the switch on enp2s1 and enp2s2",
            "links are up",
        ],
    );
}

#[test]
fn one_port_of_the_switch_does_not_speak_lacp() {
    let lab = Lab::without_dhcp(Connection::Eslag);
    lab.fabric.leaves[1].unbundle(1, 2);
    let line = format!("{BOND} --timeout=8");
    let said = first_sentence(&lab, &line, "bond0.1001", "no_lacp");
    expect(
        &said,
        &[
            "no LACPDU has come from the switch on enp2s2",
            "while enp2s1 has a partner",
        ],
    );
}

#[test]
fn the_switches_are_no_pair() {
    let lab = Lab::without_dhcp(Connection::Unpaired);
    let line = format!("{BOND} --timeout=8");
    let said = first_sentence(&lab, &line, "bond0.1001", "different_partners");
    expect(
        &said,
        &[
            "enp2s1 has partner 0a:0a:0a:0a:0a:0a and enp2s2 has partner 0e:0e:0e:0e:0e:0e",
            "not one MLAG or ESLAG pair",
        ],
    );
}

#[test]
fn the_relay_is_silent() {
    let lab = Lab::without_dhcp(Connection::Eslag);
    let line = format!("{BOND} --timeout=8");
    let said = first_sentence(&lab, &line, "bond0.1001", "no_offer");
    expect(
        &said,
        &[
            "no DHCP server has answered",
            "on bond0.1001",
            "LACP has agreed",
        ],
    );
}

#[test]
fn the_pool_is_exhausted() {
    let lab = Lab::model(|subnet| {
        let only = *subnet.range.start();
        subnet.range = only..=only;
        subnet.fixed.insert([2, 0, 0, 0, 0, 9], only);
    });
    let line = format!("{VLAN} --timeout=4");
    let said = first_sentence(&lab, &line, "enp2s1.1001", "empty_offers");
    expect(
        &said,
        &[
            "without an address came on enp2s1.1001",
            "the DHCP pool of VLAN 1001",
        ],
    );
}

/// The port is attached to another VPC, whose frames arrive.
#[test]
fn the_port_is_in_another_vlan() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    lab.fabric.leaves[0].attach(1, 1, 1002);
    let mut traffic = lab.fabric.vpc(1002).chatter();
    let line = format!("{VLAN} --timeout=15");
    let said = first_sentence(&lab, &line, "enp2s1.1001", "wrong_vlan");
    expect(
        &said,
        &["of VLAN 1002 came in on enp2s1, and none of VLAN 1001, where enp2s1.1001 waits"],
    );
    assert!(traffic.ended().is_none(), "{}", traffic.stderr());
}

/// A bond that works, loses a member, and is told of by `diagnose` alone.
#[test]
fn a_working_bond_that_loses_a_member() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must(BOND);
    wait::until("nothing is wrong", PATIENCE, || {
        diagnose(&lab.server)["findings"] == serde_json::json!([])
    });
    lab.fabric.leaves[1].cut(1, 2);
    let said = expect_cause(&lab.server, "no_carrier");
    expect(sentence(&said), &["enp2s2 has no carrier"]);
    lab.fabric.leaves[1].mend(1, 2);
}

/// The server sends large frames, the switch drops them.
#[test]
fn large_packets_are_lost() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    lab.server.must(&format!("{VLAN} --mtu=9000"));
    let said = expect_cause(&lab.server, "mtu_black_hole");
    expect(
        sentence(&said),
        &["10.0.1.1 answers small pings on enp2s1.1001 but none of 9000 bytes"],
    );
}
