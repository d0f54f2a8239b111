// SPDX-License-Identifier: Apache-2.0
//! Links, bonds, and what LACP has made of them.

use super::{
    Facts,
    series::{
        Kind::{Counter, Gauge, Info},
        Samples, Series, Value,
    },
};
use crate::status::{Bond, Lacp, Port};

const BOND: &[&str] = &["bond"];
const MEMBER: &[&str] = &["bond", "interface"];

pub(super) const SERIES: &[Series] = &[
    Series {
        name: "hhnet_link_up",
        kind: Gauge,
        labels: &["interface"],
        help: "Whether the link is up and has carrier",
        read: |facts, samples| {
            each(facts, |name, up, _| samples.add([name], up));
        },
    },
    Series {
        name: "hhnet_link_mtu_bytes",
        kind: Gauge,
        labels: &["interface"],
        help: "MTU of the link",
        read: |facts, samples| {
            each(facts, |name, _, mtu| samples.add([name], u64::from(mtu)));
        },
    },
    Series {
        name: "hhnet_link_speed_bytes",
        kind: Gauge,
        labels: &["interface"],
        help: "Bytes a second that the link can carry, if its driver knows",
        read: |facts, samples| {
            for port in facts.status.all_ports() {
                if let Some(mbps) = port.speed_mbps {
                    samples.add([&port.name], u64::from(mbps) * 125_000);
                }
            }
        },
    },
    Series {
        name: "hhnet_bond_info",
        kind: Info,
        labels: &["bond", "policy", "aggregator", "partner"],
        help: "The bond's hash policy, its active aggregator and its LACP partner's MAC address",
        read: |facts, samples| {
            for bond in &facts.status.bonds {
                let partner = bond.partner.as_deref().unwrap_or_default();
                let aggregator = number(bond.aggregator);
                samples.add([&bond.name, &bond.policy, &aggregator, partner], true);
            }
        },
    },
    Series {
        name: "hhnet_bond_members",
        kind: Gauge,
        labels: BOND,
        help: "Members of the bond",
        read: |facts, samples| bonds(facts, samples, |bond| bond.members.len() as u64),
    },
    Series {
        name: "hhnet_bond_active_members",
        kind: Gauge,
        labels: BOND,
        help: "Members in the bond's active aggregator",
        read: |facts, samples| {
            bonds(facts, samples, |bond| bond.ports_in_aggregator.into());
        },
    },
    Series {
        name: "hhnet_member_info",
        kind: Info,
        labels: &["bond", "interface", "aggregator", "partner"],
        help: "The member's aggregator and the MAC address of its own LACP partner",
        read: |facts, samples| {
            members(facts, |bond, port, lacp| {
                let partner = lacp.partner_mac.as_deref().unwrap_or_default();
                samples.add([bond, &port.name, &number(lacp.aggregator), partner], true);
            });
        },
    },
    Series {
        name: "hhnet_member_distributing",
        kind: Gauge,
        labels: &["bond", "interface", "end"],
        help: "Whether that end of the member, actor (here) or partner, collects and distributes",
        read: |facts, samples| {
            members(facts, |bond, port, lacp| {
                samples.add([bond, &port.name, "actor"], lacp.distributing);
                samples.add([bond, &port.name, "partner"], lacp.partner.passes());
            });
        },
    },
    Series {
        name: "hhnet_member_churned",
        kind: Gauge,
        labels: MEMBER,
        help: "Whether LACP could not get the member in sync for a minute",
        read: |facts, samples| each_member(facts, samples, |lacp| lacp.churned.into()),
    },
    Series {
        name: "hhnet_member_link_failures_total",
        kind: Counter,
        labels: MEMBER,
        help: "Times the member's link has failed, as the bond counts",
        read: |facts, samples| {
            each_member(facts, samples, |lacp| u64::from(lacp.failures).into());
        },
    },
    Series {
        name: "hhnet_program_info",
        kind: Info,
        labels: &["interface", "direction", "mode"],
        help: "Where the program runs that counts frames in this direction: native (XDP), tcx, \
               clsact or generic (XDP)",
        read: |facts, samples| {
            for port in facts.status.all_ports() {
                for program in &port.programs {
                    let (direction, mode) = (program.direction, program.mode);
                    let labels = [&port.name, &direction.to_string(), &mode.to_string()];
                    samples.add(labels.map(String::as_str), true);
                }
            }
        },
    },
    Series {
        name: "hhnet_program_missing",
        kind: Gauge,
        labels: &["interface"],
        help: "Whether there is no program that should be: hhnet status says why",
        read: |facts, samples| {
            for port in facts.status.all_ports() {
                samples.add([&port.name], port.complaint.is_some());
            }
        },
    },
];

/// Every link there is: name, whether it works, MTU.
fn each(facts: &Facts<'_>, mut tell: impl FnMut(&str, bool, u32)) {
    let status = facts.status;
    for bond in &status.bonds {
        tell(&bond.name, bond.up && bond.carrier, bond.mtu);
    }
    for port in status.all_ports() {
        tell(&port.name, port.up && port.carrier, port.mtu);
    }
    // One that is leased on untagged is a port as well.
    let told = |name: &str| status.all_ports().any(|port| port.name == name);
    let told = |name: &str| told(name) || status.bond(name).is_some();
    for interface in status.interfaces.iter().filter(|i| !told(&i.name)) {
        let up = interface.up && interface.carrier;
        tell(&interface.name, up, interface.mtu);
    }
}

fn bonds(facts: &Facts<'_>, samples: &mut Samples, of: fn(&Bond) -> u64) {
    for bond in &facts.status.bonds {
        samples.add([&bond.name], of(bond));
    }
}

fn members(facts: &Facts<'_>, mut tell: impl FnMut(&str, &Port, &Lacp)) {
    for bond in &facts.status.bonds {
        for port in &bond.members {
            if let Some(lacp) = &port.lacp {
                tell(&bond.name, port, lacp);
            }
        }
    }
}

fn each_member(facts: &Facts<'_>, samples: &mut Samples, of: fn(&Lacp) -> Value) {
    members(facts, |bond, port, lacp| {
        samples.add([bond, &port.name], of(lacp))
    });
}

fn number(of: Option<u16>) -> String {
    of.map_or_else(String::new, |number| number.to_string())
}
