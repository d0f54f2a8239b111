// SPDX-License-Identifier: Apache-2.0
//! `hhnet cleanup` where there are no bonds and VLANs to sweep.

use std::time::Duration;

use hhnet_tests::fabric::PointToPoint;

/// On a clean machine it does nothing, quickly, as often as one likes.
#[test]
fn cleanup_of_a_clean_machine_changes_nothing() {
    let lab = PointToPoint::new();
    let before = lab.server.snapshot();
    for _ in 0..2 {
        let output = lab.server.hhnet("cleanup").success("hhnet cleanup");
        assert_eq!(output.stdout, "");
        assert!(output.took < Duration::from_secs(5), "{:?}", output.took);
    }
    lab.server.expect_unchanged(&before);
}

/// All global addresses of lo go; what the kernel put there stays, and so do
/// the addresses of physical ports that hhnet has not set.
#[test]
fn cleanup_removes_the_global_addresses_of_lo_and_only_those() {
    let lab = PointToPoint::new();
    lab.server.ip("addr add 192.0.2.1/24 dev enp2s1");
    let before = lab.server.snapshot();
    lab.server.ip("addr add 10.0.5.1/32 dev lo");
    lab.server.ip("addr add 2001:db8::1/128 dev lo");
    assert_eq!(lab.server.must("cleanup"), "");
    lab.server.expect_unchanged(&before);
    lab.server.ip("addr del 192.0.2.1/24 dev enp2s1");
}
