// SPDX-License-Identifier: Apache-2.0
//! Members of a bond and the switches they are cabled to.

use std::collections::BTreeMap;

use super::{Cause, Facts, Finding, Rank, count, list, one_or};
use crate::status::{Bond, Lacp, Port, Span};

/// A partner that speaks LACP is heard by then,
const PATIENCE_MS: u64 = 3000;
/// and by then both have come together, also where ports are slow.
const AGREEMENT_MS: u64 = 10_000;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let bonds = facts.status.bonds.iter().filter(|bond| bond.lacp);
    bonds.flat_map(|bond| of_bond(facts, bond)).collect()
}

fn of_bond(facts: &Facts, bond: &Bond) -> Vec<Finding> {
    let clients = facts.above(bond).filter_map(|i| i.dhcp.as_ref());
    // A bond without any is not ours, or no longer.
    let age_ms = clients.map(|dhcp| dhcp.age_ms).max();
    if age_ms.is_some_and(|age| age < PATIENCE_MS) {
        return Vec::new();
    }
    let linked: Vec<(&Port, &Lacp)> = bond
        .members
        .iter()
        .filter(|member| member.up && member.carrier)
        .filter_map(|member| Some((member, member.lacp.as_ref()?)))
        .collect();
    let (heard, silent): (Vec<_>, Vec<_>) = linked
        .into_iter()
        .partition(|(_, lacp)| lacp.partner_mac.is_some());
    // Without LACP a single port passes frames all the same.
    let rank = if facts.is_answered(bond) {
        Rank::Partly
    } else {
        Rank::NotAggregated
    };
    let mut found = Vec::new();
    if !silent.is_empty() {
        let some = heard.iter().any(|(_, lacp)| lacp.distributing);
        let rank = if some { Rank::Partly } else { rank };
        found.push(not_spoken(age_ms, &heard, &silent, rank));
    }
    let names: Vec<&str> = heard.iter().map(|(port, _)| port.name.as_str()).collect();
    let may_be_under_way = age_ms.is_some_and(|age| age < AGREEMENT_MS);
    let apart = different_partners(&heard, rank).or_else(|| {
        let late = (!may_be_under_way).then_some(&heard)?;
        not_together(late, rank)
    });
    found.extend(apart.map(|finding| finding.about(&names)));
    found
}

/// LACP is off at the other end.
fn not_spoken(
    age_ms: Option<u64>,
    heard: &[(&Port, &Lacp)],
    silent: &[(&Port, &Lacp)],
    rank: Rank,
) -> Finding {
    let names: Vec<&str> = silent.iter().map(|(port, _)| port.name.as_str()).collect();
    let number = names.len();
    let before: u64 = silent.iter().map(|(port, _)| lacpdus(port)).sum();
    let what = match before {
        0 => "no LACPDU has come".to_owned(),
        _ => format!(
            "no LACPDU comes any more ({} before)",
            count(before, "LACPDU")
        ),
    };
    let since = match age_ms {
        Some(age) if before == 0 => format!(" in {}", Span(age)),
        _ => String::new(),
    };
    let others = match heard {
        [] => format!(
            ", although {} up",
            one_or(number, "its link is", "their links are")
        ),
        [(other, _), ..] => format!(", while {} has a partner", other.name),
    };
    let sentence = format!(
        "{what} from the switch on {}{since}{others}: the switch {} in no port-channel, or LACP is off there",
        list(&names),
        one_or(number, "port is", "ports are"),
    );
    let next = format!(
        "on the switch, put the {} of {} into the port-channel of this server, with LACP active",
        one_or(number, "port", "ports"),
        list(&names),
    );
    Finding::new(Cause::NoLacp, rank, sentence, next).about(&names)
}

fn lacpdus(port: &Port) -> u64 {
    port.received
        .as_ref()
        .map_or(0, |received| received.lacp.packets)
}

/// The switches are no pair.
fn different_partners(heard: &[(&Port, &Lacp)], rank: Rank) -> Option<Finding> {
    let by_partner = groups(heard, |lacp| lacp.partner_mac.clone());
    (by_partner.len() > 1).then(|| {
        Finding::new(
            Cause::DifferentPartners,
            rank,
            format!(
                "the members have different LACP partners: {}: they are cabled to switches \
                 that are not one MLAG or ESLAG pair",
                told(&by_partner, |partner| format!("partner {partner}"))
            ),
            "cable all members to one switch or to one pair, or give both switches the same \
             LACP system id (ESLAG)",
        )
    })
}

/// All have one partner, but do not form one aggregate.
fn not_together(heard: &[(&Port, &Lacp)], rank: Rank) -> Option<Finding> {
    if !heard.iter().any(|(_, lacp)| !lacp.distributing) {
        return None;
    }
    let by_aggregator = groups(heard, |lacp| lacp.aggregator.map(|id| id.to_string()));
    if by_aggregator.len() > 1 {
        return Some(Finding::new(
            Cause::DifferentAggregators,
            rank,
            format!(
                "the members have one LACP partner but do not aggregate: {}: the switch has them \
                 in different port-channels",
                told(&by_aggregator, |id| format!("aggregator {id}"))
            ),
            "on the switch, put the ports of all members into one port-channel",
        ));
    }
    not_agreed(heard, rank)
}

fn not_agreed(heard: &[(&Port, &Lacp)], rank: Rank) -> Option<Finding> {
    let (port, lacp) = heard.iter().find(|(_, lacp)| !lacp.distributing)?;
    let rank = if heard.iter().any(|(_, lacp)| lacp.distributing) {
        Rank::Partly
    } else {
        rank
    };
    Some(Finding::new(
        Cause::LacpNotAgreed,
        rank,
        format!(
            "LACP has not come together on {}: this end is {}, its partner {}",
            port.name,
            lacp.actor.progress(),
            lacp.partner.progress(),
        ),
        "look at the port-channel on the switch: its port may be suspended, as speed or key differ",
    ))
}

/// Names of members, by what they have in common.
fn groups(
    members: &[(&Port, &Lacp)],
    by: impl Fn(&Lacp) -> Option<String>,
) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (port, lacp) in members {
        let key = by(lacp).unwrap_or_else(|| "none".into());
        groups.entry(key).or_default().push(port.name.clone());
    }
    groups
}

/// `enp2s1 has partner 0a:… and enp2s2 has partner 0b:…`
fn told(groups: &BTreeMap<String, Vec<String>>, what: impl Fn(&str) -> String) -> String {
    let parts: Vec<String> = groups
        .iter()
        .map(|(key, names)| {
            let has = one_or(names.len(), "has", "have");
            format!("{} {has} {}", list(names), what(key))
        })
        .collect();
    list(&parts)
}
