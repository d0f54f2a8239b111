// SPDX-License-Identifier: Apache-2.0
//! From what kernel, sessions and programs say to one [`Status`].

use std::{collections::BTreeMap, net::Ipv4Addr, time::Duration};

use super::{
    Agent, Bond, Dhcp, Interface, Lacp, LacpState, Lease, Port, Program, SCHEMA, Status, Step,
};
use crate::{
    dhcp::lease,
    journal::Journal,
    link::{Address, BondState, Device, Kind, Mac, MacText, Nic, PortState, Route, RouteTo},
    session::Report,
    xdp::{
        Attachment,
        dups::DupReport,
        report::{Choice, Direction, FlowReport, Member},
    },
};

/// What a status is made of. Without an agent there are links and addresses alone.
#[derive(Debug, Default)]
pub struct Facts<'a> {
    /// All links.
    pub devices: &'a [Device],
    /// All addresses.
    pub addresses: &'a [Address],
    /// What else is known of NICs, by their index.
    pub nics: BTreeMap<u32, Nic>,
    /// What hhnet has changed.
    pub journal: Option<&'a Journal>,
    /// Sessions: interface, beginning since boot, report.
    pub sessions: Vec<(&'a str, Duration, Report)>,
    /// Programs of this agent.
    pub attachments: Vec<&'a Attachment>,
    /// Why a link has no program that should have one.
    pub complaints: &'a [(String, String)],
    /// What was counted on each link and direction, bonds filled in.
    pub members: Vec<Member>,
    /// What came twice; none without programs.
    pub duplicates: Option<DupReport>,
    /// Process id of the agent and when it began, since boot; `None` without one.
    pub agent: Option<(u32, Duration)>,
    /// Leases that it has taken over.
    pub adopted: usize,
    /// Now, since boot.
    pub now: Duration,
}

impl Facts<'_> {
    /// Puts them together.
    pub fn status(mut self) -> Status {
        let members = std::mem::take(&mut self.members);
        let counted = FlowReport::new(members, Vec::new(), &Choice::default());
        self.members = counted.members;
        let bonds = self.devices.iter().filter_map(|device| match &device.kind {
            Kind::Bond(state) => Some(self.bond(device, state)),
            _ => None,
        });
        Status {
            schema: SCHEMA,
            at_ms: millis(self.now),
            agent: self.agent.map(|(pid, born)| Agent {
                pid,
                uptime_ms: millis(self.now.saturating_sub(born)),
                build: env!("HHNET_BUILD").to_owned(),
                adopted: self.adopted,
            }),
            bonds: bonds.collect(),
            interfaces: self.having(Facts::is_addressed, Facts::interface),
            ports: self.having(Facts::is_lone_port, Facts::port),
            spread: counted.spread,
            duplicates: self.duplicates.as_ref().map(|found| found.total.clone()),
        }
    }

    fn having<T>(&self, wanted: fn(&Self, &Device) -> bool, of: fn(&Self, &Device) -> T) -> Vec<T> {
        let devices = self.devices.iter().filter(|device| wanted(self, device));
        devices.map(|device| of(self, device)).collect()
    }

    fn is_addressed(&self, device: &Device) -> bool {
        let leased = self.sessions.iter().any(|(name, ..)| *name == device.name);
        let p2p = self.journal.is_some_and(|journal| {
            let mut noted = journal.p2p.iter();
            noted.any(|entry| entry.interface == device.name)
        });
        device.is_vlan() || leased || p2p
    }

    /// Counted or changed, and no member of a bond.
    fn is_lone_port(&self, device: &Device) -> bool {
        let counted = self.attachments.iter().any(|a| a.ifindex == device.index);
        let noted = |journal: &Journal| journal.before(&device.name).is_some();
        let ours = counted || self.complaint(device).is_some() || self.journal.is_some_and(noted);
        ours && device.kind == Kind::Other && device.port.is_none()
    }

    fn bond(&self, device: &Device, state: &BondState) -> Bond {
        let members = self.devices.iter();
        let members = members.filter(|member| member.master == Some(device.index));
        Bond {
            name: device.name.clone(),
            lacp: state.lacp,
            policy: state.policy.clone(),
            up: device.up,
            carrier: device.carrier,
            mtu: device.mtu,
            mac: text(device.mac),
            aggregator: state.aggregator,
            ports_in_aggregator: state.ports,
            partner: text(state.partner),
            members: members.map(|member| self.port(member)).collect(),
        }
    }

    fn port(&self, device: &Device) -> Port {
        let nic = self.nics.get(&device.index).copied().unwrap_or_default();
        let counted = |direction: Direction| {
            let mut all = self.members.iter();
            let ours = |m: &&Member| m.name == device.name && m.direction == direction;
            all.find(ours).cloned()
        };
        let programs = self.attachments.iter();
        let programs = programs.filter(|program| program.ifindex == device.index);
        let found = self.duplicates.as_ref().and_then(|found| {
            let mut members = found.members.iter();
            members.find(|member| member.member == device.name)
        });
        Port {
            name: device.name.clone(),
            up: device.up,
            carrier: device.carrier,
            speed_mbps: nic.speed,
            mtu: device.mtu,
            mac: text(device.mac),
            lacp: device.port.as_ref().map(|port| lacp(port, nic.partner)),
            programs: programs.map(|program| Program::of(program)).collect(),
            complaint: self.complaint(device).map(str::to_owned),
            received: counted(Direction::In),
            sent: counted(Direction::Out),
            duplicates: found.map(|member| member.compared.clone()),
        }
    }

    fn complaint(&self, device: &Device) -> Option<&str> {
        let mut newest = self.complaints.iter().rev();
        let found = newest.find(|(name, _)| *name == device.name);
        found.map(|(_, reason)| reason.as_str())
    }

    fn interface(&self, device: &Device) -> Interface {
        let lower = device.lower.and_then(|index| {
            let mut all = self.devices.iter();
            all.find(|lower| lower.index == index)
        });
        let addresses = self.addresses.iter();
        let addresses = addresses.filter(|a| a.index == device.index && a.address.is_ipv4());
        let session = self.sessions.iter();
        let session = session.clone().find(|(name, ..)| *name == device.name);
        Interface {
            name: device.name.clone(),
            vlan: match device.kind {
                Kind::Vlan(id) => Some(id),
                _ => None,
            },
            lower: lower.map(|lower| lower.name.clone()),
            up: device.up,
            carrier: device.carrier,
            mtu: device.mtu,
            mac: text(device.mac),
            addresses: addresses
                .map(|a| format!("{}/{}", a.address, a.len))
                .collect(),
            dhcp: session.map(|(_, began, report)| self.dhcp(*began, report)),
        }
    }

    fn dhcp(&self, began: Duration, report: &Report) -> Dhcp {
        let counters = &report.counters;
        let dropped = counters.dropped.iter().filter(|(_, count)| *count > 0);
        Dhcp {
            state: report.state.to_owned(),
            age_ms: millis(self.now.saturating_sub(began)),
            discovers: counters.discovers,
            requests: counters.requests,
            offers: counters.offers,
            empty: counters.dropped.empty(),
            acks: counters.acks,
            naks: counters.naks,
            duplicate_offers: counters.duplicate_offers,
            duplicate_acks: counters.duplicate_acks,
            renewals: counters.renewals,
            failed_renewals: counters.failed_renewals,
            conflicts: counters.conflicts,
            address_changes: counters.changes,
            dropped: dropped
                .map(|(reason, count)| (reason.to_owned(), count))
                .collect(),
            remarks: report.remarks.clone(),
            steps: report
                .milestones
                .steps()
                .map(|(step, took)| Step {
                    step: step.to_owned(),
                    ms: precise_millis(took),
                })
                .collect(),
            time_to_lease_ms: report.milestones.total().map(precise_millis),
            lease: report.lease.as_ref().map(|lease| self.lease(lease)),
        }
    }

    fn lease(&self, lease: &lease::Lease) -> Lease {
        let left = |at: Duration| at.checked_sub(self.now).map(millis);
        let renewal = lease.times.lease.map(|_| lease.since + lease.times.renew);
        Lease {
            address: lease.prefix.to_string(),
            server: lease.server,
            relay: lease.relay,
            age_ms: millis(self.now.saturating_sub(lease.since)),
            remaining_ms: lease.expiry().map(|expiry| left(expiry).unwrap_or(0)),
            renew_in_ms: renewal.and_then(left),
            routes: lease.routes.iter().map(route).collect(),
            mtu: lease.mtu,
            dns: lease.dns.clone(),
            ntp: lease.ntp.clone(),
            domain: lease.domain.clone(),
            search: lease.search.clone(),
            hostname: lease.hostname.clone(),
        }
    }
}

impl Program {
    fn of(attachment: &Attachment) -> Program {
        Program {
            direction: attachment.direction,
            mode: attachment.mode,
            fallback_reason: attachment.fallback_reason.clone(),
        }
    }
}

fn lacp(port: &PortState, partner: Option<Mac>) -> Lacp {
    Lacp {
        active: port.active,
        distributing: port.distributing(),
        aggregator: port.aggregator,
        actor: LacpState(port.actor),
        partner: LacpState(port.partner),
        partner_mac: text(partner),
        churned: port.churned,
        failures: port.failures,
    }
}

/// As `ip route` shows it.
fn route(route: &Route) -> String {
    let to = match (route.to.address, route.to.len) {
        (Ipv4Addr::UNSPECIFIED, 0) => "default".to_owned(),
        (address, 32) => address.to_string(),
        _ => route.to.to_string(),
    };
    match route.via {
        RouteTo::Link => to,
        RouteTo::Gateway(gateway) => format!("{to} via {gateway}"),
    }
}

fn text(mac: Option<Mac>) -> Option<String> {
    mac.filter(|mac| *mac != [0; 6])
        .map(|mac| MacText(mac).to_string())
}

/// To a microsecond: steps on a fast link are over within one millisecond.
fn precise_millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}
