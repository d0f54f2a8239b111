// SPDX-License-Identifier: Apache-2.0
//! DHCP clients and their leases.

use super::{
    Facts,
    series::{
        Kind::{Counter, Gauge, Info},
        Samples, Series,
    },
};
use crate::{
    dhcp::dropped::Dropped,
    status::{Dhcp, Lease},
};

const INTERFACE: &[&str] = &["interface"];

pub(super) const SERIES: &[Series] = &[
    Series {
        name: "hhnet_dhcp_bound",
        kind: Gauge,
        labels: INTERFACE,
        help: "Whether the interface has a lease",
        read: |facts, samples| {
            each(facts, |name, dhcp| {
                samples.add([name], dhcp.lease.is_some())
            });
        },
    },
    Series {
        name: "hhnet_dhcp_state_info",
        kind: Info,
        labels: &["interface", "state"],
        help: "State of the DHCP client, as in RFC 2131",
        read: |facts, samples| each(facts, |name, dhcp| samples.add([name, &dhcp.state], true)),
    },
    Series {
        name: "hhnet_dhcp_lease_info",
        kind: Info,
        labels: &["interface", "address", "server", "relay"],
        help: "The lease in force, its server (option 54) and the relay (giaddr), if it was seen",
        read: |facts, samples| {
            leases(facts, |name, lease| {
                let server = lease.server.to_string();
                let relay = lease
                    .relay
                    .map_or_else(String::new, |relay| relay.to_string());
                samples.add([name, &lease.address, &server, &relay], true);
            });
        },
    },
    Series {
        name: "hhnet_dhcp_lease_age_seconds",
        kind: Gauge,
        labels: INTERFACE,
        help: "Time since the request that got or prolonged the lease",
        read: |facts, samples| {
            leases(facts, |name, lease| {
                samples.add([name], seconds(lease.age_ms))
            });
        },
    },
    Series {
        name: "hhnet_dhcp_lease_remaining_seconds",
        kind: Gauge,
        labels: INTERFACE,
        help: "Time until the lease is over, if nobody renews it",
        read: |facts, samples| {
            leases(facts, |name, lease| {
                samples.add([name], lease.remaining_ms.map_or(f64::INFINITY, seconds));
            });
        },
    },
    Series {
        name: "hhnet_dhcp_acquisition_seconds",
        kind: Gauge,
        labels: &["interface", "step"],
        help: "How long a step to the newest lease took, from the end of the one before: link \
               (it works), lacp (a member distributes), offer, ack, apply (the address can be used)",
        read: |facts, samples| {
            each(facts, |name, dhcp| {
                for step in &dhcp.steps {
                    samples.add([name, &step.step], step.ms / 1000.0);
                }
            });
        },
    },
    Series {
        name: "hhnet_dhcp_time_to_lease_seconds",
        kind: Gauge,
        labels: INTERFACE,
        help: "All of these steps together, once the lease is in force",
        read: |facts, samples| {
            each(facts, |name, dhcp| {
                samples.add_known([name], dhcp.time_to_lease_ms.map(|ms| ms / 1000.0));
            });
        },
    },
];

pub(super) const COUNTERS: &[Series] = &[
    Series {
        name: "hhnet_dhcp_discovers_total",
        kind: Counter,
        labels: INTERFACE,
        help: "DISCOVERs sent",
        read: |facts, samples| count(facts, samples, |dhcp| dhcp.discovers),
    },
    Series {
        name: "hhnet_dhcp_offers_total",
        kind: Counter,
        labels: INTERFACE,
        help: "Usable OFFERs received",
        read: |facts, samples| count(facts, samples, |dhcp| dhcp.offers),
    },
    Series {
        name: "hhnet_dhcp_empty_replies_total",
        kind: Counter,
        labels: INTERFACE,
        help: "OFFERs and ACKs without address, server or lease time: of an exhausted pool",
        read: |facts, samples| count(facts, samples, |dhcp| dhcp.empty),
    },
    Series {
        name: "hhnet_dhcp_requests_total",
        kind: Counter,
        labels: INTERFACE,
        help: "REQUESTs sent, renewals included",
        read: |facts, samples| count(facts, samples, |dhcp| dhcp.requests),
    },
    Series {
        name: "hhnet_dhcp_acks_total",
        kind: Counter,
        labels: INTERFACE,
        help: "ACKs that brought or prolonged a lease",
        read: |facts, samples| count(facts, samples, |dhcp| dhcp.acks),
    },
    Series {
        name: "hhnet_dhcp_naks_total",
        kind: Counter,
        labels: INTERFACE,
        help: "NAKs received",
        read: |facts, samples| count(facts, samples, |dhcp| dhcp.naks),
    },
    Series {
        name: "hhnet_dhcp_duplicate_replies_total",
        kind: Counter,
        labels: &["interface", "message"],
        help: "OFFERs and ACKs of one server that came more often than they were asked for",
        read: |facts, samples| {
            each(facts, |name, dhcp| {
                samples.add([name, "offer"], dhcp.duplicate_offers);
                samples.add([name, "ack"], dhcp.duplicate_acks);
            });
        },
    },
    Series {
        name: "hhnet_dhcp_renewals_total",
        kind: Counter,
        labels: &["interface", "result"],
        help: "Leases that were prolonged (ok), and that ended or were refused instead (failed)",
        read: |facts, samples| {
            each(facts, |name, dhcp| {
                samples.add([name, "ok"], dhcp.renewals);
                samples.add([name, "failed"], dhcp.failed_renewals);
            });
        },
    },
    Series {
        name: "hhnet_dhcp_address_changes_total",
        kind: Counter,
        labels: INTERFACE,
        help: "Times an ACK brought another address than before",
        read: |facts, samples| count(facts, samples, |dhcp| dhcp.address_changes),
    },
    Series {
        name: "hhnet_dhcp_conflicts_total",
        kind: Counter,
        labels: INTERFACE,
        help: "Times another machine had the address",
        read: |facts, samples| count(facts, samples, |dhcp| dhcp.conflicts),
    },
    Series {
        name: "hhnet_dhcp_dropped_total",
        kind: Counter,
        labels: &["interface", "reason"],
        help: "Packets and messages that came to the DHCP client and were not used",
        read: |facts, samples| {
            each(facts, |name, dhcp| {
                for reason in Dropped::reasons() {
                    let count = dhcp.dropped.get(reason).copied();
                    samples.add([name, reason], count.unwrap_or_default());
                }
            });
        },
    },
];

fn each(facts: &Facts<'_>, mut tell: impl FnMut(&str, &Dhcp)) {
    for interface in &facts.status.interfaces {
        if let Some(dhcp) = &interface.dhcp {
            tell(&interface.name, dhcp);
        }
    }
}

fn leases(facts: &Facts<'_>, mut tell: impl FnMut(&str, &Lease)) {
    each(facts, |name, dhcp| {
        if let Some(lease) = &dhcp.lease {
            tell(name, lease);
        }
    });
}

fn count(facts: &Facts<'_>, samples: &mut Samples, of: fn(&Dhcp) -> u64) {
    each(facts, |name, dhcp| samples.add([name], of(dhcp)));
}

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
