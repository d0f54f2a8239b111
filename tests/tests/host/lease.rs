// SPDX-License-Identifier: Apache-2.0
//! What the fabric's tests check right after hhnet has answered, in their own words.

use hhnet_tests::dhcp::Subnet;
use hhnet_tests::fabric::Connection;

use crate::{BOND, Lab, ON_BOND, ON_VLAN, VLAN, parse, secs};

/// What the fabric's tests take for the end points of a server: its addresses, in their own
/// words. There is none but the management port's, docker's, and the one of the answer.
#[test]
fn the_end_points_are_those_of_the_answer() {
    let lab = Lab::model(Connection::Eslag, |_| ());
    let end_points = || {
        let shown = lab
            .machine
            .ssh_must("ip -o -4 addr show | awk '{print $2, $4}'");
        let foreign = ["lo ", "enp2s0 ", "docker0 "];
        let lines = shown.lines().map(str::to_owned);
        let lines = lines.filter(|line| !foreign.iter().any(|name| line.starts_with(name)));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(end_points(), Vec::<String>::new());
    let answer = lab.machine.hhnet(BOND);
    assert_eq!(end_points(), [format!("{ON_BOND} {}", answer.trim())]);
    lab.machine.hhnet("cleanup");
    assert_eq!(end_points(), Vec::<String>::new());
}

/// A subnet with everything that a lease can bring.
fn full(subnet: &mut Subnet) {
    subnet.lease = secs(1800);
    subnet.dns = vec![parse("1.1.1.1")];
    subnet.ntp = vec![parse("1.1.1.1")];
    subnet.mtu = 1400;
    subnet.routes = vec![parse("9.9.9.9/32")];
}

/// All of it is in force when the answer is there: nothing waits, nothing is repeated.
#[test]
fn everything_is_in_force_when_the_answer_is_there() {
    let lab = Lab::model(Connection::Eslag, full);
    let proto = if lab.machine.ip_knows_protocols() {
        " proto 4"
    } else {
        ""
    };
    let shown = lab.machine.ssh_must(&format!(
        "/opt/bin/hhnet {BOND} || exit
         echo DNS; grep \"nameserver 1.1.1.1\" /etc/resolv.conf
         echo NTP; timedatectl show-timesync | grep 1.1.1.1
         echo MTU; ip link show dev {ON_BOND} | grep \"mtu 1400\"
         echo LEASE; ip addr show dev {ON_BOND}{proto} | grep valid_lft | head -n 1
         echo ROUTES; ip route show"
    ));
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
    let left: u64 = parse(left.unwrap_or_else(|| panic!("{shown}")));
    assert!((1680..=1800).contains(&left), "{shown}");
    for route in [
        "default via 10.0.1.1 dev bond0.1001 proto dhcp src 10.0.1.10 metric 1024",
        "9.9.9.9 via 10.0.1.1 ",
    ] {
        assert!(shown.contains(route), "no {route}: {shown}");
    }
}

/// The address is as networkd would have set it: metric, broadcast address, lifetime, and
/// no word about who has set it.
#[test]
fn the_address_looks_as_networkds() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.machine.hhnet(BOND);
    let shown = lab.machine.must(&format!("ip addr show dev {ON_BOND}"));
    let expected = "inet 10.0.1.10/24 metric 1024 brd 10.0.1.255 scope global dynamic bond0.1001";
    assert!(shown.lines().any(|line| line.trim() == expected), "{shown}");
    let left = lab.machine.lifetime(ON_BOND);
    assert!(
        left.is_some_and(|left| left <= 86_400 && left > 86_400 - 20),
        "{left:?}"
    );
}

/// The fabric's default MTU is larger than the port's: the VLAN keeps what it can have.
#[test]
fn an_mtu_that_the_port_does_not_have_is_no_failure() {
    let lab = Lab::model(Connection::Unbundled, |subnet| subnet.mtu = 9036);
    assert_eq!(lab.machine.hhnet(VLAN), "10.0.1.10/24\n");
    for link in ["enp2s1", ON_VLAN] {
        assert_eq!(lab.machine.link(link, "mtu"), "1500", "{link}");
    }
    let log = lab.machine.ssh_must("cat /var/log/hhnet.log");
    assert!(log.contains("9036"), "{log}");
}

/// In L3 mode the address is a host's, and the gateway is reached over the link.
#[test]
fn l3_mode_has_a_route_to_the_gateway() {
    let lab = Lab::model(Connection::Eslag, |subnet| {
        full(subnet);
        subnet.l3 = true;
    });
    assert_eq!(lab.machine.hhnet(BOND), "10.0.1.10/32\n");
    let routes = lab.machine.must("ip route show");
    for route in [
        "10.0.1.1 dev bond0.1001 proto dhcp scope link ",
        "default via 10.0.1.1 dev bond0.1001 proto dhcp ",
        "9.9.9.9 via 10.0.1.1 ",
    ] {
        assert!(routes.contains(route), "no {route}: {routes}");
    }
}

/// Where the gateway is no default route, it leads to the rest of the subnet.
#[test]
fn l3_mode_without_a_default_route_reaches_the_subnet() {
    let lab = Lab::model(Connection::Unbundled, |subnet| {
        full(subnet);
        subnet.l3 = true;
        subnet.default_route = false;
    });
    assert_eq!(lab.machine.hhnet(VLAN), "10.0.1.10/32\n");
    let routes = lab.machine.must("ip route show");
    assert!(!routes.contains("default"), "{routes}");
    for route in ["10.0.1.0/24 via 10.0.1.1 ", "9.9.9.9 via 10.0.1.1 "] {
        assert!(routes.contains(route), "no {route}: {routes}");
    }
}
