// SPDX-License-Identifier: Apache-2.0
//! Names and numbers as people write them.

use std::net::IpAddr;

use crate::xdp::report::Transport;

/// A flow in one line.
pub(crate) fn summary(
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

/// An address, and a port if there is one.
pub(super) fn endpoint(address: IpAddr, port: Option<u16>) -> String {
    match (address, port) {
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
        (address, Some(port)) => format!("{address}:{port}"),
        (address, None) => address.to_string(),
    }
}

/// The keyword of IANA's registry, or the number.
pub(crate) fn protocol(number: u8) -> String {
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

pub(super) fn icmp(protocol: u8, kind: u8, code: u8, id: u16) -> String {
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
