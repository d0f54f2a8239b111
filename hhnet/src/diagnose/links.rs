// SPDX-License-Identifier: Apache-2.0
//! Cables, and interfaces that somebody has set down.

use super::{Cause, Facts, Finding, Rank, list, one_or};
use crate::status::Port;

pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = Vec::new();
    for bond in facts.status.bonds.iter().filter(|bond| bond.lacp) {
        let members: Vec<&Port> = bond.members.iter().collect();
        found.extend(of_ports(&members));
        if !bond.up {
            found.push(down(&[bond.name.as_str()], Rank::NothingPasses));
        }
    }
    for port in &facts.status.ports {
        found.extend(of_ports(&[port]));
    }
    for interface in &facts.status.interfaces {
        let known = facts.status.all_ports();
        let mut known = known.filter(|port| port.name == interface.name);
        if interface.dhcp.is_some() && !interface.up && known.next().is_none() {
            found.push(down(&[interface.name.as_str()], Rank::NothingPasses));
        }
    }
    found
}

/// Of ports that can stand in for each other.
fn of_ports(ports: &[&Port]) -> Vec<Finding> {
    let names = |wanted: fn(&Port) -> bool| -> Vec<&str> {
        let wanted = ports.iter().filter(|port| wanted(port));
        wanted.map(|port| port.name.as_str()).collect()
    };
    let set_down = names(|port| !port.up);
    let unplugged = names(|port| port.up && !port.carrier);
    let rank = if set_down.len() + unplugged.len() == ports.len() {
        Rank::NothingPasses
    } else {
        Rank::Partly
    };
    let mut found = Vec::new();
    if !unplugged.is_empty() {
        found.push(no_carrier(&unplugged, rank));
    }
    if !set_down.is_empty() {
        found.push(down(&set_down, rank));
    }
    found
}

fn no_carrier(names: &[&str], rank: Rank) -> Finding {
    let number = names.len();
    let sentence = format!(
        "{} {} no carrier: the {} down",
        list(names),
        one_or(number, "has", "have"),
        one_or(
            number,
            "cable or the switch port is",
            "cables or the switch ports are"
        ),
    );
    let next = format!(
        "check the {} at both ends, and that the switch has the {} enabled",
        one_or(number, "cable", "cables"),
        one_or(number, "port", "ports"),
    );
    Finding::new(Cause::NoCarrier, rank, sentence, next).about(names)
}

fn down(names: &[&str], rank: Rank) -> Finding {
    let sentence = format!(
        "{} {} set down: somebody on this machine has switched {} off",
        list(names),
        one_or(names.len(), "is", "are"),
        one_or(names.len(), "it", "them"),
    );
    let commands: Vec<String> = names
        .iter()
        .map(|name| format!("ip link set {name} up"))
        .collect();
    Finding::new(Cause::InterfaceDown, rank, sentence, list(&commands)).about(names)
}
