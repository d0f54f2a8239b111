// SPDX-License-Identifier: Apache-2.0
//! What is exported to Prometheus, in its text format.

use std::{fmt, sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

use crate::session::Report;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Interface {
    interface: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    interface: String,
    reason: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

/// The metrics of an agent that has run for `age`, with the reports of its
/// sessions by interface; of no agent, where `age` is `None`.
pub fn render(age: Option<Duration>, reports: &[(&str, Report)], now: Duration) -> String {
    let mut registry = Registry::with_prefix("hhnet");
    let build = Info::new([("version", env!("HHNET_BUILD"))]);
    registry.register("build", "Version of hhnet", build);
    let up = Gauge::<i64>::default();
    up.set(age.is_some().into());
    registry.register("agent_up", "Whether an agent is running", up);
    if let Some(age) = age {
        let seconds = Seconds::default();
        seconds.set(age.as_secs_f64());
        registry.register("agent_age_seconds", "Time since the agent began", seconds);
    }
    register_counters(&mut registry, reports);
    register_drops(&mut registry, reports);
    register_leases(&mut registry, reports, now);
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => classic(&text),
        // Writing to a string does not fail.
        Err(fmt::Error) => String::new(),
    }
}

/// The counters of each DHCP client.
fn register_counters(registry: &mut Registry, reports: &[(&str, Report)]) {
    type Read = fn(&Report) -> u64;
    let counters: [(&str, &str, Read); 7] = [
        ("discovers", "DISCOVERs sent", |r| r.counters.discovers),
        ("requests", "REQUESTs sent, renewals included", |r| {
            r.counters.requests
        }),
        ("offers", "Usable OFFERs received", |r| r.counters.offers),
        ("acks", "ACKs that brought or prolonged a lease", |r| {
            r.counters.acks
        }),
        ("naks", "NAKs received", |r| r.counters.naks),
        (
            "address_changes",
            "Times an ACK brought another address than before",
            |r| r.counters.changes,
        ),
        ("conflicts", "Times another machine had the address", |r| {
            r.counters.conflicts
        }),
    ];
    for (name, help, read) in counters {
        let family = Family::<Interface, Counter>::default();
        for (interface, report) in reports {
            family
                .get_or_create(&Interface::named(interface))
                .inc_by(read(report));
        }
        registry.register(format!("dhcp_{name}"), help, family);
    }
}

fn register_drops(registry: &mut Registry, reports: &[(&str, Report)]) {
    let family = Family::<DropLabels, Counter>::default();
    for (interface, report) in reports {
        for (reason, count) in report.counters.dropped.iter() {
            let labels = DropLabels {
                interface: (*interface).to_owned(),
                reason,
            };
            family.get_or_create(&labels).inc_by(count);
        }
    }
    registry.register(
        "dhcp_dropped",
        "Packets and messages that came to the DHCP client and were not used",
        family,
    );
}

fn register_leases(registry: &mut Registry, reports: &[(&str, Report)], now: Duration) {
    let bound = Family::<Interface, Gauge>::default();
    let left = Family::<Interface, Seconds>::default();
    for (interface, report) in reports {
        let labels = Interface::named(interface);
        bound
            .get_or_create(&labels)
            .set(report.lease.is_some().into());
        if let Some(lease) = &report.lease {
            let remaining = lease.expiry().map_or(f64::INFINITY, |expiry| {
                expiry.saturating_sub(now).as_secs_f64()
            });
            left.get_or_create(&labels).set(remaining);
        }
    }
    registry.register("dhcp_bound", "Whether the interface has a lease", bound);
    let help = "Time until the lease is over, if nobody renews it";
    registry.register("dhcp_lease_remaining_seconds", help, left);
}

impl Interface {
    fn named(interface: &str) -> Interface {
        Interface {
            interface: interface.to_owned(),
        }
    }
}

/// From OpenMetrics to the older format, which every reader knows: there, the
/// name of a counter and of an info includes its suffix, and nothing marks the end.
fn classic(text: &str) -> String {
    let mut suffixes = std::collections::BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' ')) {
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            suffixes.insert(name, suffix);
        }
    }
    let mut out = String::new();
    for line in text.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what @ ("HELP" | "TYPE")), Some(name), Some(rest)) => {
                let suffix = suffixes.get(name).copied().unwrap_or_default();
                let rest = if what == "TYPE" && suffix == "_info" {
                    "gauge"
                } else {
                    rest
                };
                out += &format!("# {what} {name}{suffix} {rest}\n");
            }
            _ => out += &format!("{line}\n"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::{dropped::Reason, lease::tests};

    fn report() -> Report {
        let mut report = Report {
            state: "BOUND",
            lease: tests::read(&[tests::SERVER, tests::HOUR, tests::MASK24]).ok(),
            ..Report::default()
        };
        report.counters.discovers = 3;
        report.counters.dropped.count(Reason::Stray);
        report
    }

    #[test]
    fn a_leased_interface() {
        let reports = [("bond0.1001", report())];
        let text = render(
            Some(Duration::from_secs(5)),
            &reports,
            Duration::from_secs(700),
        );
        for line in [
            "# TYPE hhnet_dhcp_discovers_total counter",
            "hhnet_dhcp_discovers_total{interface=\"bond0.1001\"} 3",
            "hhnet_dhcp_dropped_total{interface=\"bond0.1001\",reason=\"stray\"} 1",
            "hhnet_dhcp_dropped_total{interface=\"bond0.1001\",reason=\"checksum\"} 0",
            "hhnet_dhcp_bound{interface=\"bond0.1001\"} 1",
            "hhnet_dhcp_lease_remaining_seconds{interface=\"bond0.1001\"} 3000.0",
            "# TYPE hhnet_build_info gauge",
            "hhnet_agent_up 1",
            "hhnet_agent_age_seconds 5.0",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line:?} in\n{text}");
        }
        assert!(!text.contains("# EOF"));
    }

    #[test]
    fn without_an_agent_there_is_little_to_tell() {
        let text = render(None, &[], Duration::ZERO);
        assert!(text.lines().any(|l| l == "hhnet_agent_up 0"), "{text}");
        assert!(!text.contains("interface="));
    }
}
