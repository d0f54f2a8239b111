// SPDX-License-Identifier: Apache-2.0
//! `hhnet cleanup`, which gives the machine back to systemd, and what may be done with it
//! then.

use hhnet_tests::dhcp::Kind;
use hhnet_tests::fabric::Connection;
use hhnet_tests::machine::Machine;
use hhnet_tests::wait::{self, PATIENCE};

use dhcproto::v4::{DhcpOption, OptionCode};

use crate::{BOND, Lab, ON_BOND, ON_VLAN, VLAN, secs};

/// All bonds and VLANs go, whosever they are, and the global addresses of lo; what is
/// neither stays.
#[test]
fn cleanup_sweeps_everything_and_nothing_else() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.machine.hhnet(BOND);
    lab.machine.must(
        "ip link add bond9 type bond
         ip link add link enp2s3 name enp2s3.77 type vlan id 77
         ip addr add 10.0.5.1/32 dev lo
         ip addr add 2001:db8::1/128 dev lo
         ip addr add 10.9.9.9/24 dev enp2s3
         ip link add dummy0 type dummy",
    );
    // Networkd takes dummy devices for its own, and what is on them when it first sees them.
    wait::until("networkd knows dummy0", PATIENCE, || {
        lab.machine.is_managed("dummy0")
    });
    lab.machine.must("ip addr add 192.0.2.1/32 dev dummy0");
    assert_eq!(lab.machine.hhnet("cleanup"), "");
    assert_eq!(
        lab.machine
            .must("ls /run/systemd/network | grep -c hhnet || true"),
        "0\n"
    );
    assert_eq!(lab.machine.must("ip link | grep -c xdp || true"), "0\n");
    assert_eq!(lab.machine.must("ip -o addr show dev lo scope global"), "");
    wait::until("the agent has left", PATIENCE, || {
        lab.machine.hhnet_processes().is_empty()
    });
    let own = [
        "docker0", "dummy0", "enp2s0", "enp2s1", "enp2s2", "enp2s3", "lo",
    ];
    assert_eq!(lab.machine.links(), own);
    assert_eq!(lab.machine.addresses("lo"), ["127.0.0.1/8"]);
    assert_eq!(lab.machine.addresses("dummy0"), ["192.0.2.1/32"]);
    // As a restart of networkd would have it, without what else that does.
    lab.machine.expect_addresses("enp2s3", secs(5), &[]);
    wait::until("the ports are up", secs(5), || {
        ["enp2s1", "enp2s2", "enp2s3"]
            .iter()
            .all(|port| lab.machine.link(port, "operstate") == "up")
    });
    lab.machine.must("ip link del dummy0");
}

/// A VLAN of the same name, made by hand, is networkd's: it leases an address there, by
/// its own kind of identifier.
#[test]
fn after_cleanup_networkd_takes_over() {
    let lab = Lab::model(Connection::Unbundled, |_| ());
    lab.machine.hhnet(VLAN);
    lab.machine.hhnet("cleanup");
    lab.machine.must(&format!(
        "ip link add link enp2s1 name {ON_VLAN} type vlan id 1001"
    ));
    wait::until("networkd has leased", PATIENCE, || {
        lab.machine.setup(ON_VLAN) == "configured" && !lab.machine.addresses(ON_VLAN).is_empty()
    });
    let requests = lab.dhcp.received(Kind::Select);
    let last = requests.last().expect("networkd has asked");
    let identifier = last.message.opts().get(OptionCode::ClientIdentifier);
    let Some(DhcpOption::ClientIdentifier(identifier)) = identifier else {
        panic!("no identifier in {:?}", last.message);
    };
    assert_eq!(identifier[0], 255, "a DUID: {identifier:?}");
}

/// An agent that was killed leaves links, programs and files; cleanup finds them.
#[test]
fn cleanup_after_the_agent_was_killed() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.machine.hhnet(BOND);
    for pid in lab.machine.hhnet_processes() {
        lab.machine.must(&format!("kill -KILL {pid}"));
    }
    assert_eq!(lab.machine.addresses(ON_BOND), ["10.0.1.10/24"]);
    assert_eq!(lab.machine.hhnet("cleanup"), "");
    assert!(!lab.machine.links().contains(&"bond0".to_owned()));
}

/// What the fabric's tests set up by hand after cleanup stays: neither the agent, if there
/// still is one, nor networkd touches it.
#[test]
fn what_is_done_by_hand_after_cleanup_stays() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    lab.machine.hhnet(VLAN);
    lab.machine.ssh_must(
        "/opt/bin/hhnet cleanup &&
         sudo ip addr add 10.0.7.2/24 dev enp2s1 && sudo ip link set dev enp2s1 up &&
         sudo ip route add default via 10.0.7.1 &&
         sudo ip link add dummy0 type dummy && sudo ip addr add 10.0.8.1/32 dev dummy0",
    );
    // That of dummy0 is networkd's to remove, if it is late to look at the link.
    wait::throughout(secs(60), "the address is there", || {
        lab.machine.addresses("enp2s1") == ["10.0.7.2/24"]
    });
    let routes = lab.machine.must("ip route show");
    assert!(
        routes.contains("default via 10.0.7.1 dev enp2s1"),
        "{routes}"
    );
    lab.machine
        .must("ip link del dummy0; ip addr flush dev enp2s1 scope global");
}

/// A server that speaks BGP makes its VLAN itself, and relies on networkd to bring it up;
/// its address is on lo.
#[test]
fn a_server_with_bgp_has_its_own_vlan() {
    let machine = Machine::new();
    machine.hhnet("cleanup");
    machine.must(
        "ip l a link enp2s1 name enp2s1.1000 type vlan id 1000
         ip a a 10.0.5.1/32 dev lo",
    );
    wait::until("networkd has brought it up", PATIENCE, || {
        machine.link("enp2s1.1000", "operstate") == "up" && machine.is_managed("enp2s1.1000")
    });
    assert_eq!(machine.hhnet("getvips"), "10.0.5.1/32\n");
    wait::throughout(secs(3), "the VLAN is left alone", || {
        machine.link("enp2s1.1000", "operstate") == "up"
    });
}
