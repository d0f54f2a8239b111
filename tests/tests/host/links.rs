// SPDX-License-Identifier: Apache-2.0
//! What hhnet makes of the machine's links, while udev and networkd look at them, too.

use hhnet_tests::capture::Capture;
use hhnet_tests::fabric::Connection;
use hhnet_tests::machine::Machine;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{BOND, Lab, ON_BOND, ON_VLAN, secs};

/// The bond is what a server's has to be, both ports are in it, the VLAN is on it.
#[test]
fn a_bond_has_what_the_kernel_shows_of_it() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.machine.hhnet(BOND);
    let bond = lab.machine.must("ip -d -o link show bond0");
    for part in [
        "bond mode 802.3ad miimon 100 ",
        " xmit_hash_policy layer2+3 ",
        " lacp_rate slow ",
        " min_links 0 ",
        "MASTER,UP",
    ] {
        assert!(bond.contains(part), "bond0 lacks \"{part}\": {bond}");
    }
    for port in ["enp2s1", "enp2s2"] {
        let shown = lab.machine.must(&format!("ip -o link show {port}"));
        assert!(
            shown.contains("SLAVE,UP") && shown.contains(" master bond0 "),
            "{shown}"
        );
    }
    let vlan = lab.machine.must(&format!("ip -d -o link show {ON_BOND}"));
    for part in [" bond0.1001@bond0: ", "vlan protocol 802.1Q id 1001", ",UP"] {
        assert!(vlan.contains(part), "the VLAN lacks \"{part}\": {vlan}");
    }
}

/// A jumbo MTU reaches all links and stays, wherever it stands on the command line.
#[test]
fn an_mtu_stays_on_bond_ports_and_vlan() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    for line in [
        "bond 1001 layer2+3 --mtu=9036 enp2s1 enp2s2",
        "bond 1001 layer2+3 enp2s1 enp2s2 --mtu=9036",
    ] {
        assert_eq!(lab.machine.hhnet(line), "10.0.1.10/24\n");
        let links = ["bond0", "enp2s1", "enp2s2", ON_BOND];
        wait::throughout(secs(5), "MTU 9036 on all links", || {
            links
                .iter()
                .all(|link| lab.machine.link(link, "mtu") == "9036")
        });
        lab.machine.hhnet("cleanup");
    }
}

/// Leases are keyed by MAC addresses; udev would give a bond one of its own.
#[test]
fn the_mac_of_the_bond_never_changes() {
    const ROUNDS: usize = 6;
    let lab = Lab::dnsmasq(Connection::Eslag);
    let first = lab.machine.link("enp2s1", "address");
    let shown = lab.machine.ssh_must(&format!(
        "for round in $(seq {ROUNDS}); do
           /opt/bin/hhnet cleanup && /opt/bin/hhnet {BOND} --xdp=off >/dev/null || exit
           cat /sys/class/net/bond0/address /sys/class/net/{ON_BOND}/address
         done"
    ));
    assert_eq!(shown, format!("{first}\n").repeat(2 * ROUNDS));
}

/// The port below a VLAN has its MTU, is up, and stays networkd's: it speaks LLDP.
#[test]
fn the_port_of_a_vlan_is_still_networkds() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let answer = lab.machine.hhnet("vlan 1001 enp2s1 --mtu=9036");
    assert_eq!(answer, "10.0.1.10/24\n");
    for link in ["enp2s1", ON_VLAN] {
        assert_eq!(lab.machine.link(link, "mtu"), "9036", "{link}");
        assert_eq!(lab.machine.link(link, "operstate"), "up", "{link}");
    }
    assert!(
        lab.machine.is_managed("enp2s1"),
        "{}",
        lab.machine.setup("enp2s1")
    );
    let leaf = lab.fabric.leaves[0].namespace();
    let lldp = Capture::start(leaf, "s1p1", "in", "ether proto 0x88cc");
    lldp.wait_for(secs(60), &["server-01"]);
}

/// A second VLAN joins the bond; its prefix alone is the answer, and the first one's lease
/// goes on as if nothing had happened.
#[test]
fn a_second_vlan_joins_the_bond() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    assert_eq!(lab.machine.hhnet(BOND), "10.0.1.10/24\n");
    let acks = lab.dhcp.acknowledged();
    assert_eq!(lab.machine.hhnet("vlan 1002 bond0"), "10.0.2.10/24\n");
    assert_eq!(lab.machine.addresses(ON_BOND), ["10.0.1.10/24"]);
    assert_eq!(lab.machine.addresses("bond0.1002"), ["10.0.2.10/24"]);
    assert_eq!(lab.dhcp.acknowledged(), acks);
    for gateway in ["10.0.1.1", "10.0.2.1"] {
        lab.machine.must(&format!("ping -c 1 -W 2 {gateway}"));
    }
}

/// Several VPCs on one port: a line for each, and all of them can be reached.
#[test]
fn a_port_is_a_trunk_of_vlans() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    let chain = "/opt/bin/hhnet vlan 1001 enp2s1 && /opt/bin/hhnet vlan 1002 enp2s1";
    assert_eq!(lab.machine.ssh_must(chain), "10.0.1.10/24\n10.0.2.10/24\n");
    let nothing_lost = |report: &str| report.contains(" 0% packet loss");
    for (own, vlan) in [("10.0.1.10", 1001), ("10.0.2.10", 1002)] {
        let vpc = lab.fabric.vpc(vlan);
        let report = lab.machine.must(&format!(
            "ping -q -i 0.2 -c 10 -W 2 -I {own} {}",
            vpc.gateway
        ));
        assert!(nothing_lost(&report), "{report}");
        let report = vpc
            .namespace()
            .must(&format!("ping -q -i 0.2 -c 10 -W 2 {own}"));
        assert!(nothing_lost(&report), "{report}");
    }
}

/// The fabric always sends an MTU, 9036: it counts as far as the port below has it, and no
/// further, whatever the command line has asked for.
#[test]
fn an_mtu_by_hand_and_one_by_the_server() {
    let lab = Lab::model(Connection::Eslag, |subnet| subnet.mtu = 9036);
    let links = ["bond0", "enp2s1", "enp2s2", ON_BOND];
    for (offered, flag, lower, upper) in [
        (9036, " --mtu=9036", "9036", "9036"),
        (9036, " --mtu=1500", "1500", "1500"),
        (9036, "", "1500", "1500"),
        (1400, " --mtu=9036", "9036", "1400"),
    ] {
        lab.dhcp.configure(|subnet| subnet.mtu = offered);
        let answer = lab.machine.hhnet(&format!("{BOND}{flag}"));
        assert_eq!(answer, "10.0.1.10/24\n");
        let shown = links.map(|link| lab.machine.link(link, "mtu"));
        assert_eq!(shown, [lower, lower, lower, upper], "{offered}{flag}");
        lab.machine.hhnet("cleanup");
    }
}

/// A routed port: an address, a default route, nothing of it after cleanup; again and
/// again.
#[test]
fn p2p_comes_and_goes() {
    let machine = Machine::new();
    for _ in 0..3 {
        let answer = machine.hhnet("p2p enp2s1 10.0.1.0/31 10.0.1.1");
        assert_eq!(answer, "10.0.1.0/31\n");
        let routes = machine.must("ip route show");
        assert!(
            routes.contains("default via 10.0.1.1 dev enp2s1"),
            "{routes}"
        );
        wait::throughout(secs(3), "the address is there", || {
            machine.addresses("enp2s1") == ["10.0.1.0/31"]
        });
        machine.hhnet("cleanup");
        machine.expect_addresses("enp2s1", PATIENCE, &[]);
        let routes = machine.must("ip route show");
        assert!(!routes.contains("default"), "{routes}");
    }
}
