// SPDX-License-Identifier: Apache-2.0
//! Everything known about the machine, in one piece.
//!
//! ```text
//! kernel, sessions, programs ─▶ facts ─▶ Status ─▶ text       `hhnet status`
//!                                                ├─▶ JSON      `hhnet status --json`
//!                                                ├─▶ metrics   for Prometheus
//!                                                └─▶ diagnose  why there is no address
//! ```
//! What is printed as JSON is these very structs: a field is added, and never
//! changes its meaning under the same [`SCHEMA`]. Times are milliseconds, and
//! `null` is what is not known or does not apply.

mod facts;
mod lacp;
mod text;
pub(crate) mod words;

use std::{collections::BTreeMap, net::Ipv4Addr};

use serde::{Deserialize, Serialize};

pub use self::{facts::Facts, lacp::LacpState, text::Paint, words::Span};
use crate::xdp::{
    Mode,
    dups::Compared,
    report::{Direction, Member, Spread},
};

/// Version of the JSON: raised when a field goes or changes its meaning.
pub const SCHEMA: u32 = 1;

/// The whole picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// [`SCHEMA`].
    pub schema: u32,
    /// When it was taken, since boot.
    pub at_ms: u64,
    /// The agent; none is running without.
    pub agent: Option<Agent>,
    /// All bonds, hhnet's or not.
    pub bonds: Vec<Bond>,
    /// VLANs, and what else hhnet leases or sets an address on.
    pub interfaces: Vec<Interface>,
    /// What hhnet counts on, or has changed, and is no bond's member.
    pub ports: Vec<Port>,
    /// How evenly the members of a bond share a direction, where there are several.
    pub spread: Vec<Spread>,
    /// Duplicates on all members together; none without programs.
    pub duplicates: Option<Compared>,
}

/// The running agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Agent {
    /// Process id.
    pub pid: u32,
    /// Since it began.
    pub uptime_ms: u64,
    /// Version and build.
    pub build: String,
    /// Leases of an agent that had died, with which this one has gone on. All that is
    /// counted of them begins with this agent.
    pub adopted: usize,
}

/// A bond.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bond {
    /// Its name.
    pub name: String,
    /// Whether its mode is 802.3ad; any other is none of hhnet's making.
    pub lacp: bool,
    /// Transmit hash policy, as `ip` names it.
    pub policy: String,
    /// Administratively up.
    pub up: bool,
    /// Whether a member passes frames.
    pub carrier: bool,
    /// MTU in bytes.
    pub mtu: u32,
    /// MAC address.
    pub mac: Option<String>,
    /// The active aggregator.
    pub aggregator: Option<u16>,
    /// Members in it.
    pub ports_in_aggregator: u16,
    /// MAC address of its LACP partner's system; none before one has spoken.
    pub partner: Option<String>,
    /// Its members.
    pub members: Vec<Port>,
}

/// An interface that frames come in by: a member of a bond, or what a VLAN is on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Administratively up.
    pub up: bool,
    /// Whether the cable works.
    pub carrier: bool,
    /// Speed in Mbit/s, as the driver has it.
    pub speed_mbps: Option<u32>,
    /// MTU in bytes.
    pub mtu: u32,
    /// MAC address.
    pub mac: Option<String>,
    /// What LACP has made of it, as a member.
    pub lacp: Option<Lacp>,
    /// Its programs.
    pub programs: Vec<Program>,
    /// Why there is none that should be.
    pub complaint: Option<String>,
    /// What its programs have counted of received frames.
    pub received: Option<Member>,
    /// The same of sent ones.
    pub sent: Option<Member>,
    /// What came twice on it.
    pub duplicates: Option<Compared>,
}

/// A member as LACP and bonding see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lacp {
    /// In use, not kept in reserve.
    pub active: bool,
    /// Agreed: this end collects and distributes.
    pub distributing: bool,
    /// The aggregator it belongs to.
    pub aggregator: Option<u16>,
    /// State of this end.
    pub actor: LacpState,
    /// State of the partner's end, as last heard.
    pub partner: LacpState,
    /// MAC address of the partner's system on this member; none before it has spoken.
    pub partner_mac: Option<String>,
    /// Whether this end could not get in sync for a while (IEEE 802.1AX, 6.4.17).
    pub churned: bool,
    /// Times its link has failed.
    pub failures: u32,
}

/// A program on a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Which frames it sees.
    pub direction: Direction,
    /// Where it runs.
    pub mode: Mode,
    /// Why not in the driver.
    pub fallback_reason: Option<String>,
}

/// An interface with an address, or one that is to get one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// VLAN id, of a VLAN.
    pub vlan: Option<u16>,
    /// What it is on, of a VLAN.
    pub lower: Option<String>,
    /// Administratively up.
    pub up: bool,
    /// Whether frames can pass below.
    pub carrier: bool,
    /// MTU in bytes.
    pub mtu: u32,
    /// MAC address.
    pub mac: Option<String>,
    /// Its IPv4 addresses, whoever has set them: `10.0.1.10/24`.
    pub addresses: Vec<String>,
    /// Its DHCP client, if hhnet leases an address on it.
    pub dhcp: Option<Dhcp>,
}

/// A DHCP client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Dhcp {
    /// State as in RFC 2131, figure 5: BOUND, SELECTING, …
    pub state: String,
    /// Since it began.
    pub age_ms: u64,
    /// DISCOVERs sent.
    pub discovers: u64,
    /// REQUESTs sent, renewals included.
    pub requests: u64,
    /// Usable OFFERs received.
    pub offers: u64,
    /// OFFERs and ACKs without what makes a lease: of an exhausted pool.
    pub empty: u64,
    /// ACKs that brought or prolonged a lease.
    pub acks: u64,
    /// NAKs received.
    pub naks: u64,
    /// OFFERs that came more often than they were asked for.
    pub duplicate_offers: u64,
    /// ACKs likewise.
    pub duplicate_acks: u64,
    /// ACKs that prolonged a lease.
    pub renewals: u64,
    /// Leases that ended, or were refused, because they could not be prolonged.
    pub failed_renewals: u64,
    /// Times another machine had the address.
    pub conflicts: u64,
    /// Times an ACK brought another address than before.
    pub address_changes: u64,
    /// What came and was not used, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// What of the lease is not in force, in words.
    pub remarks: Vec<String>,
    /// What the way to the newest lease has consisted of so far, and how long each step
    /// took: `link`, `lacp`, `offer`, `ack`, `apply`.
    pub steps: Vec<Step>,
    /// All of it, once the lease is in force.
    pub time_to_lease_ms: Option<f64>,
    /// The lease in force.
    pub lease: Option<Lease>,
}

/// A step on the way to a lease.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub step: String,
    /// How long it took, in milliseconds.
    pub ms: f64,
}

/// A lease in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// The address and its subnet: `10.0.1.10/24`.
    pub address: String,
    /// The server that leased it (option 54).
    pub server: Ipv4Addr,
    /// The relay between it and us, if it was seen.
    #[serde(default)]
    pub relay: Option<Ipv4Addr>,
    /// Since the request that got it.
    pub age_ms: u64,
    /// Until it is over; none if it is for ever.
    pub remaining_ms: Option<u64>,
    /// Until it is renewed; none if that is overdue, or never.
    pub renew_in_ms: Option<u64>,
    /// Routes: `default via 10.0.1.1`.
    pub routes: Vec<String>,
    /// MTU that the server has asked for (option 26), in bytes.
    pub mtu: Option<u16>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// Time servers.
    pub ntp: Vec<Ipv4Addr>,
    /// Domain of the host.
    pub domain: Option<String>,
    /// Domains to search for short names.
    pub search: Vec<String>,
    /// Name the server has for this host.
    pub hostname: Option<String>,
}

impl Status {
    /// Of a bond, by its name.
    pub fn bond(&self, name: &str) -> Option<&Bond> {
        self.bonds.iter().find(|bond| bond.name == name)
    }

    /// Members of bonds, then the other ports.
    pub fn all_ports(&self) -> impl Iterator<Item = &Port> {
        let members = self.bonds.iter().flat_map(|bond| &bond.members);
        members.chain(&self.ports)
    }
}

#[cfg(test)]
mod tests;
