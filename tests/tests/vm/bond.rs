// SPDX-License-Identifier: Apache-2.0
//! `hhnet bond`: the state of the links.

use std::time::Instant;

use hhnet_tests::fabric::{Connection, Fabric};
use hhnet_tests::host::Host;
use hhnet_tests::process::Running;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{Lab, secs};

/// The MTU of a link.
fn mtu(server: &Host, link: &str) -> u64 {
    let links = server.ip_json(&format!("link show dev {link}"));
    links[0]["mtu"].as_u64().expect("a link has an MTU")
}

/// The MAC of a link.
fn mac(server: &Host, link: &str) -> String {
    let links = server.ip_json(&format!("link show dev {link}"));
    links[0]["address"]
        .as_str()
        .expect("a link has a MAC")
        .to_owned()
}

/// The answer is the prefix alone, however much hhnet is asked to log.
#[test]
fn bond_prints_the_leased_prefix_and_nothing_else() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let mut command = lab.server.hhnet_command("bond 1001 layer2+3 enp2s1 enp2s2");
    command.env("RUST_LOG", "trace");
    let output = hhnet_tests::process::run(&mut command, secs(60)).success("hhnet bond");
    assert_eq!(output.stdout, "10.0.1.10/24\n");
}

/// An 802.3ad bond with a miimon of 100 ms and the kernel's defaults
/// otherwise, both ports in it, and a VLAN on it; all of them up.
#[test]
fn bond_makes_the_links_as_the_kernel_documents_them() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    let bond = lab.server.ip("-d -o link show bond0");
    let expected = [
        "bond mode 802.3ad miimon 100 ",
        " updelay 0 ",
        " downdelay 0 ",
        " xmit_hash_policy layer2+3 ",
        " lacp_active on ",
        " lacp_rate slow ",
        " min_links 0 ",
        " ad_select stable ",
        "MASTER,UP",
    ];
    for part in expected {
        assert!(bond.contains(part), "bond0 lacks \"{part}\": {bond}");
    }
    for port in ["enp2s1", "enp2s2"] {
        let shown = lab.server.ip(&format!("-o link show {port}"));
        assert!(
            shown.contains("SLAVE,UP") && shown.contains(" master bond0 "),
            "{shown}"
        );
    }
    let vlan = lab.server.ip("-d -o link show bond0.1001");
    for part in [" bond0.1001@bond0: ", "vlan protocol 802.1Q id 1001", ",UP"] {
        assert!(vlan.contains(part), "the VLAN lacks \"{part}\": {vlan}");
    }
}

/// Each policy of the harness arrives in the kernel.
#[test]
fn each_hash_policy_reaches_the_kernel() {
    let lab = Lab::dnsmasq(Connection::Bundled);
    for policy in [
        "layer2",
        "layer2+3",
        "layer3+4",
        "encap2+3",
        "encap3+4",
        "vlan+srcmac",
    ] {
        assert_eq!(
            lab.server
                .must(&format!("bond 1001 {policy} enp2s1 enp2s2")),
            "10.0.1.10/24\n"
        );
        let file = "/sys/class/net/bond0/bonding/xmit_hash_policy";
        let shown = lab
            .server
            .namespace()
            .read(file)
            .expect("bond0 has a policy");
        assert_eq!(shown.split_whitespace().next(), Some(policy), "{shown}");
        lab.server.must("cleanup");
    }
}

/// Ports that are down before are used as well as those that are up.
#[test]
fn bond_takes_ports_that_are_up_and_ports_that_are_down() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.ip("link set enp2s2 down");
    assert_eq!(
        lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2"),
        "10.0.1.10/24\n"
    );
    let members = lab.server.ip_json("link show master bond0");
    assert_eq!(members.len(), 2);
}

#[test]
fn bond_of_one_port_works() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    assert_eq!(
        lab.server.must("bond 1001 layer3+4 enp2s1"),
        "10.0.1.10/24\n"
    );
    reaches_gateway(&lab.server);
}

/// `--mtu` may stand before or after the ports, reaches all links and stays.
#[test]
fn mtu_reaches_bond_members_and_vlan_wherever_it_stands() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let lines = [
        "bond 1001 layer2+3 --mtu=9036 enp2s1 enp2s2",
        "bond 1001 layer2+3 enp2s1 enp2s2 --mtu=9036",
    ];
    for line in lines {
        assert_eq!(lab.server.must(line), "10.0.1.10/24\n");
        let links = ["bond0", "enp2s1", "enp2s2", "bond0.1001"];
        wait::throughout(secs(5), "MTU 9036 on all links", || {
            links.iter().all(|link| mtu(&lab.server, link) == 9036)
        });
        lab.server.must("cleanup");
    }
}

/// The fabric keys leases by MAC: it must be the same at each start.
#[test]
fn the_mac_of_bond0_never_changes() {
    let lab = Lab::dnsmasq(Connection::Bundled);
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    let first = mac(&lab.server, "bond0");
    assert_eq!(mac(&lab.server, "bond0.1001"), first);
    for _ in 1..20 {
        lab.server.must("cleanup");
        lab.server
            .must("bond 1001 layer2+3 enp2s1 enp2s2 --xdp=off");
        assert_eq!(mac(&lab.server, "bond0"), first);
    }
}

/// A machine with the same ports is the same machine, as after a reboot.
#[test]
fn the_mac_of_bond0_follows_from_the_ports() {
    let macs = [(), ()].map(|()| {
        let lab = Lab::dnsmasq(Connection::Bundled);
        lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
        mac(&lab.server, "bond0")
    });
    assert_eq!(macs[0], macs[1]);
}

/// A second VLAN joins the bond without disturbing the first.
#[test]
fn a_second_vlan_on_bond0_leaves_the_first_alone() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    assert_eq!(
        lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2"),
        "10.0.1.10/24\n"
    );
    let acks = lab.dhcp.acknowledged();
    assert_eq!(lab.server.must("vlan 1002 bond0"), "10.0.2.10/24\n");
    assert_eq!(lab.server.addresses("bond0.1001"), ["10.0.1.10/24"]);
    assert_eq!(lab.server.addresses("bond0.1002"), ["10.0.2.10/24"]);
    assert_eq!(lab.dhcp.acknowledged(), acks);
    for gateway in ["10.0.1.1", "10.0.2.1"] {
        lab.server
            .namespace()
            .must(&format!("ping -c 1 -W 2 {gateway}"));
    }
}

/// One leaf may go: the other carries the traffic, and LACP takes the port
/// back when the leaf returns.
#[test]
fn bond_survives_the_loss_of_a_leaf() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    for leaf in [0, 1] {
        let nic = leaf as u8 + 1;
        lab.fabric.leaves[leaf].cut(1, nic);
        reaches_gateway(&lab.server);
        lab.fabric.leaves[leaf].mend(1, nic);
        wait::until("both ports collecting and distributing", PATIENCE, || {
            aggregated(&lab.server) == 2
        });
    }
}

/// Real leaves pass nothing until LACP has aggregated the port: what is asked
/// before is lost, and asked again soon.
#[test]
fn bond_gets_its_lease_soon_after_lacp_has_opened_the_ports() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.fabric.leaves.iter().for_each(|leaf| leaf.isolate(1));
    let line = "bond 1001 layer2+3 enp2s1 enp2s2 --xdp=off";
    let mut bond = Running::start(&mut lab.server.hhnet_command(line));
    lab.fabric.await_lacp();
    lab.fabric.leaves.iter().for_each(|leaf| leaf.admit(1));
    let opened = Instant::now();
    assert!(bond.wait(PATIENCE).success(), "{}", bond.stderr());
    assert_eq!(bond.stdout(), "10.0.1.10/24\n");
    let took = opened.elapsed();
    assert!(took < secs(4), "{took:?} after the ports were open");
}

/// Ports of a leaf without LACP (a fallback, as for PXE) still give a lease.
#[test]
fn bond_gets_a_lease_from_a_leaf_without_lacp() {
    let fabric = Fabric::new();
    let _dhcp = fabric.vpc(1001).dnsmasq(&[]);
    let server = fabric.server(Connection::Eslag);
    fabric.leaves[0].unbundle(1, 1);
    fabric.leaves[1].cut(1, 2);
    assert_eq!(
        server.must("bond 1001 layer2+3 enp2s1 enp2s2"),
        "10.0.1.10/24\n"
    );
}

fn reaches_gateway(server: &Host) {
    wait::until("the gateway answers", PATIENCE, || {
        server.run("ping -c 1 -W 1 10.0.1.1").ok()
    });
}

/// How many ports LACP lets collect and distribute (bits 0x30 of the state).
fn aggregated(server: &Host) -> usize {
    let members = server.ip_json("-d link show master bond0");
    let states = members.iter().filter_map(|member| {
        member["linkinfo"]["info_slave_data"]["ad_actor_oper_port_state"].as_u64()
    });
    states.filter(|state| state & 0x30 == 0x30).count()
}
