// SPDX-License-Identifier: Apache-2.0
//! `hhnet vlan`, and what happens when nobody answers.

use std::process::Command;

use hhnet_tests::fabric::Connection;
use hhnet_tests::process;
use hhnet_tests::wait;

use crate::{Lab, secs};

#[test]
fn vlan_prints_the_leased_prefix() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    lab.server.ip("link set enp2s1 down");
    assert_eq!(lab.server.must("vlan 1001 enp2s1"), "10.0.1.10/24\n");
    let vlan = lab.server.ip("-d -o link show enp2s1.1001");
    for part in [
        " enp2s1.1001@enp2s1: ",
        "vlan protocol 802.1Q id 1001",
        "LOWER_UP",
    ] {
        assert!(vlan.contains(part), "the VLAN lacks \"{part}\": {vlan}");
    }
    lab.server.namespace().must("ping -c 1 -W 2 10.0.1.1");
}

/// The MTU is set on the parent, which stays up, and the VLAN has it too.
#[test]
fn vlan_with_mtu_sets_parent_and_vlan() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    lab.server.must("vlan 1001 enp2s1 --mtu=9036");
    for link in ["enp2s1", "enp2s1.1001"] {
        let shown = lab.server.ip(&format!("-o link show {link}"));
        assert!(
            shown.contains(" mtu 9036 ") && shown.contains(",UP"),
            "{shown}"
        );
    }
}

/// Two networks on one port, one after the other.
#[test]
fn two_vlans_share_a_port() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    assert_eq!(lab.server.must("vlan 1001 enp2s1"), "10.0.1.10/24\n");
    assert_eq!(lab.server.must("vlan 1002 enp2s1"), "10.0.2.10/24\n");
    assert_eq!(lab.server.addresses("enp2s1.1001"), ["10.0.1.10/24"]);
}

/// `timeout 3 hhnet vlan …` without a DHCP server: it ends when it is told to,
/// has printed nothing, and what it had begun is undone.
#[test]
fn vlan_dies_at_once_when_it_is_terminated() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    let before = lab.server.snapshot();
    let hhnet = lab.server.hhnet_command("vlan 1001 enp2s1");
    let mut command: Command = lab.server.namespace().command("timeout");
    command
        .arg("3")
        .arg(hhnet.get_program())
        .args(hhnet.get_args());
    let output = process::run(&mut command, secs(20));
    assert_eq!(output.code(), 124);
    assert_eq!(output.stdout, "");
    // Nobody waits for anything, not even for an agent that does not answer.
    assert!(output.took < secs(9), "{:?}", output.took);
    wait::until("no hhnet is left", secs(5), || {
        lab.server.hhnet_processes().is_empty()
    });
    lab.server.expect_unchanged(&before);
}

/// The harness's way to probe a port: as often as it likes.
#[test]
fn vlan_succeeds_after_attempts_that_were_terminated() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    for _ in 0..2 {
        lab.server.must("cleanup");
        let hhnet = lab.server.hhnet_command("vlan 1001 enp2s1");
        let mut command: Command = lab.server.namespace().command("timeout");
        command
            .arg("1")
            .arg(hhnet.get_program())
            .args(hhnet.get_args());
        assert_eq!(process::run(&mut command, secs(20)).code(), 124);
    }
    let _dhcp = lab.fabric.vpc(1001).dnsmasq(&[]);
    lab.server.must("cleanup");
    assert_eq!(lab.server.must("vlan 1001 enp2s1"), "10.0.1.10/24\n");
}
