// SPDX-License-Identifier: Apache-2.0
//! Frames, duplicates and flows, as the programs count them.

use super::{
    Facts,
    series::{
        Kind::{Counter, Gauge},
        Samples, Series, Value,
    },
};
use crate::xdp::{
    dups::Compared,
    protocol_name,
    report::{Counted, Flow, Member, Transport},
};

/// `bond` is not there for what is no bond's member.
const COUNTED: &[&str] = &["interface", "bond", "direction"];
const RECEIVED: &[&str] = &["interface", "bond"];

/// One of the things a received frame may turn out to be, and how many were.
type Class = (&'static str, fn(&Compared) -> u64);

pub(super) const SERIES: &[Series] = &[
    Series {
        name: "hhnet_frames_total",
        kind: Counter,
        labels: &["interface", "bond", "direction", "kind"],
        help: "Frames on the wire: ipv4, ipv6, arp, lacp, lldp, other, malformed",
        read: |facts, samples| by_kind(facts, samples, |counted| counted.packets),
    },
    Series {
        name: "hhnet_frame_bytes_total",
        kind: Counter,
        labels: &["interface", "bond", "direction", "kind"],
        help: "Their bytes, Ethernet header included",
        read: |facts, samples| by_kind(facts, samples, |counted| counted.bytes),
    },
    Series {
        name: "hhnet_double_tagged_frames_total",
        kind: Counter,
        labels: COUNTED,
        help: "Frames with two VLAN tags",
        read: |facts, samples| each(facts, samples, |member| Some(member.double_tagged.into())),
    },
    Series {
        name: "hhnet_later_fragments_total",
        kind: Counter,
        labels: COUNTED,
        help: "IP fragments after the first",
        read: |facts, samples| each(facts, samples, |member| Some(member.later_fragments.into())),
    },
    Series {
        name: "hhnet_share_ratio",
        kind: Gauge,
        labels: COUNTED,
        help: "The member's part of the IP bytes of its bond, since programs count",
        read: |facts, samples| {
            each(facts, samples, |member| Some(member.share?.bytes.into()));
        },
    },
    Series {
        name: "hhnet_fairness_ratio",
        kind: Gauge,
        labels: &["bond", "direction"],
        help: "Jain's index of these parts: 1 if they are equal, 1/n if one of n has everything",
        read: |facts, samples| {
            for spread in &facts.status.spread {
                let direction = spread.direction.to_string();
                samples.add([&spread.bond, &direction], spread.jain_bytes);
            }
        },
    },
];

pub(super) const DUPLICATES: &[Series] = &[
    Series {
        name: "hhnet_compared_frames_total",
        kind: Counter,
        labels: RECEIVED,
        help: "Received frames that were compared with those before",
        read: |facts, samples| compared(facts, samples, &[("", |found| found.compared)]),
    },
    Series {
        name: "hhnet_replicated_frames_total",
        kind: Counter,
        labels: RECEIVED,
        help: "Frames that came more than once",
        read: |facts, samples| compared(facts, samples, &[("", |found| found.replicated)]),
    },
    Series {
        name: "hhnet_duplicates_total",
        kind: Counter,
        labels: &["interface", "bond", "class"],
        help: "Frames that had come before, by evidence (strong, weak) and where the first one \
               came (same_member, other_member)",
        read: |facts, samples| {
            let classes: &[Class] = &[
                ("strong_same_member", |found| found.strong_same_member),
                ("strong_other_member", |found| found.strong_other_member),
                ("weak_same_member", |found| found.weak_same_member),
                ("weak_other_member", |found| found.weak_other_member),
            ];
            compared(facts, samples, classes);
        },
    },
    Series {
        name: "hhnet_set_aside_frames_total",
        kind: Counter,
        labels: &["interface", "bond", "class"],
        help: "Frames that are no duplicates for the host: answered_again, suppressed by bonding, \
               ambiguous, repetitive, or not compared: skipped, looped (our own), merged by GRO",
        read: |facts, samples| {
            let classes: &[Class] = &[
                ("answered_again", |found| found.answered_again),
                ("suppressed", |found| found.suppressed),
                ("ambiguous", |found| found.ambiguous),
                ("repetitive", |found| found.repetitive),
                ("skipped", |found| found.skipped),
                ("looped", |found| found.looped),
                ("merged", |found| found.merged),
            ];
            compared(facts, samples, classes);
        },
    },
    Series {
        name: "hhnet_duplication_fraction_ratio",
        kind: Gauge,
        labels: &[],
        help: "Copies to each frame on all members together, since programs count (RFC 5560, \
               Type-P-one-way-packet-duplication-fraction)",
        read: |facts, samples| {
            let found = facts.status.duplicates.as_ref();
            let fraction = found.and_then(|found| found.duplication_fraction);
            samples.add_known([], fraction);
        },
    },
    Series {
        name: "hhnet_replicated_packet_ratio",
        kind: Gauge,
        labels: &[],
        help: "The part of them that came more than once (RFC 5560, \
               Type-P-one-way-replicated-packet-rate)",
        read: |facts, samples| {
            let found = facts.status.duplicates.as_ref();
            let rate = found.and_then(|found| found.replicated_packet_rate);
            samples.add_known([], rate);
        },
    },
];

const FLOW: &[&str] = &[
    "interface",
    "direction",
    "vlan",
    "protocol",
    "source",
    "source_port",
    "destination",
    "destination_port",
    "icmp",
];

pub(super) const FLOWS: &[Series] = &[
    Series {
        name: "hhnet_unlisted_flows_total",
        kind: Counter,
        labels: COUNTED,
        help: "Flows that made room for others and are too small to be listed",
        read: |facts, samples| each(facts, samples, |member| Some(member.unlisted_flows.into())),
    },
    Series {
        name: "hhnet_lost_flows_total",
        kind: Counter,
        labels: COUNTED,
        help: "Flows that made room faster than they could be read: counted in frames alone",
        read: |facts, samples| each(facts, samples, |member| Some(member.lost_flows.into())),
    },
    Series {
        name: "hhnet_known_flows",
        kind: Gauge,
        labels: &[],
        help: "Flows that are known; like all that follows, with --flows alone",
        read: |facts, samples| samples.add_known([], facts.flows.map(|(known, _)| known as u64)),
    },
    Series {
        name: "hhnet_flow_packets_total",
        kind: Counter,
        labels: FLOW,
        help: "Frames of each of the N busiest flows",
        read: |facts, samples| flows(facts, samples, |flow| flow.packets),
    },
    Series {
        name: "hhnet_flow_bytes_total",
        kind: Counter,
        labels: FLOW,
        help: "Their bytes, Ethernet header included",
        read: |facts, samples| flows(facts, samples, |flow| flow.bytes),
    },
    Series {
        name: "hhnet_flow_duplicates_total",
        kind: Counter,
        labels: FLOW,
        help: "Those of them that had come before",
        read: |facts, samples| flows(facts, samples, |flow| flow.duplicates.number()),
    },
];

/// What was counted, of each port and direction.
fn all<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a Member> {
    let ports = facts.status.all_ports();
    ports
        .flat_map(|port| [&port.received, &port.sent])
        .flatten()
}

fn each(facts: &Facts<'_>, samples: &mut Samples, of: fn(&Member) -> Option<Value>) {
    for member in all(facts) {
        let bond = member.bond.as_deref().unwrap_or_default();
        if let Some(value) = of(member) {
            samples.add([&member.name, bond, &member.direction.to_string()], value);
        }
    }
}

fn by_kind(facts: &Facts<'_>, samples: &mut Samples, of: fn(&Counted) -> u64) {
    for member in all(facts) {
        let bond = member.bond.as_deref().unwrap_or_default();
        let direction = member.direction.to_string();
        for (kind, counted) in member.kinds() {
            samples.add([&member.name, bond, &direction, kind], of(&counted));
        }
    }
}

/// One sample for each class; a series without that label has a class without a name.
fn compared(facts: &Facts<'_>, samples: &mut Samples, classes: &[Class]) {
    for port in facts.status.all_ports() {
        let Some(found) = &port.duplicates else {
            continue;
        };
        let bond = port
            .received
            .as_ref()
            .and_then(|member| member.bond.as_deref());
        for (class, of) in classes {
            samples.add([&port.name, bond.unwrap_or_default(), class], of(found));
        }
    }
}

fn flows(facts: &Facts<'_>, samples: &mut Samples, of: fn(&Flow) -> u64) {
    for flow in facts.flows.map_or(&[][..], |(_, flows)| flows) {
        let none = String::new;
        let (source_port, destination_port, icmp) = match flow.transport {
            Transport::Ports {
                source_port,
                destination_port,
            } => (
                source_port.to_string(),
                destination_port.to_string(),
                none(),
            ),
            Transport::Icmp {
                icmp_type,
                icmp_code,
                icmp_id,
            } => {
                let icmp = format!("type {icmp_type} code {icmp_code} id {icmp_id}");
                (none(), none(), icmp)
            }
            // Fragments without ports stand beside the flow of the first ones.
            Transport::Fragments { .. } => ("fragments".to_owned(), none(), none()),
            Transport::Nothing {} => (none(), none(), none()),
        };
        let labels = [
            flow.member.as_str(),
            &flow.direction.to_string(),
            &flow.vlan.map_or_else(none, |vlan| vlan.to_string()),
            &protocol_name(flow.protocol),
            &flow.source.to_string(),
            &source_port,
            &flow.destination.to_string(),
            &destination_port,
            &icmp,
        ];
        samples.add(labels, of(flow));
    }
}
