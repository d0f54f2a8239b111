// SPDX-License-Identifier: Apache-2.0
//! Input that fails because of what is on the machine already, or late: a
//! failed verb is undone, and what was there before it is not touched.

use hhnet_tests::fabric::Connection;
use hhnet_tests::host::assert_refusal;
use hhnet_tests::process::Running;
use hhnet_tests::wait::{self, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Lab, secs};

/// A bond0 that hhnet has not made is not its own to change.
#[test]
fn a_foreign_bond0_is_refused_and_left_alone() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.ip("link add bond0 type bond mode active-backup");
    lab.server
        .refuses("bond 1001 layer2+3 enp2s1 enp2s2", &["bond0"]);
    lab.server.must("cleanup");
    assert_eq!(
        lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2"),
        "10.0.1.10/24\n"
    );
}

/// A second bond is refused; the first one keeps its lease.
#[test]
fn a_second_bond_is_refused_and_the_first_kept() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must("bond 1001 layer2+3 enp2s1");
    let output = lab.server.hhnet("bond 1001 layer2+3 enp2s2");
    assert_refusal("bond, again", &output, &["bond0"]);
    assert_eq!(lab.server.addresses("bond0.1001"), ["10.0.1.10/24"]);
    assert_eq!(lab.server.ip_json("link show master bond0").len(), 1);
    lab.server.namespace().must("ping -c 1 -W 2 10.0.1.1");
}

#[test]
fn a_vlan_that_exists_is_refused_and_left_alone() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    lab.server
        .ip("link add link enp2s1 name enp2s1.1001 type vlan id 1001");
    lab.server
        .refuses("vlan 1001 enp2s1", &["enp2s1", "1001", "exists"]);
    lab.server.must("cleanup");
    assert_eq!(lab.server.must("vlan 1001 enp2s1"), "10.0.1.10/24\n");
}

/// The tag may be taken under another name.
#[test]
fn a_vlan_id_that_is_taken_is_refused_and_left_alone() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    lab.server
        .ip("link add link enp2s1 name other type vlan id 1001");
    lab.server.refuses("vlan 1001 enp2s1", &["1001"]);
}

/// The second port does not exist: the first one is given back as it was.
#[test]
fn a_bond_with_an_unknown_port_undoes_the_known_one() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server
        .refuses("bond 1001 layer2+3 enp2s1 enp2s7 --mtu=9036", &["enp2s7"]);
    assert_eq!(
        lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2"),
        "10.0.1.10/24\n"
    );
}

/// Nobody answers: bond and VLAN go, and each port is as it was, the one that
/// was up and the one that was down.
#[test]
fn a_bond_without_an_answer_is_undone() {
    let lab = Lab::without_dhcp(Connection::Eslag);
    lab.server.ip("link set enp2s2 down");
    let before = lab.server.snapshot();
    let output = lab
        .server
        .hhnet("bond 1001 layer2+3 enp2s1 enp2s2 --mtu=9036 --timeout=3");
    assert!(!output.ok() && output.stdout.is_empty(), "{output:?}");
    let expected = "Failed to get IP address for bond0.1001";
    assert!(output.stderr.contains(expected), "{}", output.stderr);
    lab.server.expect_unchanged(&before);
}

/// The same when the caller loses patience.
#[test]
fn a_bond_that_was_terminated_is_undone() {
    let lab = Lab::without_dhcp(Connection::Eslag);
    let before = lab.server.snapshot();
    let mut bond = lab.server.hhnet_command("bond 1001 layer2+3 enp2s1 enp2s2");
    let mut bond = Running::start(&mut bond);
    wait::until("the VLAN is there", PATIENCE, || {
        lab.server.has_link("bond0.1001")
    });
    kill(Pid::from_raw(bond.pid()), Signal::SIGTERM).expect("hhnet is waiting");
    assert!(!bond.wait(secs(2)).success());
    assert_eq!(bond.stdout(), "");
    lab.server.expect_unchanged(&before);
    wait::until("no hhnet is left", secs(5), || {
        lab.server.hhnet_processes().is_empty()
    });
}

/// A port that is a member of something else is not taken away from it.
#[test]
fn a_port_of_another_bond_is_refused_and_left_alone() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.ip("link add bond9 type bond mode active-backup");
    lab.server.ip("link set enp2s2 down");
    lab.server.ip("link set enp2s2 master bond9");
    lab.server
        .refuses("bond 1001 layer2+3 enp2s1 enp2s2", &["enp2s2"]);
}

/// A port that is in use already is not bonded: its VLAN would take frames away from the
/// bond's, or the bond all of them from the port.
#[test]
fn a_port_in_use_is_refused_and_keeps_its_address() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let bond = "bond 1001 layer2+3 enp2s1 enp2s2";
    lab.server.must("p2p enp2s1 10.0.9.0/31 10.0.9.1");
    lab.server.refuses(bond, &["enp2s1", "10.0.9.0/31"]);
    assert_eq!(lab.server.addresses("enp2s1"), ["10.0.9.0/31"]);
    // What somebody has taken away is no use.
    lab.server.ip("addr del 10.0.9.0/31 dev enp2s1");
    lab.server.must(bond);
    lab.server.must("cleanup");
    let leased = lab.server.must("vlan 1001 enp2s2");
    let output = lab.server.hhnet(bond);
    assert_refusal(bond, &output, &["enp2s2", "enp2s2.1001", "cleanup"]);
    assert_eq!(lab.server.addresses("enp2s2.1001"), [leased.trim_end()]);
    lab.server.must("cleanup");
    lab.server.must(bond);
}

/// Nor is a member of the bond used for anything else.
#[test]
fn a_member_is_refused_for_anything_else() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    for line in [
        "vlan 1002 enp2s1",
        "dhcp enp2s2",
        "p2p enp2s2 10.0.9.0/31 10.0.9.1",
    ] {
        let output = lab.server.hhnet(line);
        assert_refusal(line, &output, &["enp2s", "a member of bond0"]);
    }
    assert_eq!(lab.server.addresses("bond0.1001"), ["10.0.1.10/24"]);
    lab.server.namespace().must("ping -c 1 -W 2 10.0.1.1");
}

/// A link that cannot be a member (lo) is named, and the other is given back.
#[test]
fn a_link_that_cannot_be_bonded_is_named() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.refuses("bond 1001 layer2+3 enp2s1 lo", &["lo"]);
}

/// An MTU that the port cannot have fails the verb, and is undone.
#[test]
fn an_mtu_the_port_cannot_have_is_refused() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    lab.server
        .ip("link add link enp2s1 name macvlan0 type macvlan");
    lab.server.owns("macvlan0");
    // A macvlan cannot have a larger MTU than the port below it.
    lab.server
        .refuses("vlan 1001 macvlan0 --mtu=9036", &["macvlan0", "9036"]);
    lab.server.ip("link del macvlan0");
}
