// SPDX-License-Identifier: Apache-2.0
//! `hhnet flows` as text.

pub(crate) mod columns;
pub(crate) mod live;
mod policy;
pub(crate) mod words;

use self::{
    columns::{Column, table},
    policy::obedience,
    words::{endpoint, icmp, protocol},
};
use super::{
    expected::{Expected, Verdict},
    report::{Counted, Direction, Flow, FlowReport, Member, Transport},
    spread::Spread,
};
use crate::cli::By;

impl FlowReport {
    /// The text for a terminal: flows, then members. Ends with a newline.
    pub fn text(&self) -> String {
        let mut text = if self.flows.is_empty() {
            "no flows yet\n".to_owned()
        } else {
            table(&FLOW_COLUMNS, self.flows.iter().map(flow_row))
        };
        if self.flows.len() < self.total_flows {
            text += &format!("({} of {} flows)\n", self.flows.len(), self.total_flows);
        }
        if !self.members.is_empty() {
            text.push('\n');
            let rows = self
                .members
                .iter()
                .map(|member| member_row(member, self.by));
            text += &table(&MEMBER_COLUMNS, rows);
        }
        for spread in &self.spread {
            text += &evenness(spread, self.by);
        }
        for verdict in &self.policies {
            text += &obedience(verdict);
        }
        for member in &self.members {
            text += &left_out(member);
        }
        text
    }
}

const FLOW_COLUMNS: [Column; 10] = [
    ("MEMBER", false),
    ("DIR", false),
    ("VLAN", true),
    ("PROTO", false),
    ("SOURCE", false),
    ("DESTINATION", false),
    ("PACKETS", true),
    ("BYTES", true),
    ("DUPS", true),
    ("INFO", false),
];

fn flow_row(flow: &Flow) -> [String; 10] {
    let (source_port, destination_port, info) = match flow.transport {
        Transport::Ports {
            source_port,
            destination_port,
        } => (Some(source_port), Some(destination_port), String::new()),
        Transport::Icmp {
            icmp_type,
            icmp_code,
            icmp_id,
        } => (
            None,
            None,
            icmp(flow.protocol, icmp_type, icmp_code, icmp_id),
        ),
        Transport::Fragments { .. } => (None, None, "later fragments".to_owned()),
        Transport::Nothing {} => (None, None, String::new()),
    };
    [
        flow.member.clone(),
        flow.direction.to_string(),
        flow.vlan
            .map_or_else(|| "-".to_owned(), |vlan| vlan.to_string()),
        protocol(flow.protocol),
        endpoint(flow.source, source_port),
        endpoint(flow.destination, destination_port),
        flow.packets.to_string(),
        flow.bytes.to_string(),
        flow.duplicates.number().to_string(),
        info,
    ]
}

const MEMBER_COLUMNS: [Column; 11] = [
    ("MEMBER", false),
    ("DIR", false),
    ("HOOK", false),
    ("IPV4", true),
    ("IPV6", true),
    ("ARP", true),
    ("LACP", true),
    ("LLDP", true),
    ("OTHER", true),
    ("MALFORMED", true),
    ("SHARE", true),
];

fn member_row(member: &Member, by: By) -> [String; 11] {
    let packets = |counted: Counted| counted.packets.to_string();
    let share = member.share.map(|share| match by {
        By::Bytes => share.bytes,
        By::Packets | By::Dups => share.packets,
    });
    [
        member.name.clone(),
        member.direction.to_string(),
        member
            .mode
            .map_or_else(|| "detached".to_owned(), |mode| mode.to_string()),
        packets(member.ipv4),
        packets(member.ipv6),
        packets(member.arp),
        packets(member.lacp),
        packets(member.lldp),
        packets(member.other),
        packets(member.malformed),
        share.map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", share * 100.0)),
    ]
}

/// One line on how evenly the members share a direction.
fn evenness(spread: &Spread, by: By) -> String {
    let (unit, index) = match by {
        By::Bytes => ("bytes", spread.jain_bytes),
        By::Packets | By::Dups => ("packets", spread.jain_packets),
    };
    let done = match spread.direction {
        Direction::In => "received",
        Direction::Out => "sent",
    };
    let Spread { bond, members, .. } = spread;
    format!("{bond}, {done}: Jain's index of {unit} over {members} members is {index:.2}\n")
}

/// What the member counted in flows that cannot be shown.
fn left_out(member: &Member) -> String {
    let mut text = String::new();
    let mut line = |flows, counted: Counted, why| {
        if flows > 0 {
            let Counted { packets, bytes } = counted;
            let name = &member.name;
            text += &format!("{name}: {flows} flows, {packets} packets, {bytes} bytes {why}\n");
        }
    };
    line(
        member.unlisted_flows,
        member.unlisted,
        "are too small to be listed",
    );
    line(member.lost_flows, member.lost, "came too fast to be listed");
    text
}

#[cfg(test)]
mod tests;
