// SPDX-License-Identifier: Apache-2.0
//! What one command does must not undo another's work, nor anybody else's.

use hhnet_tests::fabric::Connection;
use hhnet_tests::host::Host;
use hhnet_tests::process::Running;
use hhnet_tests::wait::{self, PATIENCE};
use serde_json::Value;

use crate::{Lab, secs};

/// A command that waits for an address nobody gives it, until its time is over.
fn in_vain(server: &Host, line: &str, link: &str) -> Running {
    let command = Running::start(&mut server.hhnet_command(line));
    wait::until("the link is there", PATIENCE, || server.has_link(link));
    command
}

fn mtu(server: &Host, link: &str) -> Value {
    server.ip_json(&format!("link show {link}"))[0]["mtu"].clone()
}

/// What a command says that fails.
fn expect_failure(mut command: Running) -> String {
    assert!(!command.wait(secs(30)).success());
    command.stderr()
}

/// A port that was down is up for the second VLAN, too, and stays so.
#[test]
fn a_failing_vlan_leaves_the_port_to_the_other_one() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    let _dhcp = lab.fabric.vpc(1002).dnsmasq(&[]);
    lab.server.ip("link set enp2s1 down");
    let first = in_vain(&lab.server, "vlan 1001 enp2s1 --timeout=6", "enp2s1.1001");
    lab.server.must("vlan 1002 enp2s1 --mtu=9036");
    expect_failure(first);
    assert_eq!(lab.server.links(), ["enp2s1", "enp2s1.1002", "lo"]);
    for link in ["enp2s1", "enp2s1.1002"] {
        let shown = lab.server.ip(&format!("-o link show {link}"));
        assert!(
            shown.contains(",UP") && shown.contains(" mtu 9036 "),
            "{shown}"
        );
    }
    let port = lab.server.ip("-d -o link show enp2s1");
    assert!(port.contains("xdp"), "it is still counted: {port}");
    lab.server.namespace().must("ping -c 1 -W 2 10.0.2.1");
}

/// Two fail, one after the other: the port is as it was before either of them.
#[test]
fn two_failing_vlans_give_the_port_back_as_it_was() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    lab.server.ip("link set enp2s1 down");
    let before = lab.server.snapshot();
    let line = "vlan 1001 enp2s1 --mtu=9036 --timeout=2";
    let first = in_vain(&lab.server, line, "enp2s1.1001");
    let second = in_vain(&lab.server, "vlan 1002 enp2s1 --timeout=10", "enp2s1.1002");
    expect_failure(first);
    assert!(lab.server.has_link("enp2s1.1002"), "it still waits");
    expect_failure(second);
    lab.server.expect_unchanged(&before);
}

/// An MTU that a failing command has set does not stay.
#[test]
fn a_failing_vlan_takes_its_mtu_back() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    let _dhcp = lab.fabric.vpc(1002).dnsmasq(&[]);
    lab.server.must("vlan 1002 enp2s1");
    let output = lab.server.hhnet("vlan 1001 enp2s1 --mtu=9036 --timeout=1");
    assert!(!output.ok());
    assert_eq!(mtu(&lab.server, "enp2s1"), 1500);
}

/// Nor does it stay on the VLANs that the kernel has made smaller with the port.
#[test]
fn a_failing_vlan_leaves_the_mtu_of_the_other_one() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    let _dhcp = lab.fabric.vpc(1002).dnsmasq(&[]);
    lab.server.must("vlan 1002 enp2s1 --mtu=9000");
    assert_eq!(mtu(&lab.server, "enp2s1.1002"), 9000);
    let output = lab.server.hhnet("vlan 1001 enp2s1 --mtu=1300 --timeout=1");
    assert!(!output.ok());
    assert_eq!(mtu(&lab.server, "enp2s1.1002"), 9000);
    assert_eq!(mtu(&lab.server, "enp2s1"), 9000);
}

/// A bond that another VLAN has come to rely on stays, and that is said.
#[test]
fn a_failing_bond_stays_for_the_vlan_above_it() {
    let lab = Lab::without_dhcp(Connection::Eslag);
    let _dhcp = lab.fabric.vpc(1002).dnsmasq(&[]);
    let line = "bond 1001 layer2+3 enp2s1 enp2s2 --timeout=8";
    let bond = in_vain(&lab.server, line, "bond0.1001");
    assert_eq!(lab.server.must("vlan 1002 bond0"), "10.0.2.10/24\n");
    let said = expect_failure(bond);
    assert!(said.contains("Failed to get IP address"), "{said}");
    assert!(said.contains("bond0 stays: bond0.1002 needs it"), "{said}");
    assert!(said.lines().count() <= 20, "{said}");
    assert!(!lab.server.has_link("bond0.1001"));
    assert_eq!(lab.server.ip_json("link show master bond0").len(), 2);
    lab.server.namespace().must("ping -c 1 -W 2 10.0.2.1");
}

/// And goes with it, when nobody leases that VLAN an address either.
#[test]
fn a_bond_that_stayed_goes_with_the_vlan_it_stayed_for() {
    let lab = Lab::without_dhcp(Connection::Eslag);
    let before = lab.server.snapshot();
    let line = "bond 1001 layer2+3 enp2s1 enp2s2 --timeout=8";
    let bond = in_vain(&lab.server, line, "bond0.1001");
    let vlan = in_vain(&lab.server, "vlan 1002 bond0 --timeout=15", "bond0.1002");
    let said = expect_failure(bond);
    assert!(said.contains("bond0 stays: bond0.1002 needs it"), "{said}");
    assert!(lab.server.has_link("bond0.1002"));
    let said = expect_failure(vlan);
    assert!(!said.contains("stays"), "{said}");
    lab.server.expect_unchanged(&before);
}

/// So does a VLAN that another one is on, and its port stays up.
#[test]
fn a_failing_vlan_stays_for_the_one_on_it() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    lab.server.ip("link set enp2s1 down");
    let before = lab.server.snapshot();
    let line = "vlan 1001 enp2s1 --timeout=6";
    let outer = in_vain(&lab.server, line, "enp2s1.1001");
    let line = "vlan 100 enp2s1.1001 --timeout=12";
    let inner = in_vain(&lab.server, line, "enp2s1.1001.100");
    let said = expect_failure(outer);
    let expected = "enp2s1.1001 stays: enp2s1.1001.100 needs it";
    assert!(said.contains(expected), "{said}");
    // Nor does one that fails beside it set the port down.
    expect_failure(in_vain(
        &lab.server,
        "vlan 1002 enp2s1 --timeout=1",
        "enp2s1.1002",
    ));
    let port = lab.server.ip("-d -o link show enp2s1");
    assert!(port.contains(",UP") && port.contains("xdp"), "{port}");
    expect_failure(inner);
    lab.server.expect_unchanged(&before);
}

/// Both of a bond's links stay for a VLAN on the upper one.
#[test]
fn a_failing_bond_stays_for_a_vlan_on_its_vlan() {
    let lab = Lab::without_dhcp(Connection::Eslag);
    let before = lab.server.snapshot();
    let line = "bond 1001 layer2+3 enp2s1 enp2s2 --timeout=8";
    let bond = in_vain(&lab.server, line, "bond0.1001");
    let line = "vlan 100 bond0.1001 --timeout=15";
    let vlan = in_vain(&lab.server, line, "bond0.1001.100");
    let said = expect_failure(bond);
    for stays in [
        "bond0 stays: bond0.1001 needs it",
        "bond0.1001 stays: bond0.1001.100 needs it",
    ] {
        assert!(said.contains(stays), "{said}");
    }
    assert!(lab.server.has_link("bond0.1001.100"));
    expect_failure(vlan);
    lab.server.expect_unchanged(&before);
}

/// A default route of somebody else has the same metric as ours. Both stay.
#[test]
fn a_lease_leaves_the_routes_of_others_alone() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let theirs = "default via 172.31.1.2 dev enp2s2 proto dhcp src 172.31.1.15 metric 1024";
    lab.server.ip("addr add 172.31.1.15/24 dev enp2s2");
    lab.server.ip(&format!("route add {theirs}"));
    lab.server.must("vlan 1001 enp2s1");
    let routes = lab.server.ip("route show default");
    assert!(routes.contains(theirs), "{routes}");
    assert!(routes.contains("via 10.0.1.1 dev enp2s1.1001"), "{routes}");
    lab.server.must("cleanup");
    assert_eq!(lab.server.ip("route show default").trim_end(), theirs);
    // Else it would be taken for something that hhnet has left.
    lab.server.ip(&format!("route del {theirs}"));
}

/// Two leased VLANs each keep their default route, whatever happens to links.
#[test]
fn two_leases_keep_their_routes() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    lab.server.must("vlan 1001 enp2s1");
    lab.server.must("vlan 1002 enp2s1");
    let routes = lab.server.ip("route show");
    assert_eq!(routes.matches("default via").count(), 2, "{routes}");
    lab.server.ip("link set enp2s1.1001 txqueuelen 500");
    wait::throughout(secs(1), "the routes stay as they are", || {
        lab.server.ip("route show") == routes
    });
}

/// A route to the own subnet is nonsense, but costs nobody his address.
#[test]
fn a_route_to_the_own_subnet_does_not_hide_the_gateway() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    let option = "--dhcp-option-force=121,10.0.1.0/24,10.0.1.1,0.0.0.0/0,10.0.1.1";
    let _dhcp = lab.fabric.vpc(1001).dnsmasq(&[option]);
    assert_eq!(lab.server.must("vlan 1001 enp2s1"), "10.0.1.10/24\n");
    lab.server.namespace().must("ping -c 1 -W 2 10.0.1.1");
}

/// Nor does a router that cannot be one.
#[test]
fn a_route_the_kernel_refuses_costs_nobody_his_address() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    let _dhcp = lab
        .fabric
        .vpc(1001)
        .dnsmasq(&["--dhcp-option-force=3,10.0.1.255"]);
    assert_eq!(lab.server.must("vlan 1001 enp2s1"), "10.0.1.10/24\n");
    assert!(lab.server.log().contains("adding the route to 0.0.0.0/0"));
}

/// The loopback interface is no port: it is refused before it is set down.
#[test]
fn a_bond_of_the_loopback_interface_is_refused_in_time() {
    let lab = Lab::without_dhcp(Connection::Eslag);
    lab.server.ip("addr add 2001:db8::1/128 dev lo");
    lab.server.refuses(
        "bond 1001 layer2+3 enp2s1 lo",
        &["adding lo to bond0", "no Ethernet device"],
    );
}

/// A cleanup that overtakes the loading of programs does not cost the next
/// command its own.
#[test]
fn programs_survive_a_cleanup_before_they_were_wanted() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    for _ in 0..3 {
        let first = in_vain(&lab.server, "vlan 1002 enp2s2", "enp2s2.1002");
        let cleanup = Running::start(&mut lab.server.hhnet_command("cleanup"));
        let second = lab.server.hhnet("vlan 1001 enp2s1");
        drop((first, cleanup));
        if second.ok() && lab.server.has_link("enp2s1.1001") {
            let port = lab.server.ip("-d -o link show enp2s1");
            assert!(port.contains("xdp"), "{port}");
        }
        lab.server.must("cleanup");
    }
}

/// Whoever flushes an interface and takes it down does not find the address
/// there again, and everything comes back with the link.
#[test]
fn a_flushed_interface_stays_empty_while_it_is_down() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    lab.server.must("vlan 1001 enp2s1");
    let vlan = "enp2s1.1001";
    lab.server.ip(&format!("addr flush dev {vlan}"));
    lab.server.ip(&format!("link set {vlan} down"));
    wait::throughout(secs(2), "there is no address", || {
        lab.server.addresses(vlan).is_empty()
    });
    lab.server.ip(&format!("link set {vlan} up"));
    wait::until("the lease is back", PATIENCE, || {
        let routes = lab.server.ip("route show default");
        lab.server.addresses(vlan) == ["10.0.1.10/24"] && routes.contains(vlan)
    });
}
