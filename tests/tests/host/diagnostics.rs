// SPDX-License-Identifier: Apache-2.0
//! What is to be learned when something does not work, by a user who is not root.

use hhnet_tests::fabric::Connection;
use hhnet_tests::machine::Machine;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{BOND, Lab, VLAN};

/// The fabric collects one file from each server. It tells what was asked for, what was
/// said by DHCP, what was leased, and how long it took.
#[test]
fn the_log_tells_the_story() {
    let lab = Lab::model(Connection::Eslag, |_| ());
    lab.machine.hhnet(BOND);
    let log = lab.machine.ssh_must("cat /var/log/hhnet.log");
    assert_eq!(lab.machine.must("stat -c %a /var/log/hhnet.log"), "644\n");
    for words in [
        "layer2+3",
        "enp2s2",
        "DISCOVER",
        "OFFER",
        "REQUEST",
        "ACK",
        "10.0.1.10/24",
    ] {
        assert!(
            log.to_uppercase().contains(&words.to_uppercase()),
            "no {words}: {log}"
        );
    }
    // As in `links 12 ms, lease in force 31 ms`.
    let has_duration = |line: &str| {
        let words: Vec<&str> = line.split([' ', ',']).collect();
        let is_time = |pair: &[&str]| pair[0].parse::<u32>().is_ok() && pair[1] == "ms";
        words.windows(2).filter(|pair| is_time(pair)).count() >= 2
    };
    assert!(log.lines().any(has_duration), "no duration: {log}");
}

/// In vain: the error says, in a few lines, what was missing.
#[test]
fn a_timeout_is_explained() {
    let lab = Lab::without_dhcp(Connection::Eslag);
    let output = lab
        .machine
        .ssh(&format!("/opt/bin/hhnet {BOND} --timeout=8"));
    assert!(!output.ok());
    assert_eq!(output.stdout, "");
    let said = &output.stderr;
    assert!(said.lines().count() <= 20, "{said}");
    let first = "Failed to get IP address for bond0.1001: no DHCP server has answered";
    assert!(said.starts_with(first), "{said}");
    let log = lab.machine.ssh_must("cat /var/log/hhnet.log");
    assert!(log.contains(first), "{log}");
    for words in [
        "carrier",
        "0a:0a:0a:0a:0a:0a",
        "enp2s1",
        "enp2s2",
        "DISCOVER",
        "OFFER",
    ] {
        assert!(said.contains(words), "no {words}: {said}");
    }
}

/// The same where the server's answers are none.
#[test]
fn ignored_offers_are_explained() {
    let lab = Lab::model(Connection::Unbundled, |_| ());
    let lab = lab.answering(|_| hhnet_tests::dhcp::Answer::Empty);
    let output = lab
        .machine
        .ssh(&format!("/opt/bin/hhnet {VLAN} --timeout=6"));
    assert!(!output.ok());
    let said = &output.stderr;
    let (first, _) = said.split_once('\n').expect("several lines");
    for words in [
        "Failed to get IP address for enp2s1.1001: ",
        "OFFERs without an address",
        "the DHCP pool of VLAN 1001 is exhausted",
    ] {
        assert!(first.contains(words), "no {words}: {said}");
    }
    assert!(said.contains("ignored"), "{said}");
}

/// A user asks for it, of a machine where networkd runs and is no rival.
#[test]
fn a_healthy_machine_is_diagnosed_as_such() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.machine.hhnet(BOND);
    lab.fabric.await_lacp();
    let mut said = Vec::new();
    let good = wait::poll(PATIENCE, || {
        let output = lab.machine.ssh("/opt/bin/hhnet diagnose");
        let is_good = output.ok() && output.stdout == "Nothing is wrong.\n";
        said.push(output);
        is_good.then_some(())
    });
    assert!(good.is_some(), "{said:#?}");
}

/// A line of Prometheus' text format: a comment, or a name, labels, a number.
fn is_sample(line: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    if line.starts_with("# HELP ") || line.starts_with("# TYPE ") || line == "# EOF" {
        return true;
    }
    let name_end = line.find(|c| !is_name(c)).unwrap_or(0);
    let (name, rest) = line.split_at(name_end);
    let value = match rest.strip_prefix('{') {
        Some(labels) => labels.rsplit_once("} ").map(|(_, value)| value),
        None => rest.strip_prefix(' '),
    };
    !name.is_empty() && value.is_some_and(|value| value.parse::<f64>().is_ok())
}

/// Metrics can be had by anybody, whether an agent runs or not.
#[test]
fn metrics_are_metrics_with_and_without_an_agent() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let check = |metrics: &str| {
        let wrong = metrics.lines().find(|line| !is_sample(line));
        assert_eq!(wrong, None, "{metrics}");
    };
    check(&lab.machine.hhnet("metrics"));
    lab.machine.hhnet(VLAN);
    let metrics = lab.machine.hhnet("metrics");
    check(&metrics);
    assert!(metrics.contains("enp2s1.1001"), "{metrics}");
}

/// What the fabric collects from a server, it collects from one with hhnet.
#[test]
fn what_is_collected_from_servers_can_be_collected() {
    let machine = Machine::new();
    machine.hhnet("cleanup");
    machine.ssh_must(
        "cat /var/log/hhnet.log && networkctl list && networkctl lldp && ip -d link show",
    );
}
