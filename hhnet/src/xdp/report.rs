// SPDX-License-Identifier: Apache-2.0
//! `hhnet flows`: order, text and JSON.

use std::{cmp::Reverse, net::IpAddr};

use hhnet_ebpf::{
    flow::{Attributes, Count},
    member::{Kind, MemberCounters},
};
use serde::Serialize;

use super::Mode;

/// What `hhnet flows` shows, and with `--json` prints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FlowReport {
    /// Counters of each member.
    pub members: Vec<Member>,
    /// Flows, the one with the most bytes first.
    pub flows: Vec<Flow>,
    /// Flows known, shown or not.
    pub total_flows: usize,
}

/// Frames one member received, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The interface.
    pub name: String,
    /// Where its program runs; none if it was detached.
    pub mode: Option<Mode>,
    /// IPv4 packets.
    pub ipv4: Counted,
    /// IPv6 packets.
    pub ipv6: Counted,
    /// ARP.
    pub arp: Counted,
    /// LACP and the other slow protocols.
    pub lacp: Counted,
    /// LLDP.
    pub lldp: Counted,
    /// Other EtherTypes, LLC frames, more than two VLAN tags.
    pub other: Counted,
    /// Frames cut short or with an IP header that contradicts itself.
    pub malformed: Counted,
    /// IP packets whose flow found no room in the table.
    pub uncounted: Counted,
    /// Frames with two VLAN tags.
    pub double_tagged: u64,
    /// IP fragments after the first.
    pub later_fragments: u64,
}

/// Frames and their bytes on the wire, Ethernet header included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// Frames.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl From<Count> for Counted {
    fn from(Count { packets, bytes }: Count) -> Self {
        Self { packets, bytes }
    }
}

/// One flow on one member in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// The member that received or sent it.
    pub member: String,
    /// Received or sent.
    pub direction: Direction,
    /// VLAN id; none if the NIC took the tag out before the program ran.
    pub vlan: Option<u16>,
    /// IP protocol number.
    pub protocol: u8,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// Ports, or what the protocol has instead.
    #[serde(flatten)]
    pub transport: Transport,
    /// Frames.
    pub packets: u64,
    /// Bytes on the wire, Ethernet header included.
    pub bytes: u64,
    /// Milliseconds since the first frame.
    pub age_ms: u64,
    /// Milliseconds since the last frame.
    pub idle_ms: u64,
}

/// Seen from this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Received.
    In,
    /// Sent.
    Out,
}

/// What tells flows between two addresses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Transport {
    /// TCP, UDP, SCTP, DCCP, UDP-Lite.
    Ports {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
    },
    /// ICMP and ICMPv6.
    Icmp {
        /// Type.
        icmp_type: u8,
        /// Code.
        icmp_code: u8,
        /// Identifier, of echoes alone.
        icmp_id: u16,
    },
    /// Fragments that do not carry the transport header.
    Fragments {
        /// Always true.
        fragments: bool,
    },
    /// A protocol without ports.
    Nothing {},
}

impl Transport {
    /// Reads the ports of a key by its protocol.
    pub fn new(attributes: Attributes) -> Self {
        let (source, destination) = attributes.ports();
        match attributes.protocol() {
            _ if attributes.is_later_fragment() => Self::Fragments { fragments: true },
            1 | 58 => {
                let [icmp_type, icmp_code] = destination.to_be_bytes();
                Self::Icmp {
                    icmp_type,
                    icmp_code,
                    icmp_id: source,
                }
            }
            6 | 17 | 33 | 132 | 136 => Self::Ports {
                source_port: source,
                destination_port: destination,
            },
            _ => Self::Nothing {},
        }
    }
}

impl Member {
    /// The counters of the member called `name`.
    pub fn new(name: &str, mode: Option<Mode>, counters: &MemberCounters) -> Self {
        let of = |kind: Kind| counters.kinds[kind as usize].into();
        Self {
            name: name.to_owned(),
            mode,
            ipv4: of(Kind::Ipv4),
            ipv6: of(Kind::Ipv6),
            arp: of(Kind::Arp),
            lacp: of(Kind::Lacp),
            lldp: of(Kind::Lldp),
            other: of(Kind::Other),
            malformed: of(Kind::Malformed),
            uncounted: counters.uncounted.into(),
            double_tagged: counters.double_tagged,
            later_fragments: counters.later_fragments,
        }
    }
}

impl FlowReport {
    /// Orders flows by bytes, then packets, then what they are, and keeps the
    /// first `top`.
    pub fn new(members: Vec<Member>, mut flows: Vec<Flow>, top: Option<usize>) -> Self {
        let total_flows = flows.len();
        flows.sort_by(|a, b| rank(a).cmp(&rank(b)));
        flows.truncate(top.unwrap_or(total_flows));
        Self {
            members,
            flows,
            total_flows,
        }
    }

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
            text += &table(&MEMBER_COLUMNS, self.members.iter().map(member_row));
        }
        text
    }
}

fn rank(flow: &Flow) -> impl Ord + use<'_> {
    let Flow {
        member,
        direction,
        vlan,
        protocol,
        source,
        destination,
        transport,
        ..
    } = flow;
    let name = (
        member,
        direction,
        vlan,
        protocol,
        source,
        destination,
        transport,
    );
    (Reverse(flow.bytes), Reverse(flow.packets), name)
}

/// A heading, and whether its column is of numbers, set to the right.
type Column = (&'static str, bool);

const FLOW_COLUMNS: [Column; 9] = [
    ("MEMBER", false),
    ("DIR", false),
    ("VLAN", true),
    ("PROTO", false),
    ("SOURCE", false),
    ("DESTINATION", false),
    ("PACKETS", true),
    ("BYTES", true),
    ("INFO", false),
];

fn flow_row(flow: &Flow) -> [String; 9] {
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
        match flow.direction {
            Direction::In => "in".to_owned(),
            Direction::Out => "out".to_owned(),
        },
        flow.vlan
            .map_or_else(|| "-".to_owned(), |vlan| vlan.to_string()),
        protocol(flow.protocol),
        endpoint(flow.source, source_port),
        endpoint(flow.destination, destination_port),
        flow.packets.to_string(),
        flow.bytes.to_string(),
        info,
    ]
}

const MEMBER_COLUMNS: [Column; 9] = [
    ("MEMBER", false),
    ("XDP", false),
    ("IPV4", true),
    ("IPV6", true),
    ("ARP", true),
    ("LACP", true),
    ("LLDP", true),
    ("OTHER", true),
    ("MALFORMED", true),
];

fn member_row(member: &Member) -> [String; 9] {
    let packets = |counted: Counted| counted.packets.to_string();
    [
        member.name.clone(),
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
    ]
}

/// Rows under headings, columns two spaces apart, no space at a line's end.
fn table<const N: usize>(columns: &[Column; N], rows: impl Iterator<Item = [String; N]>) -> String {
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
