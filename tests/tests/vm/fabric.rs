// SPDX-License-Identifier: Apache-2.0
//! The fabric itself, with a server that is set up by hand: what fails here is
//! no fault of hhnet.

use hhnet_tests::fabric::Connection;
use hhnet_tests::wait::{self, PATIENCE};

use crate::Lab;

/// Both leaves are one LACP partner, and the gateway is behind them.
#[test]
fn the_leaves_are_one_lacp_partner_of_a_bond_made_by_hand() {
    let lab = Lab::without_dhcp(Connection::Eslag);
    let server = &lab.server;
    server.namespace().ip_batch(
        "link set enp2s1 down
         link set enp2s2 down
         link add bond0 type bond mode 802.3ad miimon 100
         link set enp2s1 master bond0
         link set enp2s2 master bond0
         link set bond0 up
         link add link bond0 name bond0.1001 type vlan id 1001
         addr add 10.0.1.200/24 dev bond0.1001
         link set bond0.1001 up",
    );
    wait::until("both ports aggregate with one partner", PATIENCE, || {
        let bond = server.ip("-d -o link show bond0");
        bond.contains("ad_num_ports 2 ") && bond.contains("ad_partner_mac 0a:0a:0a:0a:0a:0a ")
    });
    wait::until("the gateway answers", PATIENCE, || {
        server.run("ping -c 1 -W 1 10.0.1.1").ok()
    });
    server.namespace().ip_batch(
        "link del bond0
         link set enp2s1 up
         link set enp2s2 up",
    );
}

/// A plain port carries both VLANs.
#[test]
fn an_unbundled_port_carries_both_vlans() {
    let lab = Lab::without_dhcp(Connection::Unbundled);
    for (vlan, gateway) in hhnet_tests::fabric::VPCS {
        let [a, b, c, _] = gateway.octets();
        lab.server.namespace().ip_batch(&format!(
            "link add link enp2s1 name by-hand type vlan id {vlan}
             addr add {a}.{b}.{c}.200/24 dev by-hand
             link set by-hand up"
        ));
        lab.server
            .namespace()
            .must(&format!("ping -c 1 -W 2 {gateway}"));
        lab.server.ip("link del by-hand");
    }
}
