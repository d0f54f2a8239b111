// SPDX-License-Identifier: Apache-2.0
//! What the frames themselves tell: their VLAN, their size, their copies; and
//! what keeps them from being looked at.

use std::collections::BTreeSet;

use super::{Cause, Facts, Finding, Heard, Pings, Rank, count, list, one_or};
use crate::{
    status::{Interface, Port},
    xdp::dups::Compared,
};

/// Copies to a hundred frames that are worth a word.
const MANY: f64 = 0.01;
/// And this many at least: a few may be an accident.
const SOME: u64 = 5;
/// Packets of other VLANs, while none of ours came: fewer may be what a trunk happens to
/// carry.
const TRUNK: u64 = 3;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found: Vec<Finding> = facts
        .status
        .interfaces
        .iter()
        .filter_map(|interface| Some(wrong_vlan(facts, interface)?.about(&[&interface.name])))
        .collect();
    let pings = facts.pings.iter();
    found.extend(pings.filter_map(|pings| Some(of_pings(pings)?.about(&[&pings.interface]))));
    found.extend(facts.status.duplicates.as_ref().and_then(duplicates));
    found.extend(no_programs(facts));
    found.extend(no_agent(facts));
    found
}

/// Frames come in, but of other VLANs than the one that is waited on.
fn wrong_vlan(facts: &Facts, interface: &Interface) -> Option<Finding> {
    let vlan = interface.vlan?;
    let dhcp = interface.dhcp.as_ref()?;
    if dhcp.lease.is_some() || dhcp.offers + dhcp.empty + dhcp.acks + dhcp.naks > 0 {
        return None;
    }
    let ports: Vec<&Port> = facts.ports_below(interface);
    let here = |port: &String| ports.iter().any(|p| p.name == *port);
    let lately = |heard: &&Heard| heard.idle_ms <= dhcp.age_ms;
    let heard = facts.heard.iter().filter(|h| here(&h.port));
    let heard: Vec<_> = heard.filter(lately).collect();
    if heard.iter().any(|heard| heard.vlan == Some(vlan)) {
        return None;
    }
    // A trunk has other VLANs for other interfaces.
    let is_ours = |id: u16| {
        let mut siblings = facts.status.interfaces.iter();
        siblings.any(|other| other.lower == interface.lower && other.vlan == Some(id))
    };
    let others = heard.iter().filter_map(|heard| Some((heard.vlan?, heard)));
    let others: Vec<_> = others.filter(|(id, _)| !is_ours(*id)).collect();
    let packets: u64 = others.iter().map(|(_, heard)| heard.packets).sum();
    let ids: BTreeSet<u16> = others.iter().map(|(id, _)| *id).collect();
    let ids: Vec<String> = ids.iter().map(u16::to_string).collect();
    let names: BTreeSet<&str> = others.iter().map(|(_, h)| h.port.as_str()).collect();
    let names = Vec::from_iter(names);
    if packets < TRUNK {
        return None;
    }
    let tags = format!("{} {}", one_or(ids.len(), "VLAN", "VLANs"), list(&ids));
    Some(Finding::new(
        Cause::WrongVlan,
        Rank::Answered,
        format!(
            "{} of {tags} came in on {}, and none of VLAN {vlan}, where {} waits: the switch port \
             seems to carry another VLAN",
            count(packets, "packet"),
            list(&names),
            interface.name,
        ),
        format!(
            "put the switch port into VLAN {vlan} (the VPC attachment of this server), or use {tags}"
        ),
    ))
}

fn of_pings(pings: &Pings) -> Option<Finding> {
    let Pings {
        interface,
        gateway,
        sent,
        large,
        ..
    } = pings;
    if pings.small_answered == 0 {
        let sentence = format!(
            "{gateway}, the gateway of {interface}, has answered none of {}",
            count(u64::from(*sent), "ping")
        );
        let next = format!("see whether it is known by ARP: ip neigh show {gateway}");
        let finding = Finding::new(Cause::GatewaySilent, Rank::Hint, sentence, next);
        // Some routers never answer.
        return Some(finding.warning());
    }
    (pings.large_answered == 0).then(|| {
        Finding::new(
            Cause::MtuBlackHole,
            Rank::Path,
            format!(
                "{gateway} answers small pings on {interface} but none of {large} bytes, the \
                 interface's MTU: something on the way drops large packets"
            ),
            "raise the MTU of the switch ports on the way, or lower this one: hhnet cleanup, and \
             the command again with --mtu=1500",
        )
    })
}

fn duplicates(all: &Compared) -> Option<Finding> {
    let fraction = all.duplication_fraction?;
    (fraction > MANY && all.replicated >= SOME).then(|| {
        Finding::new(
            Cause::Duplicates,
            Rank::Hint,
            format!(
                "{:.1} % of what was received came twice ({} of {} frames)",
                fraction * 100.0,
                all.replicated,
                all.compared,
            ),
            "hhnet dups says which frames, and where they are duplicated",
        )
    })
}

fn no_programs(facts: &Facts) -> Option<Finding> {
    let ports = facts.status.all_ports();
    let refused: Vec<_> = ports
        .filter_map(|port| Some((port.name.as_str(), port.complaint.as_deref()?)))
        .collect();
    let (_, reason) = refused.first()?;
    let names: Vec<&str> = refused.iter().map(|(name, _)| *name).collect();
    let sentence = format!("nothing is counted on {}: {reason}", list(&names));
    let next = "leases work without; flows and dups stay empty until programs can be loaded";
    let finding = Finding::new(Cause::NoPrograms, Rank::Hint, sentence, next);
    Some(finding.about(&names).warning())
}

/// Interfaces with an address that nobody renews.
fn no_agent(facts: &Facts) -> Option<Finding> {
    if facts.status.agent.is_some() {
        return None;
    }
    let interfaces = facts.status.interfaces.iter();
    let names: Vec<&str> = interfaces.map(|i| i.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let sentence = format!(
        "no agent is running: if {} {} hhnet's, nobody renews the lease",
        list(&names),
        one_or(names.len(), "is", "are"),
    );
    let next = "hhnet cleanup, and the command again";
    let finding = Finding::new(Cause::NoAgent, Rank::Hint, sentence, next);
    Some(finding.about(&names).warning())
}
