// SPDX-License-Identifier: Apache-2.0
//! `networkctl reconfigure`: by this the fabric's tests have a lease renewed, so that it is
//! an order to hhnet although networkd gets it.

use std::thread;
use std::time::Instant;

use hhnet_tests::dhcp::Kind;
use hhnet_tests::fabric::Connection;
use hhnet_tests::machine::Machine;
use hhnet_tests::monitor::{Event, Monitor};
use hhnet_tests::wait::{self, PATIENCE};

use crate::{BOND, Lab, ON_BOND, ON_VLAN, VLAN, parse, secs};

/// Waits until networkd is done with a link: only from then on to configure it once more
/// is an order of somebody's.
fn settle(machine: &Machine, link: &str) {
    wait::until("networkd is done", PATIENCE, || {
        machine.setup(link) == "configured"
    });
}

/// The lease is dropped at once and asked for anew at once, each time.
#[test]
fn reconfigure_starts_the_lease_anew() {
    let lab = Lab::model(Connection::Eslag, |_| ());
    lab.machine.hhnet(BOND);
    for _ in 0..5 {
        settle(&lab.machine, ON_BOND);
        let monitor = Monitor::of(lab.machine.namespace());
        let began = Instant::now();
        lab.machine
            .must(&format!("networkctl reconfigure {ON_BOND}"));
        wait::until("the address is dropped", PATIENCE, || {
            !monitor.losses().is_empty()
        });
        let discover = lab.wait_for(Kind::Discover, began, PATIENCE);
        assert!(discover.message.ciaddr().is_unspecified());
        lab.machine
            .expect_addresses(ON_BOND, PATIENCE, &["10.0.1.10/24"]);
        let address = std::net::Ipv4Addr::new(10, 0, 1, 10);
        let events = monitor.events();
        let of_address: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                Event::AddressGone(a) if *a == address => Some("gone"),
                Event::AddressSet(a, _) if *a == address => Some("set"),
                _ => None,
            })
            .collect();
        assert_eq!(of_address[..2], ["gone", "set"], "{events:?}");
    }
}

/// The address that a test looks for, in its own words.
fn address_of(machine: &Machine, link: &str) -> String {
    let proto = if machine.ip_knows_protocols() {
        " proto 4"
    } else {
        " scope global"
    };
    let line = format!(
        "ip addr show dev {link}{proto} | grep 'inet ' | awk '{{print $2}}' | cut -d'/' -f1"
    );
    machine.ssh_must(&line).trim().to_owned()
}

/// The fabric's own test of static leases: one within the pool, one outside of it, none
/// again; each is there five seconds after the order.
#[test]
fn the_static_lease_test() {
    let lab = Lab::model(Connection::Eslag, |_| ());
    lab.machine.hhnet(BOND);
    let mac = lab.machine.ssh_must(&format!(
        "ip link show {ON_BOND} | grep -o 'link/ether [0-9a-f:]*' | awk '{{print $2}}'"
    ));
    let bytes = mac
        .trim()
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16));
    let bytes: Vec<u8> = bytes.collect::<Result<_, _>>().expect("a MAC address");
    let mac: [u8; 6] = bytes.try_into().expect("six bytes");
    let reconfigured = || {
        settle(&lab.machine, ON_BOND);
        lab.machine
            .ssh_must(&format!("sudo networkctl reconfigure {ON_BOND}"));
        thread::sleep(secs(5));
        address_of(&lab.machine, ON_BOND)
    };
    for address in ["10.0.1.77", "10.0.1.222"] {
        lab.dhcp.configure(|subnet| {
            subnet.fixed.insert(mac, parse(address));
        });
        assert_eq!(reconfigured(), address);
    }
    lab.dhcp.configure(|subnet| subnet.fixed.clear());
    let dynamic: std::net::Ipv4Addr = parse(&reconfigured());
    assert!((10..=99).contains(&dynamic.octets()[3]), "{dynamic}");
}

/// What a lease brings comes again with the next one, changed or not.
#[test]
fn reconfigure_brings_new_settings() {
    let lab = Lab::model(Connection::Unbundled, |subnet| {
        subnet.dns = vec![parse("1.1.1.1")];
        subnet.ntp = subnet.dns.clone();
        subnet.mtu = 1400;
    });
    lab.machine.hhnet(VLAN);
    lab.dhcp.configure(|subnet| {
        subnet.dns = vec![parse("1.0.0.1")];
        subnet.ntp = subnet.dns.clone();
        subnet.mtu = 1300;
        subnet.routes = vec![parse("9.9.9.9/32")];
    });
    settle(&lab.machine, ON_VLAN);
    lab.machine
        .ssh_must(&format!("sudo networkctl reconfigure {ON_VLAN}"));
    wait::until("the new settings are in force", PATIENCE, || {
        let names = lab.machine.read("/etc/resolv.conf");
        let times = lab.machine.root("timedatectl show-timesync").stdout;
        let routes = lab.machine.must("ip route show");
        names.contains("nameserver 1.0.0.1")
            && !names.contains("1.1.1.1")
            && times.contains("NTPServers=1.0.0.1")
            && lab.machine.link(ON_VLAN, "mtu") == "1300"
            && routes.contains("9.9.9.9 via 10.0.1.1 ")
    });
}

/// While the link is down nothing is asked and nothing set; brought up and reconfigured,
/// it has a lease again.
#[test]
fn a_flushed_link_that_is_down_stays_empty() {
    let lab = Lab::model(Connection::Eslag, |_| ());
    lab.machine.hhnet(BOND);
    lab.machine.ssh_must(&format!(
        "sudo ip addr flush dev {ON_BOND} && sudo ip link set {ON_BOND} down"
    ));
    let down = Instant::now();
    wait::throughout(secs(5), "the link has no address", || {
        lab.machine.addresses(ON_BOND).is_empty()
    });
    // What was on its way when the link went down is no sign of life.
    let requests = lab.dhcp.requests().into_iter();
    let late = requests.filter(|request| request.at > down + secs(1));
    assert_eq!(late.count(), 0, "hhnet is not quiet");
    lab.machine.must(&format!(
        "ip link set {ON_BOND} up && networkctl reconfigure {ON_BOND}"
    ));
    lab.machine
        .expect_addresses(ON_BOND, PATIENCE, &["10.0.1.10/24"]);
}
