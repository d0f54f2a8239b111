// SPDX-License-Identifier: Apache-2.0
//! `hhnet cleanup` from any state.

use hhnet_tests::fabric::Connection;

use crate::Lab;

/// All bonds and VLANs go, whoever made them, and all global addresses of lo;
/// other links and their addresses stay.
#[test]
fn cleanup_sweeps_bonds_vlans_and_vips_and_nothing_else() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let server = &lab.server;
    server.ip("link add dummy0 type dummy");
    server.owns("dummy0");
    server.ip("addr add 192.0.2.1/32 dev dummy0");
    let before = server.snapshot();

    server.must("vlan 1001 enp2s1");
    server.namespace().ip_batch(
        "link add bond9 type bond mode active-backup
         link add link enp2s1 name enp2s1.77 type vlan id 77
         link add link bond9 name inner type vlan id 78
         link add link enp2s1.77 name nested type vlan id 79
         link set enp2s1.77 up
         addr add 10.0.77.1/24 dev enp2s1.77
         addr add 10.0.5.1/32 dev lo
         addr add 2001:db8::1/128 dev lo",
    );
    assert_eq!(server.must("cleanup"), "");
    server.expect_unchanged(&before);
    server.ip("link del dummy0");
}

/// Twice in a row, after a bond: the second time there is nothing to do.
#[test]
fn cleanup_gives_the_machine_back_as_it_was() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let before = lab.server.snapshot();
    lab.server
        .must("bond 1001 layer2+3 enp2s1 enp2s2 --mtu=9036");
    for _ in 0..2 {
        assert_eq!(lab.server.must("cleanup"), "");
        lab.server.expect_unchanged(&before);
    }
}

/// Someone has deleted what hhnet made: there is less to do, and no error.
#[test]
fn cleanup_works_after_the_links_were_deleted_by_hand() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    lab.server.ip("link del bond0");
    assert_eq!(lab.server.must("cleanup"), "");
    assert_eq!(
        lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2"),
        "10.0.1.10/24\n"
    );
}

/// The same with only the VLAN gone, on which the lease was.
#[test]
fn cleanup_works_after_the_vlan_was_deleted_by_hand() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    lab.server.must("vlan 1001 enp2s1");
    lab.server.ip("link del enp2s1.1001");
    assert_eq!(lab.server.must("cleanup"), "");
    assert_eq!(lab.server.must("vlan 1001 enp2s1"), "10.0.1.10/24\n");
}
