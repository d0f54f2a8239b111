// SPDX-License-Identifier: Apache-2.0
//! A leaf's port that is opened late, as one is that waits for LACP in vain: the fabric's
//! own test gives hhnet twenty seconds, all in all.

use std::time::Instant;

use hhnet_tests::fabric::Connection;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{Lab, ON_VLAN, secs};

/// How long after its link has come up the port is opened.
const FALLBACK: u64 = 12;

/// In the words of the fabric's test.
const ATTEMPT: &str = "/opt/bin/hhnet cleanup >/dev/null 2>&1 || true; \
                       timeout 20 /opt/bin/hhnet vlan 1001 enp2s1";

#[test]
fn twenty_seconds_are_enough_for_a_port_that_opens_after_twelve() {
    let lab = Lab::model(Connection::Unbundled, |_| ());
    let leaf = &lab.fabric.leaves[0];
    for _ in 0..3 {
        leaf.close(1, 1);
        lab.machine.ssh_must("/opt/bin/hhnet cleanup");
        let mut attempt = lab.machine.ssh_start(ATTEMPT);
        wait::until("the VLAN is there", PATIENCE, || {
            lab.machine.link(ON_VLAN, "operstate") == "up"
        });
        let began = Instant::now();
        wait::until("the fallback", secs(FALLBACK + 1), || {
            began.elapsed() >= secs(FALLBACK)
        });
        leaf.open(1, 1);
        assert!(attempt.wait(PATIENCE).success(), "{}", attempt.stderr());
        wait::until("the answer", secs(2), || {
            attempt.stdout() == "10.0.1.10/24\n"
        });
        let took = began.elapsed() - secs(FALLBACK);
        assert!(took < secs(5), "{took:?} after the port was opened");
    }
}
