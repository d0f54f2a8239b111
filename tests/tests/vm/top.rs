// SPDX-License-Identifier: Apache-2.0
//! `hhnet top` on a bonded server.

use hhnet_tests::fabric::Connection;
use hhnet_tests::host::binary;
use hhnet_tests::process::Running;
use hhnet_tests::screen::Screen;

use crate::Lab;

/// Both members, what LACP made of them, how fast they are, and the flows.
#[test]
fn top_shows_a_bond_and_its_flows() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    let mut ping = lab.server.namespace().command("ping");
    let _traffic = Running::start(ping.args(["-c", "600", "-i", "0.1", "10.0.1.1"]));
    let screen = Screen::of_root(lab.server.namespace(), 80, 24);
    screen.run(&format!("{} top; echo status $?", binary().display()));
    screen.expect("both members and a flow with its VLAN", |text| {
        let has = |words: &[&str]| {
            let mut lines = text.lines();
            lines.any(|line| words.iter().all(|word| line.contains(word)))
        };
        has(&["enp2s1", "distributing", "%"])
            && has(&["enp2s2", "distributing", "%"])
            && has(&["k", "1001", "icmp 10.0.1.10 to 10.0.1.1"])
            && has(&["bond0.1001", "10.0.1.10/24", "BOUND"])
    });
    screen.press("1");
    screen.expect("the partner", |text| text.contains("0a:0a:0a:0a:0a:0a"));
    screen.press("q");
    screen.expect("the end", |text| text.contains("status 0"));
}
