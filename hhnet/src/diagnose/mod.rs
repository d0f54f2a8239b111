// SPDX-License-Identifier: Apache-2.0
//! Why there is no address, or not the network one wants: from facts to
//! sentences, the most likely cause first.
//!
//! ```text
//! look     what others do on this machine                  world
//! ping     does the gateway answer, also large packets?    world
//! proc     /proc/net/packet, /proc/net/udp                 bytes
//! links · lacp · dhcp · rivals · wire    a rule a cause    rules
//! report   findings -> text, JSON, exit status             rules
//! ```
//! A rule says nothing unless its cause is seen, so that there may be several
//! findings, or none.

mod dhcp;
mod lacp;
mod links;
pub mod look;
mod ping;
mod proc;
mod report;
mod rivals;
mod wire;

use serde::{Deserialize, Serialize};

pub(crate) use self::ping::forbid_fragments;
pub use self::report::{Diagnosis, failure};
use crate::status::{Bond, Interface, Port, Status};

/// What a diagnosis is made from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Links, LACP, leases, counters.
    pub status: Status,
    /// VLANs of the IP packets that were received on each port.
    pub heard: Vec<Heard>,
    /// Other DHCP clients on the interfaces that hhnet leases addresses on.
    pub rivals: Vec<Rival>,
    /// What became of pings to the gateways; sent by `hhnet diagnose` alone.
    pub pings: Vec<Pings>,
}

/// IP packets of one VLAN that came in by a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// The port.
    pub port: String,
    /// VLAN id; none if there was no tag, or the NIC took it out.
    pub vlan: Option<u16>,
    /// How many.
    pub packets: u64,
    /// Milliseconds since the last one.
    pub idle_ms: u64,
}

/// A process that speaks DHCP on an interface of hhnet's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rival {
    /// The interface.
    pub interface: String,
    /// Its name and process id, if it can be seen.
    pub process: Option<(String, u32)>,
    /// What gives it away.
    pub socket: Socket,
}

/// A socket of a DHCP client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Socket {
    /// A packet socket on the interface.
    Packet,
    /// UDP port 68.
    Port68,
}

/// Pings from an interface to its gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pings {
    /// The interface.
    pub interface: String,
    /// The gateway.
    pub gateway: std::net::Ipv4Addr,
    /// Sent of each size.
    pub sent: u32,
    /// Answered of the small ones.
    pub small_answered: u32,
    /// Length of the large ones in bytes, IP header included: the interface's MTU.
    pub large: u32,
    /// Answered of the large ones, which must not be fragmented.
    pub large_answered: u32,
}

/// Something that is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which cause, for scripts.
    pub cause: Cause,
    /// How bad it is.
    pub severity: Severity,
    /// The interfaces it is about; none if about the machine as a whole.
    pub interfaces: Vec<String>,
    /// What is wrong, without a full stop.
    pub sentence: String,
    /// What to do next, likewise.
    pub next_step: String,
    /// Where it stands among the others.
    #[serde(skip)]
    rank: Rank,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something does not work.
    Wrong,
    /// Everything works; something could be better.
    Warning,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An interface is administratively down.
    InterfaceDown,
    /// The cable, or the other end of it.
    NoCarrier,
    /// The other end does not speak LACP.
    NoLacp,
    /// Members of one bond hear different partners.
    DifferentPartners,
    /// Members of one bond are in different aggregators of one partner.
    DifferentAggregators,
    /// Both ends speak LACP and do not come together.
    LacpNotAgreed,
    /// No DHCP server answers.
    NoOffer,
    /// DHCP servers answer without an address.
    EmptyOffers,
    /// A server offers and then does not acknowledge.
    NoAck,
    /// A server refuses.
    Nak,
    /// Another machine has the address.
    AddressConflict,
    /// Another VLAN than the wanted one is on the wire.
    WrongVlan,
    /// Another DHCP client is on the interface.
    AnotherClient,
    /// The interface has an address that hhnet has not set.
    ForeignAddress,
    /// A lease has ended and no new one came.
    LeaseLost,
    /// A lease is not renewed.
    RenewalUnanswered,
    /// Small packets reach the gateway, large ones do not.
    MtuBlackHole,
    /// The gateway answers no ping.
    GatewaySilent,
    /// Frames come twice.
    Duplicates,
    /// Nothing is counted.
    NoPrograms,
    /// Nobody renews the leases.
    NoAgent,
}

/// What is more likely to be the reason than what follows: a fault that lets
/// nothing pass, then one that a server has shown by its answer, then one that
/// leaves another way open, then mere silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    NothingPasses,
    NotAggregated,
    Answered,
    Contended,
    Partly,
    #[default]
    Silence,
    Lease,
    Path,
    Hint,
}

impl Finding {
    fn new(cause: Cause, rank: Rank, sentence: String, next_step: impl Into<String>) -> Finding {
        Finding {
            cause,
            severity: Severity::Wrong,
            interfaces: Vec::new(),
            sentence,
            next_step: next_step.into(),
            rank,
        }
    }

    fn about<S: AsRef<str>>(self, interfaces: &[S]) -> Finding {
        let interfaces = interfaces.iter().map(|name| name.as_ref().to_owned());
        Finding {
            interfaces: interfaces.collect(),
            ..self
        }
    }

    fn warning(self) -> Finding {
        Finding {
            severity: Severity::Warning,
            ..self
        }
    }
}

/// What is wrong, the most likely cause first.
pub fn findings(facts: &Facts) -> Vec<Finding> {
    let rules = [
        links::findings,
        lacp::findings,
        dhcp::findings,
        rivals::findings,
        wire::findings,
    ];
    let mut found: Vec<Finding> = rules.iter().flat_map(|rule| rule(facts)).collect();
    // Stable: what stands first within a rank was found first.
    found.sort_by_key(|finding| finding.rank);
    found
}

/// What is wrong with one interface and what is below it.
pub fn findings_about(facts: &Facts, name: &str) -> Vec<Finding> {
    let mut found = findings(facts);
    let mut related = vec![name];
    let mut interfaces = facts.status.interfaces.iter();
    if let Some(interface) = interfaces.find(|interface| interface.name == name) {
        related.extend(interface.lower.as_deref());
        related.extend(facts.ports_below(interface).iter().map(|p| p.name.as_str()));
    }
    let is_related = |about: &String| related.contains(&about.as_str());
    found.retain(|f| f.interfaces.is_empty() || f.interfaces.iter().any(is_related));
    found
}

impl Facts {
    /// The ports below an interface: a bond's members, or the one its frames pass.
    fn ports_below(&self, interface: &Interface) -> Vec<&Port> {
        let lower = interface.lower.as_ref().unwrap_or(&interface.name);
        match self.status.bond(lower) {
            Some(bond) => bond.members.iter().collect(),
            None => {
                let ports = self.status.ports.iter();
                ports.filter(|port| port.name == *lower).collect()
            }
        }
    }

    /// Interfaces above a bond.
    fn above<'a>(&'a self, bond: &'a Bond) -> impl Iterator<Item = &'a Interface> {
        let interfaces = self.status.interfaces.iter();
        interfaces.filter(|i| i.lower.as_ref() == Some(&bond.name) || i.name == bond.name)
    }

    /// Whether servers have been heard, or are, through a bond.
    fn is_answered(&self, bond: &Bond) -> bool {
        let mut clients = self.above(bond).filter_map(|i| i.dhcp.as_ref());
        clients.any(|dhcp| dhcp.lease.is_some() || dhcp.offers + dhcp.empty + dhcp.acks > 0)
    }
}

/// `enp2s1`, `enp2s1 and enp2s2`, `enp2s1, enp2s2 and enp2s3`.
fn list<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [first @ .., last] => {
            let first: Vec<&str> = first.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", first.join(", "), last.as_ref())
        }
    }
}

/// `1 DISCOVER`, `2 DISCOVERs`.
fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// The one or the other word, by a number.
fn one_or<'a>(number: usize, one: &'a str, many: &'a str) -> &'a str {
    if number == 1 { one } else { many }
}

#[cfg(test)]
mod tests;
