// SPDX-License-Identifier: Apache-2.0
//! The routes of a lease.

use hhnet_tests::dhcp::{FabricDhcp, Kind};
use hhnet_tests::fabric::Connection;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{Lab, secs};

/// The routes of the main table via the VLAN, after a lease.
fn routes(lab: &Lab<FabricDhcp>) -> String {
    assert!(
        lab.server
            .must("vlan 1001 enp2s1")
            .starts_with("10.0.1.10/")
    );
    lab.server.ip("route show")
}

#[test]
fn the_default_route_looks_as_networkd_would_have_set_it() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    let shown = lab.server.ip("route show");
    let expected = "default via 10.0.1.1 dev bond0.1001 proto dhcp src 10.0.1.10 metric 1024";
    assert!(
        shown.lines().any(|line| line.trim_end() == expected),
        "{shown}"
    );
}

/// RFC 3442: a client that takes classless routes ignores the router option.
#[test]
fn classless_routes_replace_the_router_option() {
    let lab = Lab::model(|subnet| {
        subnet.routes = vec![
            "9.9.9.9/32".parse().expect("a route"),
            "10.7.0.0/16".parse().expect("a route"),
        ];
    });
    let shown = routes(&lab);
    for expected in [
        "default via 10.0.1.1 dev enp2s1.1001 proto dhcp src 10.0.1.10 metric 1024",
        "9.9.9.9 via 10.0.1.1 dev enp2s1.1001 proto dhcp src 10.0.1.10 metric 1024",
        "10.7.0.0/16 via 10.0.1.1 dev enp2s1.1001 proto dhcp src 10.0.1.10 metric 1024",
    ] {
        assert!(
            shown.lines().any(|line| line.trim_end() == expected),
            "{expected}:\n{shown}"
        );
    }
}

/// A router option next to classless routes without a default is ignored.
#[test]
fn a_router_next_to_classless_routes_is_ignored() {
    use dhcproto::v4::DhcpOption;
    let lab = Lab::model(|subnet| {
        subnet.default_route = false;
        subnet.routes = vec!["9.9.9.9/32".parse().expect("a route")];
        subnet.options = vec![DhcpOption::Router(vec![subnet.gateway])];
    });
    let shown = routes(&lab);
    assert!(shown.contains("9.9.9.9 via 10.0.1.1 "), "{shown}");
    assert!(!shown.contains("default via"), "{shown}");
}

/// A lease without a router means no default route at all.
#[test]
fn without_a_router_there_is_no_default_route() {
    let lab = Lab::model(|subnet| subnet.default_route = false);
    let shown = routes(&lab);
    assert!(!shown.contains("default"), "{shown}");
    assert!(shown.contains("10.0.1.0/24 dev enp2s1.1001 "), "{shown}");
}

/// A gateway outside the subnet is first made reachable by a route of its own.
#[test]
fn a_gateway_outside_the_subnet_is_reached_over_the_link() {
    let lab = Lab::model(|subnet| subnet.gateway = "172.16.0.1".parse().expect("an address"));
    let shown = routes(&lab);
    let to_gateway = "172.16.0.1 dev enp2s1.1001 proto dhcp scope link src 10.0.1.10 metric 1024";
    assert!(
        shown.lines().any(|line| line.trim_end() == to_gateway),
        "{shown}"
    );
    assert!(
        shown.contains("default via 172.16.0.1 dev enp2s1.1001 proto dhcp "),
        "{shown}"
    );
}

/// L3 mode: a /32, a first lease of 10 s, a gateway beside it; the first
/// renewal, half-way, brings the real lease, and the address is never gone.
#[test]
fn l3_mode_gives_a_host_address_and_the_full_lease_by_renewal() {
    let lab = Lab::model(|subnet| (subnet.l3, subnet.lease) = (true, secs(1800)));
    assert_eq!(lab.server.must("vlan 1001 enp2s1"), "10.0.1.10/32\n");
    let shown = lab.server.ip("route show");
    assert!(
        shown.contains("10.0.1.1 dev enp2s1.1001 proto dhcp scope link src 10.0.1.10 "),
        "{shown}"
    );
    assert!(
        shown.contains("default via 10.0.1.1 dev enp2s1.1001 proto dhcp "),
        "{shown}"
    );
    wait::until("the full lease, without a gap", PATIENCE, || {
        assert_eq!(lab.server.addresses("enp2s1.1001"), ["10.0.1.10/32"]);
        lab.server.valid_lft("enp2s1.1001") > 1700
    });
    let [granted, renewed] = [Kind::Select, Kind::Renew].map(|kind| lab.dhcp.received(kind)[0].at);
    let after = (renewed - granted).as_secs_f64();
    assert!(
        (4.0..=6.5).contains(&after),
        "the first renewal came after {after:.2} s"
    );
}

/// L3 mode without a default route: the subnet is reached through the gateway.
#[test]
fn l3_mode_without_default_route_reaches_the_subnet_via_the_gateway() {
    let lab = Lab::model(|subnet| (subnet.l3, subnet.default_route) = (true, false));
    let shown = routes(&lab);
    assert!(shown.contains("10.0.1.0/24 via 10.0.1.1 "), "{shown}");
    assert!(!shown.contains("default"), "{shown}");
}
