// SPDX-License-Identifier: Apache-2.0
//! What of LACP is in the log: each change once.

use hhnet_tests::fabric::Connection;
use hhnet_tests::host::Host;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{Lab, secs};

const BOND: &str = "bond 1001 layer2+3 enp2s1 enp2s2";

/// How often the log has said something of a port.
fn said(server: &Host, port: &str, what: &str) -> usize {
    let line = format!(" {port}: {what}");
    server.log().lines().filter(|l| l.contains(&line)).count()
}

#[track_caller]
fn wait_for(server: &Host, port: &str, what: &str, times: usize) {
    wait::until(&format!("{port}: {what}"), PATIENCE, || {
        said(server, port, what) >= times
    });
}

/// A member comes, loses its link and has it back, and gets another partner.
#[test]
fn log_has_what_became_of_members() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must(BOND);
    let expect = |port: &str, what: &str, times: usize| {
        assert_eq!(
            said(&lab.server, port, what),
            times,
            "{port}: {what}\n{}",
            lab.server.log()
        );
    };
    for port in ["enp2s1", "enp2s2"] {
        wait_for(&lab.server, port, "collecting and distributing", 1);
        wait_for(&lab.server, port, "LACP partner is ", 1);
    }
    lab.fabric.leaves[1].cut(1, 2);
    wait_for(&lab.server, "enp2s2", "link is lost", 1);
    wait_for(
        &lab.server,
        "enp2s2",
        "no longer collecting and distributing",
        1,
    );
    lab.fabric.leaves[1].mend(1, 2);
    wait_for(&lab.server, "enp2s2", "link is up", 1);
    wait_for(&lab.server, "enp2s2", "collecting and distributing", 2);
    for what in [
        "link is lost",
        "link is up",
        "no longer collecting and distributing",
    ] {
        expect("enp2s2", what, 1);
        expect("enp2s1", what, 0);
    }
    expect("enp2s1", "collecting and distributing", 1);
    expect("enp2s1", "LACP partner is ", 1);

    lab.fabric.leaves[0].rename(1, "0a:0a:0a:0a:0a:0b");
    wait_for(
        &lab.server,
        "enp2s1",
        "LACP partner is 0a:0a:0a:0a:0a:0b, no longer 0a:0a:0a:0a:0a:0a",
        1,
    );
}

/// A port that LACP cannot bring in is told of after the minute that the standard gives it.
#[test]
fn log_has_a_member_that_churns() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.fabric.leaves[1].unbundle(1, 2);
    lab.server.must(BOND);
    wait::until("enp2s2 churns", secs(100), || {
        said(&lab.server, "enp2s2", "churned") > 0
    });
    assert_eq!(
        said(&lab.server, "enp2s2", "churned"),
        1,
        "{}",
        lab.server.log()
    );
    assert_eq!(said(&lab.server, "enp2s1", "churned"), 0);
}
