// SPDX-License-Identifier: Apache-2.0
//! `hhnet flows` as text.

use std::net::IpAddr;

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

/// A heading, and whether its column is of numbers, set to the right.
pub(super) type Column = (&'static str, bool);

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

/// How many flows are where the policy would put them, and which are not.
fn obedience(verdict: &Verdict) -> String {
    let Verdict {
        bond,
        policy,
        as_expected,
        elsewhere,
        unknown,
        ..
    } = verdict;
    let compared = as_expected + elsewhere;
    let mut text = String::new();
    if compared > 0 {
        text += &format!(
            "{bond}, sent: {as_expected} of {compared} flows are on the member that {policy} chooses"
        );
        if *unknown > 0 {
            text += &format!("; of {unknown} more that is not known");
        }
        text.push('\n');
    }
    for flow in &verdict.examples {
        text += &misplaced(flow);
    }
    let left_out = elsewhere - verdict.examples.len();
    if left_out > 0 {
        text += &format!("  and {left_out} more\n");
    }
    text
}

fn misplaced(flow: &Flow) -> String {
    let chosen = match &flow.expected {
        Some(Expected::Member(member)) => member,
        Some(Expected::Unknown) | None => return String::new(),
    };
    let [member, _, vlan, protocol, source, destination, .., info] = flow_row(flow);
    let vlan = flow
        .vlan
        .map_or_else(String::new, |_| format!("VLAN {vlan} "));
    let info = if info.is_empty() {
        info
    } else {
        format!(" ({info})")
    };
    format!("  {member} instead of {chosen}: {vlan}{protocol} {source} > {destination}{info}\n")
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

/// Rows under headings, columns two spaces apart, no space at a line's end.
pub(super) fn table<const N: usize>(
    columns: &[Column; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let headings = columns.map(|(heading, _)| heading.to_owned());
    let lines: Vec<[String; N]> = std::iter::once(headings).chain(rows).collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        lines
            .iter()
            .map(|line| line[column].len())
            .max()
            .unwrap_or_default()
    });
    let mut text = String::new();
    for line in &lines {
        let cells = line
            .iter()
            .zip(columns)
            .zip(widths)
            .map(|((cell, (_, right)), width)| {
                if *right {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}

/// A flow in one line.
pub(super) fn summary(
    number: u8,
    source: IpAddr,
    destination: IpAddr,
    transport: Transport,
) -> String {
    let name = protocol(number);
    match transport {
        Transport::Ports {
            source_port,
            destination_port,
        } => {
            let source = endpoint(source, Some(source_port));
            let destination = endpoint(destination, Some(destination_port));
            format!("{name} {source} to {destination}")
        }
        Transport::Icmp {
            icmp_type,
            icmp_code,
            icmp_id,
        } => {
            let what = icmp(number, icmp_type, icmp_code, icmp_id);
            format!("{name} {source} to {destination}, {what}")
        }
        Transport::Fragments { .. } => format!("{name} {source} to {destination}, fragments"),
        Transport::Nothing {} => format!("{name} {source} to {destination}"),
    }
}

fn endpoint(address: IpAddr, port: Option<u16>) -> String {
    match (address, port) {
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
        (address, Some(port)) => format!("{address}:{port}"),
        (address, None) => address.to_string(),
    }
}

/// The keyword of IANA's registry, or the number.
fn protocol(number: u8) -> String {
    let name = match number {
        0 => "hopopt",
        1 => "icmp",
        2 => "igmp",
        4 => "ipip",
        6 => "tcp",
        17 => "udp",
        33 => "dccp",
        41 => "ipv6",
        47 => "gre",
        50 => "esp",
        51 => "ah",
        58 => "icmpv6",
        59 => "no-next",
        88 => "eigrp",
        89 => "ospf",
        103 => "pim",
        112 => "vrrp",
        132 => "sctp",
        136 => "udplite",
        _ => return number.to_string(),
    };
    name.to_owned()
}

fn icmp(protocol: u8, kind: u8, code: u8, id: u16) -> String {
    let name = match (protocol, kind) {
        (1, 8) | (58, 128) => return format!("echo request, id {id}"),
        (1, 0) | (58, 129) => return format!("echo reply, id {id}"),
        (1, 3) | (58, 1) => "unreachable",
        (1, 5) | (58, 137) => "redirect",
        (1, 11) | (58, 3) => "time exceeded",
        (58, 2) => "packet too big",
        (58, 133) => "router solicitation",
        (58, 134) => "router advertisement",
        (58, 135) => "neighbour solicitation",
        (58, 136) => "neighbour advertisement",
        (58, 130..=132 | 143) => "multicast listener",
        _ => return format!("type {kind} code {code}"),
    };
    if code == 0 {
        name.to_owned()
    } else {
        format!("{name}, code {code}")
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Mode, report::Duplicates, spread::Share},
        *,
    };

    fn flow(protocol: u8, addresses: (&str, &str), transport: Transport) -> Flow {
        Flow {
            member: "enp2s1".to_owned(),
            direction: Direction::In,
            vlan: Some(1001),
            protocol,
            source: addresses.0.parse().expect("address"),
            destination: addresses.1.parse().expect("address"),
            transport,
            packets: 7,
            bytes: 1234,
            duplicates: Duplicates::default(),
            age_ms: 0,
            idle_ms: 0,
            expected: None,
        }
    }

    #[test]
    fn columns_line_up() {
        let v4 = ("10.0.1.10", "10.0.1.1");
        let mut flows = vec![
            flow(
                6,
                v4,
                Transport::Ports {
                    source_port: 40000,
                    destination_port: 443,
                },
            ),
            flow(
                1,
                v4,
                Transport::Icmp {
                    icmp_type: 8,
                    icmp_code: 0,
                    icmp_id: 77,
                },
            ),
            flow(
                17,
                ("fd00::10", "fd00::1"),
                Transport::Ports {
                    source_port: 53,
                    destination_port: 5353,
                },
            ),
            flow(17, v4, Transport::Fragments { fragments: true }),
            flow(250, v4, Transport::Nothing {}),
        ];
        flows[0].bytes = 98_765_432;
        flows[1].vlan = None;
        let packets = Counted {
            packets: 12,
            bytes: 0,
        };
        let mode = Some(Mode::Native);
        let member = Member {
            name: "enp2s1".into(),
            mode,
            ipv4: packets,
            ..Member::default()
        };
        let sent = Member {
            name: "enp2s1".into(),
            direction: Direction::Out,
            mode: Some(Mode::Tcx),
            share: Some(Share {
                packets: 0.5,
                bytes: 0.256,
            }),
            ..Member::default()
        };
        let spread = Spread {
            bond: "bond0".into(),
            direction: Direction::Out,
            members: 2,
            jain_packets: 1.0,
            jain_bytes: 0.8125,
        };
        let report = FlowReport {
            members: vec![member, sent],
            spread: vec![spread],
            policies: Vec::new(),
            by: By::Bytes,
            flows,
            total_flows: 9,
        };
        let expected = "\
MEMBER  DIR  VLAN  PROTO  SOURCE           DESTINATION     PACKETS     BYTES  DUPS  INFO
enp2s1  in   1001  tcp    10.0.1.10:40000  10.0.1.1:443          7  98765432     0
enp2s1  in      -  icmp   10.0.1.10        10.0.1.1              7      1234     0  echo request, id 77
enp2s1  in   1001  udp    [fd00::10]:53    [fd00::1]:5353        7      1234     0
enp2s1  in   1001  udp    10.0.1.10        10.0.1.1              7      1234     0  later fragments
enp2s1  in   1001  250    10.0.1.10        10.0.1.1              7      1234     0
(5 of 9 flows)

MEMBER  DIR  HOOK    IPV4  IPV6  ARP  LACP  LLDP  OTHER  MALFORMED  SHARE
enp2s1  in   native    12     0    0     0     0      0          0      -
enp2s1  out  tcx        0     0    0     0     0      0          0  25.6%
bond0, sent: Jain's index of bytes over 2 members is 0.81
";
        assert_eq!(report.text(), expected);
    }

    #[test]
    fn says_which_flows_are_not_where_the_policy_puts_them() {
        let ports = Transport::Ports {
            source_port: 40000,
            destination_port: 443,
        };
        let mut elsewhere = flow(6, ("10.0.1.10", "10.0.1.1"), ports);
        elsewhere.expected = Some(Expected::Member("enp2s2".into()));
        let mut verdict = Verdict {
            bond: "bond0".into(),
            policy: "layer2+3".into(),
            members: Vec::new(),
            as_expected: 98,
            elsewhere: 2,
            unknown: 3,
            examples: vec![elsewhere],
        };
        let expected = "\
bond0, sent: 98 of 100 flows are on the member that layer2+3 chooses; of 3 more that is not known
  enp2s1 instead of enp2s2: VLAN 1001 tcp 10.0.1.10:40000 > 10.0.1.1:443
  and 1 more
";
        assert_eq!(obedience(&verdict), expected);
        verdict = Verdict {
            as_expected: 5,
            elsewhere: 0,
            unknown: 0,
            examples: Vec::new(),
            ..verdict
        };
        let all = "bond0, sent: 5 of 5 flows are on the member that layer2+3 chooses\n";
        assert_eq!(obedience(&verdict), all);
    }

    #[test]
    fn says_what_is_left_out() {
        let lost = Counted {
            packets: 12,
            bytes: 720,
        };
        let member = Member {
            name: "enp2s1".into(),
            lost,
            lost_flows: 9,
            ..Member::default()
        };
        let expected = "enp2s1: 9 flows, 12 packets, 720 bytes came too fast to be listed\n";
        assert_eq!(left_out(&member), expected);
        assert_eq!(left_out(&Member::default()), "");
    }

    #[test]
    fn nothing_counted_yet() {
        assert_eq!(FlowReport::default().text(), "no flows yet\n");
    }

    #[test]
    fn icmp_in_words() {
        assert_eq!(icmp(58, 135, 0, 0), "neighbour solicitation");
        assert_eq!(icmp(1, 3, 4, 0), "unreachable, code 4");
        assert_eq!(icmp(1, 200, 3, 0), "type 200 code 3");
    }
}
