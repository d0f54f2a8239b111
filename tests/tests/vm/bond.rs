// SPDX-License-Identifier: Apache-2.0
//! `hhnet bond`.

use hhnet_tests::fabric::{Connection, Fabric};

/// The answer is the prefix alone.
#[test]
fn bond_prints_the_leased_prefix_and_nothing_else() {
    let fabric = Fabric::new();
    let _dhcp = fabric.vpc(1001).dnsmasq(&[]);
    let server = fabric.server(Connection::Eslag);
    assert_eq!(
        server.must("bond 1001 layer2+3 enp2s1 enp2s2"),
        "10.0.1.10/24\n"
    );
}
