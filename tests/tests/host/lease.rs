// SPDX-License-Identifier: Apache-2.0
//! What the fabric's tests check right after hhnet has answered, in their own words.

use std::time::Duration;

use hhnet_tests::fabric::Connection;

use crate::Lab;

/// All of it is in force when the answer is there: nothing waits, nothing is repeated.
#[test]
fn everything_is_in_force_when_the_answer_is_there() {
    let lab = Lab::model(Connection::Eslag, |subnet| {
        subnet.lease = Duration::from_secs(1800);
        subnet.dns = vec!["1.1.1.1".parse().expect("an address")];
        subnet.ntp = subnet.dns.clone();
        subnet.mtu = 1400;
        subnet.routes = vec!["9.9.9.9/32".parse().expect("a route")];
    });
    let shown = lab.machine.ssh(
        "/opt/bin/hhnet bond 1001 layer2+3 enp2s1 enp2s2 || exit
         echo DNS; grep \"nameserver 1.1.1.1\" /etc/resolv.conf
         echo NTP; timedatectl show-timesync | grep 1.1.1.1
         echo MTU; ip link show dev bond0.1001 | grep \"mtu 1400\"
         echo LEASE; ip addr show dev bond0.1001 | grep valid_lft | head -n 1
         echo ROUTES; ip route show",
    );
    let shown = shown.success("hhnet bond").stdout;
    let after = |word: &str| {
        let mut lines = shown.lines().skip_while(|line| *line != word).skip(1);
        lines.next().unwrap_or_default().to_owned()
    };
    assert_eq!(shown.lines().next(), Some("10.0.1.10/24"), "{shown}");
    assert_eq!(after("DNS"), "nameserver 1.1.1.1", "{shown}");
    assert!(after("NTP").contains("1.1.1.1"), "{shown}");
    assert!(after("MTU").contains("mtu 1400"), "{shown}");
    let left = after("LEASE");
    let left = left
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.strip_suffix("sec"));
    let left: u64 = left
        .and_then(|n| n.parse().ok())
        .unwrap_or_else(|| panic!("{shown}"));
    assert!((1680..=1800).contains(&left), "{shown}");
    for route in ["default via ", "9.9.9.9 via 10.0.1.1 "] {
        assert!(shown.contains(route), "no {route}: {shown}");
    }
}
