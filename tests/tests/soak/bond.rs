// SPDX-License-Identifier: Apache-2.0
//! Bonds and VLANs, on kernels that have them.

use hhnet_tests::fabric::{Connection, Fabric};
use hhnet_tests::wait::{self, PATIENCE};

use crate::{again_and_again, from_environment};

/// How often a command is given.
const BONDS: &str = "HHNET_SOAK_BONDS";
const VLANS: &str = "HHNET_SOAK_VLANS";

/// What the kernel may keep for reasons of its own, in kB.
const GROWTH: i64 = 8 << 10;

fn cycle(connection: Connection, verb: &str, cycles: u32) {
    let fabric = Fabric::new();
    let dhcp = fabric.vpc(1001).dnsmasq(&[]);
    let server = fabric.server(connection);
    let grown = again_and_again(&server, verb, "10.0.1.10/24\n", cycles);
    assert!(grown < GROWTH, "the kernel has {grown} KB more");
    drop((server, dhcp));
    // A link goes with its machine, and with it its other end.
    wait::until("the kernel has let go of the machine", PATIENCE, || {
        let links = fabric.leaves[0].namespace().must("ip -o link show");
        !links.contains("s1p1")
    });
}

#[test]
fn cleanup_and_bond_leave_nothing() {
    let cycles = from_environment(BONDS, [5, 200]);
    cycle(
        Connection::Eslag,
        "bond 1001 layer2+3 enp2s1 enp2s2",
        cycles,
    );
}

#[test]
fn cleanup_and_vlan_leave_nothing() {
    let cycles = from_environment(VLANS, [2, 1000]);
    cycle(Connection::Unbundled, "vlan 1001 enp2s1", cycles);
}
