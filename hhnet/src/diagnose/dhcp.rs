// SPDX-License-Identifier: Apache-2.0
//! What DHCP servers have answered, or have not.

use super::{Cause, Facts, Finding, Rank, count};
use crate::status::{Dhcp, Interface, Lease, Span};

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let interfaces = facts.status.interfaces.iter();
    interfaces
        .filter_map(|interface| Some((interface, interface.dhcp.as_ref()?)))
        .flat_map(|(interface, dhcp)| {
            let found = match &dhcp.lease {
                None => Vec::from_iter(without_lease(facts, interface, dhcp)),
                Some(lease) => with_lease(interface, dhcp, lease),
            };
            let name = &interface.name;
            found.into_iter().map(move |finding| finding.about(&[name]))
        })
        .collect()
}

/// What servers have said tells more than their silence.
fn without_lease(facts: &Facts, interface: &Interface, dhcp: &Dhcp) -> Option<Finding> {
    let name = &interface.name;
    match dhcp {
        Dhcp { conflicts: 1.., .. } => Some(conflict(name, dhcp)),
        // All counts are since the beginning: what was before the last lease is
        // no reason for having none now.
        Dhcp { acks: 1.., .. } => Some(lost(name, dhcp)),
        Dhcp { naks: 1.., .. } => Some(refused(name, dhcp)),
        Dhcp { offers: 1.., .. } => {
            is_late(dhcp.requests, since_offer_ms(dhcp)).then(|| no_ack(name, dhcp))
        }
        Dhcp { empty: 1.., .. } => Some(empty_offers(interface, dhcp)),
        Dhcp { .. } => {
            is_late(dhcp.discovers, dhcp.age_ms).then(|| no_offer(facts, interface, dhcp))
        }
    }
}

/// Whether an answer should have come: what was sent a moment ago may be under way.
fn is_late(sent: u64, since_ms: u64) -> bool {
    sent > 1 || sent == 1 && since_ms >= 1000
}

/// How long ago the way to a lease had come as far as the offer.
fn since_offer_ms(dhcp: &Dhcp) -> u64 {
    let way: f64 = dhcp.steps.iter().map(|step| step.ms).sum();
    dhcp.age_ms.saturating_sub(way as u64)
}

fn lost(name: &str, dhcp: &Dhcp) -> Finding {
    Finding::new(
        Cause::LeaseLost,
        Rank::Silence,
        format!(
            "{name} has lost its lease and gets no new one: {} sent in all, {}, {} and {} without \
             an address received",
            count(dhcp.discovers, "DISCOVER"),
            count(dhcp.offers, "OFFER"),
            count(dhcp.naks, "NAK"),
            count(dhcp.empty, "answer"),
        ),
        "check that the DHCP server and the relay of this VLAN still run, and that the server has \
         a free address",
    )
}

fn refused(name: &str, dhcp: &Dhcp) -> Finding {
    Finding::new(
        Cause::Nak,
        Rank::Answered,
        format!(
            "the DHCP server has refused {name} an address: {} to {}",
            count(dhcp.naks, "NAK"),
            count(dhcp.requests, "REQUEST"),
        ),
        "look at the server's log: it may know another network on this VLAN, or another server \
         owns the address",
    )
}

fn conflict(name: &str, dhcp: &Dhcp) -> Finding {
    Finding::new(
        Cause::AddressConflict,
        Rank::Answered,
        format!(
            "another machine uses the address that was leased for {name}: ARP has shown it {}",
            times(dhcp.conflicts)
        ),
        "find it by its ARP answers (arping, the switch's MAC table) and remove the address there, \
         or take it out of the DHCP range",
    )
}

fn no_ack(name: &str, dhcp: &Dhcp) -> Finding {
    let ignored = match dhcp.empty {
        0 => String::new(),
        empty => format!(" ({} without an address)", count(empty, "answer")),
    };
    Finding::new(
        Cause::NoAck,
        Rank::Answered,
        format!(
            "{} came on {name}, but no ACK to {}{ignored}: the DHCP server offers an address and \
             then does not give it",
            count(dhcp.offers, "OFFER"),
            count(dhcp.requests, "REQUEST"),
        ),
        "look at the server's log for this MAC address: it may have lost its database, or two \
         servers answer",
    )
}

fn empty_offers(interface: &Interface, dhcp: &Dhcp) -> Finding {
    let network = match interface.vlan {
        Some(vlan) => format!("VLAN {vlan}"),
        None => "this network".into(),
    };
    Finding::new(
        Cause::EmptyOffers,
        Rank::Answered,
        format!(
            "{} without an address came on {} to {}: the DHCP pool of {network} is exhausted, or the \
             fabric's server does not know the subnet",
            count(dhcp.empty, "OFFER"),
            interface.name,
            count(dhcp.discovers, "DISCOVER"),
        ),
        format!(
            "check that {network} belongs to a VPC subnet with DHCP enabled, and widen its range"
        ),
    )
}

fn no_offer(facts: &Facts, interface: &Interface, dhcp: &Dhcp) -> Finding {
    let name = &interface.name;
    let lower = interface.lower.as_ref().and_then(|l| facts.status.bond(l));
    let links = match lower {
        Some(bond) => {
            let mut agreed = bond.members.iter().filter_map(|m| m.lacp.as_ref());
            match agreed.any(|lacp| lacp.distributing) {
                true => ", although LACP has agreed",
                false => "",
            }
        }
        None => ", although the link is up",
    };
    let network = match interface.vlan {
        Some(vlan) => format!("carries VLAN {vlan}"),
        None => "is in the right network".into(),
    };
    Finding::new(
        Cause::NoOffer,
        Rank::Silence,
        format!(
            "no DHCP server has answered {} on {name} in {}{links}",
            count(dhcp.discovers, "DISCOVER"),
            Span(dhcp.age_ms),
        ),
        format!(
            "check that the switch port {network}, that the DHCP relay of that network runs, and \
             that the server has a pool for it"
        ),
    )
}

fn with_lease(interface: &Interface, dhcp: &Dhcp, lease: &Lease) -> Vec<Finding> {
    let mut found = Vec::new();
    if dhcp.conflicts > 0 {
        // It may be over, as there is a lease.
        found.push(conflict(&interface.name, dhcp).warning());
    }
    if let Some(remaining) = lease.remaining_ms
        && is_overdue(dhcp, lease.age_ms, remaining)
    {
        found.push(Finding::new(
            Cause::RenewalUnanswered,
            Rank::Lease,
            format!(
                "the lease of {} on {} has not been renewed for {}: {} does not answer, and in {} \
                 the address goes",
                lease.address,
                interface.name,
                Span(lease.age_ms),
                lease.server,
                Span(remaining),
            ),
            format!(
                "check that {} is reachable and still serves this network",
                lease.server
            ),
        ));
    }
    found
}

/// Asked for in vain, and not just since a moment.
fn is_overdue(dhcp: &Dhcp, age: u64, remaining: u64) -> bool {
    let in_time = remaining.saturating_mul(100) >= (age + remaining).saturating_mul(40);
    match dhcp.state.as_str() {
        "REBINDING" => true,
        "RENEWING" => !in_time,
        _ => false,
    }
}

fn times(number: u64) -> String {
    match number {
        1 => "once".into(),
        _ => format!("{number} times"),
    }
}
