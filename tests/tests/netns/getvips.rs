// SPDX-License-Identifier: Apache-2.0
//! `hhnet getvips`.

use hhnet_tests::fabric::PointToPoint;

/// Global addresses of lo, IPv4 first, one per line; nothing if there is none.
/// No right is needed for that.
#[test]
fn getvips_lists_the_global_addresses_of_lo_for_any_user() {
    let lab = PointToPoint::new();
    assert_eq!(lab.server.must("getvips"), "");

    lab.server.ip("addr add 2001:db8::1/128 dev lo");
    lab.server.ip("addr add 10.0.5.1/32 dev lo");
    let expected = "10.0.5.1/32\n2001:db8::1/128\n";
    assert_eq!(lab.server.must("getvips"), expected);
    let as_nobody = lab
        .server
        .hhnet_as_nobody("getvips")
        .success("hhnet getvips");
    assert_eq!(as_nobody.stdout, expected);
}

/// Addresses of other links, and those of lo that are not global, are no VIPs.
#[test]
fn getvips_leaves_other_addresses_out() {
    let lab = PointToPoint::new();
    lab.server.ip("addr add 10.0.6.1/32 dev enp2s1");
    lab.server.ip("addr add 10.0.7.1/32 dev lo scope link");
    assert_eq!(lab.server.must("getvips"), "");
    lab.server.ip("addr del 10.0.6.1/32 dev enp2s1");
    lab.server.ip("addr del 10.0.7.1/32 dev lo");
}
