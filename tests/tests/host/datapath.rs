// SPDX-License-Identifier: Apache-2.0
//! Programs on NICs as the servers have them, whose driver knows no native XDP.

use std::time::Instant;

use hhnet_tests::capture::Capture;
use hhnet_tests::fabric::Connection;
use hhnet_tests::wait::{self, PATIENCE};
use serde_json::Value;

use crate::{BOND, Lab, ON_BOND, secs};

/// Everything passes: LACP, ARP, DHCP, ping; and what has passed is counted, with the VLAN
/// that the NIC takes out of the frame.
#[test]
fn programs_on_e1000_let_everything_pass_and_count_it() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let driver = lab.machine.must("ethtool -i enp2s1 | head -n 1");
    assert_eq!(driver, "driver: e1000\n");
    lab.machine.hhnet(BOND);
    lab.fabric.await_lacp();
    lab.machine.must("ping -i 0.2 -c 20 -W 2 10.0.1.1");
    let partner = lab.machine.link("bond0", "bonding/ad_partner_mac");
    assert_eq!(partner, "0a:0a:0a:0a:0a:0a");
    let report: Value = serde_json::from_str(&lab.machine.hhnet("flows --json")).expect("JSON");
    let flows = report["flows"].as_array().expect("a list of flows");
    let echoes = |direction: &str| -> u64 {
        let of_ping = flows.iter().filter(|flow| {
            flow["direction"] == direction && flow["protocol"] == 1 && flow["vlan"] == 1001
        });
        of_ping.filter_map(|flow| flow["packets"].as_u64()).sum()
    };
    assert_eq!((echoes("in"), echoes("out")), (20, 20), "{report:#}");
    let status = lab.machine.hhnet("status");
    assert!(
        status.contains("enp2s1") && !status.contains("no program"),
        "{status}"
    );
}

/// LLDP is neither held up nor ended by it: both ports go on to speak it, and to hear it.
#[test]
fn ports_of_a_bond_speak_lldp_and_hear_it() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.machine.hhnet(BOND);
    for nic in [1, 2] {
        let leaf = &lab.fabric.leaves[usize::from(nic) - 1];
        let port = format!("s1p{nic}");
        let lldp = Capture::start(leaf.namespace(), &port, "in", "ether proto 0x88cc");
        lldp.wait_for(secs(60), &["server-01"]);
        wait::until("networkd hears the leaf", PATIENCE, || {
            leaf.send_lldp(1, nic);
            let neighbours = lab.machine.ssh_must(&format!("networkctl lldp enp2s{nic}"));
            neighbours.contains("0a:0a:0a:0a:0a:0a")
        });
    }
}

/// A gateway that answers everything twice: ping and hhnet agree about how often.
#[test]
fn duplicates_are_those_that_ping_reports() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    lab.machine.hhnet("vlan 1001 enp2s1");
    let gateway = lab.fabric.vpc(1001);
    let double = format!(
        "tc qdisc add dev {} root netem duplicate 100%",
        gateway.interface()
    );
    gateway.namespace().must(&double);
    let shown = lab.machine.root("ping -i 0.3 -c 10 -W 2 10.0.1.1").stdout;
    assert!(shown.contains("(DUP!)"), "{shown}");
    let said = lab.machine.hhnet("dups");
    assert!(
        said.contains("echo replies from 10.0.1.1 arrived twice"),
        "{said}"
    );
}

/// The agent is small, and does nothing when there is nothing to do.
#[test]
fn the_agent_is_small_and_idle() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.machine.hhnet(BOND);
    lab.fabric.await_lacp();
    lab.machine.must("ping -i 0.2 -c 20 -W 2 10.0.1.1");
    let pid = lab.machine.hhnet_processes()[0];
    let maps = lab.machine.read(&format!("/proc/{pid}/smaps"));
    let resident = resident(&maps);
    assert!(resident <= 20 * 1024, "{resident} KiB:\n{maps}");

    let (began, before) = (Instant::now(), ticks(&lab, pid));
    wait::throughout(secs(10), "the lease is there", || began.elapsed() > secs(0));
    let used = ticks(&lab, pid) - before;
    // 100 a second; emulated, each weighs ten times as much as it would.
    assert!(used <= 50, "{used} ticks in 10 s");
    assert_eq!(lab.machine.addresses(ON_BOND), ["10.0.1.10/24"]);
}

/// What a process has in memory, in KiB, but for the maps of its programs: those are the
/// kernel's memory, wherever they are visible.
fn resident(smaps: &str) -> u64 {
    let mut is_counted = true;
    let mut sum = 0;
    for line in smaps.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if !first.ends_with(':') {
            is_counted = !line.contains("bpf-map");
        } else if first == "Rss:" && is_counted {
            let size = line.split_whitespace().nth(1);
            sum += size.and_then(|size| size.parse().ok()).unwrap_or(0);
        }
    }
    sum
}

/// What a process has used of the processors.
fn ticks<Dhcp>(lab: &Lab<Dhcp>, pid: i32) -> u64 {
    let stat = lab.machine.read(&format!("/proc/{pid}/stat"));
    let (_, numbers) = stat.rsplit_once(") ").expect("a process has a name");
    let numbers: Vec<&str> = numbers.split(' ').collect();
    let number = |index: usize| numbers[index].parse::<u64>().expect("a number");
    number(11) + number(12)
}
