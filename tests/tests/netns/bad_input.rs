// SPDX-License-Identifier: Apache-2.0
//! Input that cannot be meant: one line that names the thing and what is
//! allowed, a failure, and a machine that has not changed.

use hhnet_tests::fabric::PointToPoint;
use hhnet_tests::host::assert_refusal;
use hhnet_tests::sudo;

/// The hash policies of the harness, as an error has to list them.
const POLICIES: [&str; 6] = [
    "layer2",
    "layer2+3",
    "layer3+4",
    "encap2+3",
    "encap3+4",
    "vlan+srcmac",
];

#[test]
fn an_unknown_hash_policy_is_refused_with_the_list_of_policies() {
    let lab = PointToPoint::new();
    let words = [&["layer5"], POLICIES.as_slice()].concat();
    lab.server.refuses("bond 1001 layer5 enp2s1", &words);
}

#[test]
fn a_vlan_out_of_range_is_refused_with_the_range() {
    let lab = PointToPoint::new();
    for vlan in ["0", "4095", "4096", "5000", "70000", "abc", "1001x"] {
        lab.server
            .refuses(&format!("vlan {vlan} enp2s1"), &[vlan, "1", "4094"]);
        lab.server.refuses(
            &format!("bond {vlan} layer2+3 enp2s1"),
            &[vlan, "1", "4094"],
        );
    }
}

#[test]
fn an_interface_that_does_not_exist_is_named() {
    let lab = PointToPoint::new();
    lab.server.refuses("vlan 1001 enp2s7", &["enp2s7"]);
    lab.server
        .refuses("bond 1001 layer2+3 enp2s1 enp2s7", &["enp2s7"]);
    lab.server
        .refuses("p2p enp2s7 10.0.1.0/31 10.0.1.1", &["enp2s7"]);
}

#[test]
fn an_interface_given_twice_is_named() {
    let lab = PointToPoint::new();
    lab.server
        .refuses("bond 1001 layer2+3 enp2s1 enp2s1", &["enp2s1"]);
}

/// The kernel's limit is 15 characters.
#[test]
fn an_interface_name_that_is_too_long_is_refused_with_the_limit() {
    let lab = PointToPoint::new();
    let long = "enp2s1abcdefghij";
    lab.server
        .refuses(&format!("vlan 1001 {long}"), &[long, "15"]);
    lab.server
        .refuses(&format!("bond 1001 layer2 {long}"), &[long, "15"]);
    lab.server
        .refuses(&format!("p2p {long} 10.0.1.0/31 10.0.1.1"), &[long, "15"]);
}

/// The VLAN device is named after its parent, whose name may leave no room.
#[test]
fn a_vlan_device_whose_name_would_be_too_long_is_refused() {
    let lab = PointToPoint::new();
    lab.server.owns("enp2s1abcdef");
    lab.server.ip("link set enp2s1 down");
    lab.server.ip("link set enp2s1 name enp2s1abcdef");
    lab.server.ip("link set enp2s1abcdef up");
    lab.server
        .refuses("vlan 1001 enp2s1abcdef", &["enp2s1abcdef.1001", "15"]);
}

#[test]
fn an_mtu_that_is_no_mtu_is_refused() {
    let lab = PointToPoint::new();
    for mtu in ["abc", "0", "67", "65536", ""] {
        lab.server
            .refuses(&format!("vlan 1001 enp2s1 --mtu={mtu}"), &["mtu"]);
    }
}

#[test]
fn a_p2p_address_that_is_no_address_is_named() {
    let lab = PointToPoint::new();
    lab.server
        .refuses("p2p enp2s1 10.0.1.0 10.0.1.1", &["10.0.1.0"]);
    lab.server
        .refuses("p2p enp2s1 10.0.1.300/31 10.0.1.1", &["10.0.1.300/31"]);
    lab.server
        .refuses("p2p enp2s1 10.0.1.0/31 gateway", &["gateway"]);
}

/// A gateway that the link does not reach fails late: the address is undone.
#[test]
fn a_p2p_remote_that_is_not_reachable_undoes_the_address() {
    let lab = PointToPoint::new();
    lab.server
        .refuses("p2p enp2s1 10.0.1.0/31 10.9.9.9", &["10.9.9.9"]);
}

/// Without the right to change the network, and without sudo to get it, hhnet
/// says so in one line.
#[test]
fn a_user_without_permission_is_told_so() {
    let lab = PointToPoint::new();
    sudo::remove(lab.server.namespace());
    let before = lab.server.snapshot();
    for line in [
        "cleanup",
        "vlan 1001 enp2s1",
        "p2p enp2s1 10.0.1.0/31 10.0.1.1",
    ] {
        assert_refusal(
            line,
            &lab.server.hhnet_as_nobody(line),
            &["there is no sudo", "/usr/bin/sudo"],
        );
    }
    lab.server.expect_unchanged(&before);
}

/// One refusal is not the end: the same server still does what is right.
#[test]
fn a_good_command_works_after_a_refused_one() {
    let lab = PointToPoint::new();
    lab.server
        .refuses("p2p enp2s7 10.0.1.0/31 10.0.1.1", &["enp2s7"]);
    assert_eq!(lab.server.must("cleanup"), "");
    assert_eq!(
        lab.server.must("p2p enp2s1 10.0.1.0/31 10.0.1.1"),
        "10.0.1.0/31\n"
    );
}
