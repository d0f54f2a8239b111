// SPDX-License-Identifier: Apache-2.0
//! Where a bond's policy would put the flows that were sent, as far as they
//! tell: to be compared with where they are.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{
    report::{Choice, Direction, Flow, Transport},
    xmit_hash::{Ethernet, xmit_hash},
};
use crate::cli::HashPolicy;

/// The member a flow should be on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Expected {
    /// The one that the policy chooses.
    Member(String),
    /// The flow does not tell, or was sent when the members were others.
    Unknown,
}

/// A bond that chooses by hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bond {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// How it chooses.
    pub policy: HashPolicy,
    /// All members.
    pub members: Vec<String>,
    /// Ids of the VLANs right on it, whose frames have no other tag inside.
    pub vlans: Vec<u16>,
    /// Those that distribute now, in the bond's own order: `usable_slaves`.
    pub usable: Vec<String>,
    /// For how long they have been these.
    pub unchanged_ms: u64,
}

/// What has to be asked to know the Ethernet header of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    /// Index of the bond.
    pub bond: u32,
    /// VLAN on it.
    pub vlan: Option<u16>,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
}

/// How well a bond's sent flows follow its policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The bond.
    pub bond: String,
    /// Its policy.
    pub policy: String,
    /// The members it chooses among.
    pub members: Vec<String>,
    /// Flows on the member that the policy chooses.
    pub as_expected: usize,
    /// Flows on another.
    pub elsewhere: usize,
    /// Flows of which that is not known.
    pub unknown: usize,
    /// The busiest of those that are elsewhere.
    #[serde(skip)]
    pub examples: Vec<Flow>,
}

/// For so many milliseconds after a change frames may still go by the members
/// there were before: the list of them is made anew by a task that waits for the
/// kernel's lock on links (`bond_slave_arr_work_rearm`). A client that was waiting
/// for a member sends right then.
const SETTLING_MS: u64 = 1_000;

/// How many flows that are elsewhere are shown.
const EXAMPLES: usize = 10;

impl Bond {
    fn has(&self, flow: &Flow) -> bool {
        flow.direction == Direction::Out && self.members.contains(&flow.member)
    }

    fn way(&self, flow: &Flow) -> Way {
        Way {
            bond: self.index,
            vlan: flow.vlan,
            source: flow.source,
            destination: flow.destination,
        }
    }

    /// Whether the flow was seen since the members are these.
    const fn is_recent(&self, flow: &Flow) -> bool {
        flow.idle_ms + SETTLING_MS < self.unchanged_ms
    }

    /// Whether the choice says anything: of a single member it does not.
    const fn chooses(&self) -> bool {
        self.usable.len() > 1
    }
}

/// The ways that [`expect`] wants to know, each once.
pub fn ways(flows: &[Flow], bonds: &[Bond]) -> HashSet<Way> {
    let asking: Vec<&Bond> = bonds.iter().filter(|bond| bond.chooses()).collect();
    let ways = flows.iter().filter_map(|flow| {
        let bond = asking.iter().find(|bond| bond.has(flow))?;
        (bond.is_recent(flow) && bond.policy != HashPolicy::Layer34).then(|| bond.way(flow))
    });
    ways.collect()
}

/// Writes into each flow that a bond has sent where its policy would put it.
/// Ways that are not among `known` lead nowhere.
pub fn expect(flows: &mut [Flow], bonds: &[Bond], known: &HashMap<Way, Ethernet>) {
    let fragmented: HashSet<(Way, u8)> = bonds
        .iter()
        .flat_map(|bond| {
            let fragments = |flow: &&Flow| matches!(flow.transport, Transport::Fragments { .. });
            let these = flows.iter().filter(|flow| bond.has(flow));
            these
                .filter(fragments)
                .map(|flow| (bond.way(flow), flow.protocol))
        })
        .collect();
    for flow in flows {
        let Some(bond) = bonds.iter().find(|bond| bond.has(flow)) else {
            continue;
        };
        let way = bond.way(flow);
        let ethernet = known.get(&way).copied().unwrap_or_default();
        let fragmented = fragmented.contains(&(way, flow.protocol));
        flow.expected = Some(match choose(bond, flow, &ethernet, fragmented) {
            Some(member) => Expected::Member(member.clone()),
            None => Expected::Unknown,
        });
    }
}

/// `bond_xmit_3ad_xor_slave_get`: the hash modulo the number of usable members.
fn choose<'a>(
    bond: &'a Bond,
    flow: &Flow,
    ethernet: &Ethernet,
    fragmented: bool,
) -> Option<&'a String> {
    if !bond.is_recent(flow) {
        return None;
    }
    if let [only] = bond.usable.as_slice() {
        return Some(only);
    }
    if flow.vlan.is_some_and(|vlan| !bond.vlans.contains(&vlan)) {
        // A tag inside another hides all else from most policies.
        return None;
    }
    let of = |flow: &Flow| {
        let hash = xmit_hash(bond.policy, flow, ethernet)? as usize;
        bond.usable.get(hash.checked_rem(bond.usable.len())?)
    };
    let chosen = of(flow)?;
    if fragmented {
        // First fragments are counted with the flow that their ports tell, but
        // sent with the others, by no ports.
        let transport = Transport::Fragments { fragments: true };
        let fragment = Flow {
            transport,
            ..flow.clone()
        };
        return (of(&fragment)? == chosen).then_some(chosen);
    }
    Some(chosen)
}

/// Sums up, bond by bond, what [`expect`] has found of the chosen members.
pub fn verdicts(flows: &[Flow], bonds: &[Bond], choice: &Choice) -> Vec<Verdict> {
    let sum_up = |bond: &Bond| {
        let of_bond = |flow: &&Flow| bond.has(flow) && choice.includes(&flow.member);
        let mut verdict = Verdict {
            bond: bond.name.clone(),
            policy: bond.policy.to_string(),
            members: bond.usable.clone(),
            as_expected: 0,
            elsewhere: 0,
            unknown: 0,
            examples: Vec::new(),
        };
        for flow in flows.iter().filter(of_bond) {
            match &flow.expected {
                Some(Expected::Member(member)) if *member == flow.member => {
                    verdict.as_expected += 1;
                }
                Some(Expected::Member(_)) => {
                    verdict.elsewhere += 1;
                    verdict.examples.push(flow.clone());
                }
                Some(Expected::Unknown) | None => verdict.unknown += 1,
            }
        }
        let examples = &mut verdict.examples;
        examples.sort_by_key(|flow| std::cmp::Reverse(flow.bytes));
        examples.truncate(EXAMPLES);
        verdict
    };
    bonds.iter().map(sum_up).collect()
}

#[cfg(test)]
mod tests;
