// SPDX-License-Identifier: Apache-2.0
//! Metrics of a bond: what LACP has come to, which way frames take, what comes twice.

use std::net::{Ipv4Addr, SocketAddr};

use hhnet_tests::fabric::Connection;
use hhnet_tests::host::Host;
use hhnet_tests::http;
use hhnet_tests::process::Running;
use hhnet_tests::wait::{self, PATIENCE};

use crate::Lab;

const PARTNER: &str = "0a:0a:0a:0a:0a:0a";

fn scrape(server: &Host) -> String {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, 19478));
    let answer = http::get(server.namespace(), usual, "/metrics", &[]);
    let answer = answer.expect("the agent listens");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// The value of a sample, named with its labels.
#[track_caller]
fn value(metrics: &str, sample: &str) -> f64 {
    let mut samples = metrics.lines().filter_map(|line| line.rsplit_once(' '));
    let found = samples.find(|(name, _)| *name == sample);
    let (_, value) = found.unwrap_or_else(|| panic!("no {sample} in\n{metrics}"));
    value.parse().expect("a number")
}

#[track_caller]
fn expect(metrics: &str, samples: &[(&str, f64)]) {
    for (sample, expected) in samples {
        assert_eq!(value(metrics, sample), *expected, "{sample} in\n{metrics}");
    }
}

/// A bond to both leaves, and then to one of them.
#[test]
fn metrics_say_what_lacp_has_come_to() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    // As real leaves, which pass nothing before LACP has agreed.
    lab.fabric.leaves.iter().for_each(|leaf| leaf.isolate(1));
    let mut bond = lab.server.hhnet_command("bond 1001 layer2+3 enp2s1 enp2s2");
    let mut bond = Running::start(&mut bond);
    for (leaf, nic) in lab.fabric.leaves.iter().zip([1, 2]) {
        leaf.wait_until_aggregated(1, nic);
        leaf.admit(1);
    }
    assert!(bond.wait(PATIENCE).success(), "{}", bond.stderr());
    let agreed = |nic: &str, end: &str| {
        format!("hhnet_member_distributing{{bond=\"bond0\",interface=\"{nic}\",end=\"{end}\"}}")
    };
    wait::until("both ends of both members distribute", PATIENCE, || {
        let metrics = scrape(&lab.server);
        let ends = ["actor", "partner"];
        let all =
            ["enp2s1", "enp2s2"].map(|nic| ends.map(|end| value(&metrics, &agreed(nic, end))));
        all == [[1.0; 2]; 2]
    });
    let metrics = scrape(&lab.server);
    let aggregator = metrics
        .lines()
        .find(|line| line.starts_with("hhnet_bond_info{"));
    let aggregator = aggregator.and_then(|line| line.split("aggregator=\"").nth(1));
    let aggregator = aggregator.and_then(|rest| rest.split('"').next());
    let aggregator = aggregator.expect("the bond has an aggregator");
    for nic in ["enp2s1", "enp2s2"] {
        let info = format!(
            "hhnet_member_info{{bond=\"bond0\",interface=\"{nic}\",aggregator=\"{aggregator}\",\
             partner=\"{PARTNER}\"}}"
        );
        expect(&metrics, &[(&info, 1.0)]);
    }
    expect(
        &metrics,
        &[
            ("hhnet_bond_members{bond=\"bond0\"}", 2.0),
            ("hhnet_bond_active_members{bond=\"bond0\"}", 2.0),
            ("hhnet_link_up{interface=\"enp2s2\"}", 1.0),
            ("hhnet_link_up{interface=\"bond0.1001\"}", 1.0),
            ("hhnet_dhcp_bound{interface=\"bond0.1001\"}", 1.0),
            (
                "hhnet_member_churned{bond=\"bond0\",interface=\"enp2s1\"}",
                0.0,
            ),
            (
                "hhnet_member_link_failures_total{bond=\"bond0\",interface=\"enp2s2\"}",
                0.0,
            ),
        ],
    );
    // LACP takes longer than the server, and longer than all of it would without.
    let step = |step: &str| {
        let labels = format!("{{interface=\"bond0.1001\",step=\"{step}\"}}");
        value(&metrics, &format!("hhnet_dhcp_acquisition_seconds{labels}"))
    };
    let sum: f64 = ["link", "lacp", "offer", "ack", "apply"]
        .map(step)
        .iter()
        .sum();
    let total = "hhnet_dhcp_time_to_lease_seconds{interface=\"bond0.1001\"}";
    assert!((sum - value(&metrics, total)).abs() < 1e-3, "{metrics}");
    assert!(step("lacp") > step("ack"), "{metrics}");
    lab.fabric.leaves[1].cut(1, 2);
    wait::until("the member is down", PATIENCE, || {
        let metrics = scrape(&lab.server);
        value(&metrics, &agreed("enp2s2", "actor")) == 0.0
            && value(&metrics, "hhnet_link_up{interface=\"enp2s2\"}") == 0.0
    });
    let failures = "hhnet_member_link_failures_total{bond=\"bond0\",interface=\"enp2s2\"}";
    wait::until("it counts as one failure", PATIENCE, || {
        value(&scrape(&lab.server), failures) == 1.0
    });
    expect(&scrape(&lab.server), &[(&agreed("enp2s1", "actor"), 1.0)]);
}

/// What programs count is what the command for it says.
#[test]
fn metrics_count_frames_as_flows_does() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    lab.server.must("bond 1001 layer2+3 enp2s1 enp2s2");
    lab.fabric.await_lacp();
    lab.server
        .run("ping -c 20 -i 0.02 10.0.1.1")
        .success("ping");
    let metrics = scrape(&lab.server);
    let sent = |kind: &str| -> f64 {
        let of = |nic| {
            let labels = format!("interface=\"{nic}\",bond=\"bond0\",direction=\"out\"");
            value(
                &metrics,
                &format!("hhnet_frames_total{{{labels},kind=\"{kind}\"}}"),
            )
        };
        of("enp2s1") + of("enp2s2")
    };
    assert!((20.0..40.0).contains(&sent("ipv4")), "{metrics}");
    assert!(sent("lacp") >= 2.0, "{metrics}");
    let shares: f64 = ["enp2s1", "enp2s2"]
        .map(|nic| {
            let labels = format!("interface=\"{nic}\",bond=\"bond0\",direction=\"out\"");
            value(&metrics, &format!("hhnet_share_ratio{{{labels}}}"))
        })
        .iter()
        .sum();
    assert!((shares - 1.0).abs() < 0.001, "{metrics}");
    let fairness = "hhnet_fairness_ratio{bond=\"bond0\",direction=\"out\"}";
    assert!(
        (0.5..=1.0).contains(&value(&metrics, fairness)),
        "{metrics}"
    );
    // The leaves flood the gateway's own multicast to both ports now and then.
    let copies = value(&metrics, "hhnet_duplication_fraction_ratio");
    assert!((0.0..0.2).contains(&copies), "{metrics}");
    let flows = lab.server.must("metrics --flows=50");
    let ping = flows.lines().find(|line| {
        line.starts_with("hhnet_flow_packets_total{")
            && line.contains("vlan=\"1001\",protocol=\"icmp\",source=\"10.0.1.10\"")
    });
    let ping = ping.and_then(|line| line.rsplit_once(' '));
    assert_eq!(ping.map(|(_, count)| count), Some("20"), "{flows}");
}
