// SPDX-License-Identifier: Apache-2.0
//! The address of a lease, as the harness and users read it, and the MTU that
//! comes with it.

use hhnet_tests::dhcp::Kind;
use hhnet_tests::fabric::Connection;
use hhnet_tests::host::VERB_DEADLINE;
use hhnet_tests::netlink;
use hhnet_tests::process;

use crate::{Lab, secs};

/// Metric, broadcast address and a finite lifetime; and no word on who set it,
/// or `ip addr show proto 4` would hide the address.
#[test]
fn the_address_looks_as_networkd_would_have_set_it() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    let shown = lab.server.ip("addr show dev bond0.1001");
    let expected = "inet 10.0.1.10/24 metric 1024 brd 10.0.1.255 scope global dynamic bond0.1001\n";
    assert!(shown.contains(expected), "{shown}");
    let addresses = netlink::ipv4_addresses(lab.server.namespace());
    let leased: Vec<_> = addresses
        .iter()
        .filter(|a| netlink::has_label(a, "bond0.1001"))
        .collect();
    assert_eq!(leased.len(), 1, "{addresses:?}");
    assert!(!netlink::has_protocol(leased[0]), "{:?}", leased[0]);
}

/// The lifetime is what is left of the lease.
#[test]
fn the_lifetime_of_the_address_is_that_of_the_lease() {
    let lab = Lab::model(|subnet| subnet.lease = secs(1800));
    lab.server.must("vlan 1001 enp2s1");
    let left = lab.server.valid_lft("enp2s1.1001");
    let granted = lab.dhcp.received(Kind::Select)[0].at;
    let expected = 1800 - granted.elapsed().as_secs();
    assert!(
        (expected - 2..=expected + 1).contains(&left),
        "{left} s left, not {expected} s"
    );
}

/// Only the VLAN gets an address; nothing else on the machine does.
#[test]
fn no_other_address_appears_on_the_machine() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    let shown = lab.server.ip("-o -4 addr show");
    let pairs: Vec<_> = shown
        .lines()
        .map(|l| {
            l.split_whitespace()
                .skip(1)
                .step_by(2)
                .take(2)
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        pairs,
        [["lo", "127.0.0.1/8"], ["bond0.1001", "10.0.1.10/24"]]
    );
}

/// The lease's MTU is set on the VLAN alone.
#[test]
fn the_mtu_of_the_lease_is_set_on_the_vlan() {
    let lab = Lab::model(|subnet| subnet.mtu = 1400);
    lab.server.must("vlan 1001 enp2s1");
    let vlan = lab.server.ip("link show dev enp2s1.1001");
    assert!(vlan.contains(" mtu 1400 "), "{vlan}");
    let parent = lab.server.ip("link show dev enp2s1");
    assert!(parent.contains(" mtu 1500 "), "{parent}");
}

/// A lease may name an MTU that the parent cannot carry. That is only worth a
/// warning, on stderr or in the log.
#[test]
fn an_mtu_larger_than_the_parents_is_only_warned_of() {
    let lab = Lab::model(|subnet| subnet.mtu = 9036);
    let output = lab.server.hhnet("vlan 1001 enp2s1").success("hhnet vlan");
    assert_eq!(output.stdout, "10.0.1.10/24\n");
    for link in ["enp2s1", "enp2s1.1001"] {
        let shown = lab.server.ip(&format!("link show dev {link}"));
        assert!(shown.contains(" mtu 1500 "), "{shown}");
    }
    let said = output.stderr + &lab.server.log();
    assert!(
        said.lines().any(|line| line.contains("9036")),
        "no warning of MTU 9036:\n{said}"
    );
}

/// What the harness looks at right after the verb, in one shell and without a
/// pause: resolver, MTU, lifetime and routes are in force when it returns.
#[test]
fn everything_is_in_force_when_the_verb_returns() {
    const CHECKS: &str = r#"
        set -e
        "$@"
        grep "nameserver 1.1.1.1" /etc/resolv.conf
        ip link show dev enp2s1.1001 | grep "mtu 1400"
        ip addr show dev enp2s1.1001 | grep valid_lft | head -1
        ip route show"#;
    let lab = Lab::model(|subnet| {
        subnet.lease = secs(1800);
        subnet.mtu = 1400;
        subnet.dns = vec![[1, 1, 1, 1].into()];
        subnet.ntp = vec![[1, 1, 1, 1].into()];
        subnet.routes = vec!["0.0.0.0/0", "9.9.9.9/32"]
            .into_iter()
            .map(|route| route.parse().expect("a prefix"))
            .collect();
    });
    let before = lab.server.namespace().read("/etc/resolv.conf");
    let hhnet = lab.server.hhnet_command("vlan 1001 enp2s1");
    let mut shell = lab.server.namespace().command("sh");
    shell
        .args(["-c", CHECKS, "sh"])
        .arg(hhnet.get_program())
        .args(hhnet.get_args());
    let shown = process::run(&mut shell, VERB_DEADLINE).success("the checks");
    let shown = shown.stdout;
    for part in [
        "10.0.1.10/24\n",
        "valid_lft 1",
        "default via 10.0.1.1 dev enp2s1.1001 proto dhcp src 10.0.1.10 metric 1024",
        "9.9.9.9 via 10.0.1.1 ",
    ] {
        assert!(shown.contains(part), "no \"{part}\" in:\n{shown}");
    }
    lab.server.must("cleanup");
    let after = lab.server.namespace().read("/etc/resolv.conf");
    assert_eq!(after, before, "name servers stay behind");
}
