// SPDX-License-Identifier: Apache-2.0
//! What an agent with a bond may do, on each kernel.

use hhnet_tests::fabric::Connection;
use hhnet_tests::privileges::expect_reduced;
use hhnet_tests::wait;
use hhnet_tests::xdp;

use crate::{Lab, secs};

/// It is as much as everywhere, and enough for a bond, its VLAN, LACP, programs, and to
/// take all that back. What somebody else holds on a port goes by the command.
#[test]
fn an_agent_with_a_bond_keeps_what_is_documented_and_needs_no_more() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let server = &lab.server;
    let held = xdp::hold_foreign_program(server.namespace(), "enp2s2");
    let line = "bond 1001 layer2+3 enp2s1 enp2s2";
    assert_eq!(server.must(line), "10.0.1.10/24\n");
    let [agent] = &server.hhnet_processes()[..] else {
        panic!("one agent: {:?}", server.hhnet_processes())
    };
    expect_reduced(agent.pid);
    // From /proc/net/bonding, which tells those alone who may administer the network.
    wait::until("each member has a partner", secs(10), || {
        let metrics = server.must("metrics");
        let members = metrics
            .lines()
            .filter(|l| l.starts_with("hhnet_member_info{"));
        members.filter(|l| l.contains("partner=\"0a:0a:")).count() == 2
    });
    let said = server.hhnet("cleanup").success("hhnet cleanup").stderr;
    assert_eq!(said, "");
    let links = server.ip("-d -o link show");
    assert!(!links.contains("prog/xdp"), "{links}");
    drop(held);
}
