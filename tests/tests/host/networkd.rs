// SPDX-License-Identifier: Apache-2.0
//! hhnet and systemd's own network services, side by side: each keeps to what is its own.

use hhnet_tests::capture::Capture;
use hhnet_tests::dhcp::FabricDhcp;
use hhnet_tests::fabric::Connection;
use hhnet_tests::harness::Pings;
use hhnet_tests::machine::Machine;
use hhnet_tests::monitor::Monitor;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{BOND, Lab, ON_BOND, parse, secs};

/// A server with all that a lease can bring.
fn leased() -> Lab<FabricDhcp> {
    let lab = Lab::model(Connection::Eslag, |subnet| {
        subnet.dns = vec![parse("1.1.1.1")];
        subnet.ntp = subnet.dns.clone();
        subnet.routes = vec![parse("9.9.9.9/32")];
    });
    assert_eq!(lab.machine.hhnet(BOND), "10.0.1.10/24\n");
    lab
}

fn has_names_and_times(machine: &Machine) -> bool {
    let names = machine.read("/etc/resolv.conf");
    let times = machine.root("timedatectl show-timesync").stdout;
    names.contains("nameserver 1.1.1.1") && times.contains("NTPServers=1.1.1.1")
}

/// Both ports collect and distribute.
fn is_aggregated(machine: &Machine) -> bool {
    ["enp2s1", "enp2s2"].iter().all(|port| {
        let state = machine.link(port, "bonding_slave/ad_actor_oper_port_state");
        state.parse::<u8>().is_ok_and(|state| state & 0x30 == 0x30)
    })
}

/// Everything that is said by DHCP on the VLAN is said by one client; nothing is said
/// beside it, on the bond or by IPv6.
#[test]
fn one_client_speaks_dhcp() {
    let lab = Lab::model(Connection::Eslag, |_| ());
    let captures = [0, 1].map(|leaf| {
        let port = format!("s1p{}", leaf + 1);
        // The kernel shows tags apart from the frame, so that "vlan" matches and moves on.
        const ASKING: &str = "udp port 67 or udp port 547 or (icmp6 and ip6[40] = 133)";
        let dhcp = &format!("{ASKING} or (vlan and ({ASKING}))");
        Capture::start(lab.fabric.leaves[leaf].namespace(), &port, "in", dhcp)
    });
    lab.machine.hhnet(BOND);
    wait::until("LACP has aggregated", PATIENCE, || {
        is_aggregated(&lab.machine)
    });
    let packets = |words: &[&str]| -> Vec<String> {
        captures
            .iter()
            .flat_map(|capture| capture.packets(words))
            .collect()
    };
    let untagged = |all: Vec<String>| all.iter().filter(|p| !p.contains("vlan 1001")).count();
    let before = untagged(packets(&[]));
    lab.machine.must("networkctl reload");
    wait::throughout(secs(10), "nothing is said on the bond itself", || {
        untagged(packets(&[])) == before
    });
    let tagged = packets(&["vlan 1001"]);
    let transactions: std::collections::BTreeSet<_> = tagged
        .iter()
        .filter_map(|packet| {
            Some(
                packet
                    .split_once("xid ")?
                    .1
                    .split([',', ' '])
                    .next()?
                    .to_owned(),
            )
        })
        .collect();
    assert_eq!(transactions.len(), 1, "{tagged:#?}");
    assert!(
        !tagged
            .iter()
            .any(|packet| packet.contains("hardware-type 255")),
        "{tagged:#?}"
    );
    assert_eq!(packets(&["ip6"]).len(), 0, "{:#?}", packets(&["ip6"]));
    let requests = lab.dhcp.requests();
    let macs: std::collections::BTreeSet<_> = requests
        .iter()
        .map(|request| request.message.chaddr().to_vec())
        .collect();
    assert_eq!(macs.len(), 1, "{macs:?}");
}

/// What an administrator, or an update, does to networkd costs no packet.
#[test]
fn networkd_may_be_restarted_reloaded_and_told_about_a_port() {
    let lab = leased();
    wait::until("LACP has aggregated", PATIENCE, || {
        is_aggregated(&lab.machine)
    });
    let routes = lab.machine.must("ip route show");
    let asked = lab.dhcp.requests().len();
    let monitor = Monitor::of(lab.machine.namespace());
    let mut ping = lab.machine.root_start("exec ping -i 0.2 10.0.1.1");
    wait::until("the first reply", PATIENCE, || {
        ping.stdout().contains("icmp_seq=2")
    });
    for order in [
        "systemctl restart systemd-networkd",
        "networkctl reload",
        "networkctl reconfigure enp2s1",
    ] {
        lab.machine.must(order);
        wait::throughout(secs(3), order, || {
            lab.machine.link("enp2s1", "master/ifindex") == lab.machine.link("bond0", "ifindex")
        });
    }
    lab.machine.must(&format!("kill -INT {}", ping.pid()));
    ping.wait(PATIENCE);
    let shown = ping.stdout();
    let pings = Pings::parse(&shown).unwrap_or_else(|| panic!("ping: {shown}"));
    assert!(pings.all_but_last_answered(), "{shown}");
    // What networkd does to the management port is its own affair.
    let mut losses = monitor.losses();
    losses.retain(|event| !format!("{event:?}").contains("172.31."));
    assert_eq!(losses, []);
    assert_eq!(lab.machine.must("ip route show"), routes);
    assert_eq!(lab.dhcp.requests().len(), asked);
    assert!(is_aggregated(&lab.machine));
    wait::until("names and times are there", secs(5), || {
        has_names_and_times(&lab.machine)
    });
}

/// The services that are told name servers and time servers may be restarted, too.
#[test]
fn names_and_times_come_back_with_their_services() {
    let lab = leased();
    for service in ["systemd-resolved", "systemd-timesyncd"] {
        lab.machine.must(&format!("systemctl restart {service}"));
        wait::until(service, secs(10), || has_names_and_times(&lab.machine));
    }
}

/// networkd knows what is hhnet's: nothing is waited for, nothing is a failure.
#[test]
fn networkctl_shows_the_links_in_order() {
    let lab = leased();
    for link in ["bond0", ON_BOND, "enp2s1", "enp2s2"] {
        let shown = lab.machine.ssh_must(&format!("networkctl status {link}"));
        assert!(!shown.contains("failed"), "{shown}");
    }
    wait::until("the VLAN is set up", PATIENCE, || {
        ["configured", "unmanaged"].contains(&lab.machine.setup(ON_BOND).as_str())
    });
    let shown = lab
        .machine
        .ssh_must(&format!("networkctl status {ON_BOND}"));
    assert!(shown.contains("10.0.1.10"), "{shown}");
    let failed = lab.machine.must("systemctl --failed --plain --no-legend");
    assert_eq!(failed, "");
}
