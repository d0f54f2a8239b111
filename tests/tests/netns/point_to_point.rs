// SPDX-License-Identifier: Apache-2.0
//! `hhnet p2p`.

use hhnet_tests::fabric::PointToPoint;

/// The address and the default route are set, the address is printed, and
/// `cleanup` takes both away; as often as one likes.
#[test]
fn p2p_sets_address_and_default_route_and_cleanup_removes_them() {
    let lab = PointToPoint::new();
    for _ in 0..3 {
        assert_eq!(
            lab.server.must("p2p enp2s1 10.0.1.0/31 10.0.1.1"),
            "10.0.1.0/31\n"
        );
        assert_eq!(lab.server.addresses("enp2s1"), ["10.0.1.0/31"]);
        let routes = lab.server.ip("route show default");
        assert!(
            routes.starts_with("default via 10.0.1.1 dev enp2s1"),
            "{routes}"
        );
        lab.server.namespace().must("ping -c 1 -W 2 10.0.1.1");

        assert_eq!(lab.server.must("cleanup"), "");
        assert_eq!(lab.server.addresses("enp2s1"), [""; 0]);
        assert_eq!(lab.server.ip("route show default"), "");
    }
}

/// The port need not be up before.
#[test]
fn p2p_brings_the_port_up() {
    let lab = PointToPoint::new();
    lab.server.ip("link set enp2s1 down");
    assert_eq!(
        lab.server.must("p2p enp2s1 10.0.1.0/31 10.0.1.1"),
        "10.0.1.0/31\n"
    );
    lab.server.namespace().must("ping -c 1 -W 2 10.0.1.1");
}

/// A second time is a mistake, which changes nothing.
#[test]
fn p2p_on_an_address_that_is_there_already_is_refused() {
    let lab = PointToPoint::new();
    lab.server.must("p2p enp2s1 10.0.1.0/31 10.0.1.1");
    lab.server
        .refuses("p2p enp2s1 10.0.1.0/31 10.0.1.1", &["10.0.1.0/31"]);
}

/// The kernel drops routes of a link that is set down, and keeps its addresses.
#[test]
fn p2p_sets_a_route_again_that_has_been_lost() {
    let lab = PointToPoint::new();
    let line = "p2p enp2s1 10.0.1.0/31 10.0.1.1";
    lab.server.must(line);
    lab.server.ip("link set enp2s1 down");
    lab.server.ip("link set enp2s1 up");
    assert_eq!(lab.server.ip("route show default"), "");
    assert_eq!(lab.server.must(line), "10.0.1.0/31\n");
    let routes = lab.server.ip("route show default");
    assert!(routes.starts_with("default via 10.0.1.1"), "{routes}");
    assert_eq!(lab.server.addresses("enp2s1"), ["10.0.1.0/31"]);
}
