// SPDX-License-Identifier: Apache-2.0
//! The bonding driver's transmit hash, of a flow instead of a frame.
//!
//! What `bond_xmit_hash` computes in drivers/net/bonding/bond_main.c, the same
//! in Linux 6.1 and 6.12, of what a flow tells about its frames. Where that is
//! not enough there is no hash, rather than a guess. What cannot be noticed:
//! IPv6 extension headers (but fragments'), whose first number layer3+4 takes
//! for the protocol, and priorities in VLAN tags, which vlan+srcmac takes for a
//! part of the id.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::report::{Flow, Transport};
use crate::{cli::HashPolicy, link::Mac};

/// What a flow's frames have in their Ethernet header, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ethernet {
    /// Source address.
    pub source: Option<Mac>,
    /// Destination address.
    pub destination: Option<Mac>,
    /// This machine is where the flow comes from: nobody has hashed its frames
    /// before they came to the bond.
    pub local: bool,
}

/// The hash that chooses the member; `None` if the flow does not tell.
pub fn xmit_hash(policy: HashPolicy, flow: &Flow, ethernet: &Ethernet) -> Option<u32> {
    match policy {
        HashPolicy::Layer2 => ethernet_hash(flow, ethernet),
        HashPolicy::VlanSrcmac => Some(vlan_srcmac_hash(flow.vlan, ethernet.source?)),
        HashPolicy::Layer23 => {
            // `bond_flow_dissect` goes on with the packet that the error is about.
            (!is_icmp_error(flow)).then_some(())?;
            Some(addresses_hash(ethernet_hash(flow, ethernet)?, flow))
        }
        HashPolicy::Layer34 => {
            (!is_icmp_error(flow)).then_some(())?;
            Some(addresses_hash(transport(flow)?, flow) >> 1)
        }
        HashPolicy::Encap23 => {
            (!is_tunnel(flow.protocol)).then_some(())?;
            Some(addresses_hash(ethernet_hash(flow, ethernet)?, flow))
        }
        HashPolicy::Encap34 => {
            // Numbers that frames have been given before go before headers: by
            // the socket, if it is connected (`skb_set_hash_from_sk`), with the
            // flow label of IPv6 (`ip6_make_flowlabel`), or by the NIC that has
            // received what is forwarded.
            let drawn = has_ports(flow.protocol) || flow.source.is_ipv6() || !ethernet.local;
            (!drawn && !is_tunnel(flow.protocol)).then_some(())?;
            Some(addresses_hash(transport(flow)?, flow) >> 1)
        }
    }
}

/// `bond_eth_hash`: the last bytes of both addresses, and the EtherType. VLAN
/// tags are not in the frame yet.
fn ethernet_hash(flow: &Flow, ethernet: &Ethernet) -> Option<u32> {
    let ether_type = if flow.source.is_ipv4() {
        0x0800
    } else {
        0x86dd
    };
    let [.., source] = ethernet.source?;
    let [.., destination] = ethernet.destination?;
    Some(u32::from(destination) ^ u32::from(source) ^ ether_type)
}

/// `bond_vlan_srcmac_hash`: both halves of the address, and the VLAN id.
fn vlan_srcmac_hash(vlan: Option<u16>, source: Mac) -> u32 {
    let [a, b, c, d, e, f] = source.map(u32::from);
    u32::from(vlan.unwrap_or_default()) ^ (a << 16 | b << 8 | c) ^ (d << 16 | e << 8 | f)
}

/// `bond_ip_hash`, before layer 4 drops its lowest bit. Addresses are mixed as
/// they lie in memory.
fn addresses_hash(hash: u32, flow: &Flow) -> u32 {
    let hash = hash ^ folded(flow.source) ^ folded(flow.destination);
    let hash = hash ^ hash >> 16;
    hash ^ hash >> 8
}

/// `flow_get_u32_src`: an IPv4 address, or the words of an IPv6 address in one
/// (`ipv6_addr_hash`).
fn folded(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => u32::from_ne_bytes(address.octets()),
        IpAddr::V6(address) => {
            let octets = address.octets();
            let (words, _) = octets.as_chunks::<4>();
            let words = words.iter().copied().map(u32::from_ne_bytes);
            words.fold(0, |hash, word| hash ^ word)
        }
    }
}

/// What `__bond_xmit_hash` begins with at layer 4: ports, or type, code and
/// identifier of an ICMP message that has one; zero of fragments and others.
fn transport(flow: &Flow) -> Option<u32> {
    match flow.transport {
        Transport::Fragments { .. } => Some(0),
        Transport::Ports {
            source_port,
            destination_port,
        } => {
            let ([a, b], [c, d]) = (source_port.to_be_bytes(), destination_port.to_be_bytes());
            Some(u32::from_ne_bytes([a, b, c, d]))
        }
        Transport::Icmp {
            icmp_type,
            icmp_code,
            icmp_id,
        } => icmp(icmp_type, icmp_code, icmp_id),
        // Its index (`proto_ports_offset`) is not part of a flow.
        Transport::Nothing {} if matches!(flow.protocol, ESP | AUTHENTICATION) => None,
        Transport::Nothing {} => Some(0),
    }
}

/// `skb_flow_get_icmp_tci`: an identifier of 0 counts as 1, because 0 stands for
/// none.
fn icmp(kind: u8, code: u8, id: u16) -> Option<u32> {
    match kind {
        // Nothing at all is also what a message cut short leaves in a flow.
        0 if id == 0 => None,
        0 | 8 | 128 | 129 => {
            let [a, b] = id.max(1).to_ne_bytes();
            Some(u32::from_ne_bytes([kind, code, a, b]))
        }
        // Timestamps, whose identifier is not part of a flow.
        13 | 14 => None,
        _ => Some(0),
    }
}

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const ESP: u8 = 50;
const AUTHENTICATION: u8 = 51;

/// `icmp_is_err` and `icmpv6_is_err`.
fn is_icmp_error(flow: &Flow) -> bool {
    let Transport::Icmp { icmp_type, .. } = flow.transport else {
        return false;
    };
    match flow.protocol {
        ICMP => matches!(icmp_type, 3 | 4 | 5 | 11 | 12),
        ICMPV6 => matches!(icmp_type, 1..=4),
        _ => false,
    }
}

/// What `__skb_flow_dissect` looks into: IP in IP, GRE, MPLS in IP.
fn is_tunnel(protocol: u8) -> bool {
    matches!(protocol, 4 | 41 | 47 | 137)
}

/// TCP, UDP, DCCP, SCTP, UDP-Lite: fragments have them as well.
fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132 | 136)
}

/// The Ethernet address that stands for a group (RFC 1112 section 6.4, RFC 2464
/// section 7) or for everybody; `None` for one machine.
pub fn group_mac(address: IpAddr) -> Option<Mac> {
    match address {
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some([0xff; 6]),
        IpAddr::V4(group) if group.is_multicast() => {
            let [_, b, c, d] = group.octets();
            Some([0x01, 0x00, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V6(group) if group.is_multicast() => Some(v6_group_mac(group)),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

fn v6_group_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

#[cfg(test)]
mod tests;
