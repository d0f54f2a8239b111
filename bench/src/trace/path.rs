// SPDX-License-Identifier: Apache-2.0
//! Who talks to the server, in which VLAN, and through which member.

use etherparse::{EtherType, IpNumber};
use rand::Rng as _;

use super::wire::Wire;

/// The bond's address: its members have it too.
pub(super) const SERVER_MAC: [u8; 6] = [0x0c, 0x20, 0x12, 0xfe, 0x01, 0x01];
/// The anycast gateway, which has one address on every leaf, so that packets that
/// took another number of hops still come from the same MAC address.
const GATEWAY_MAC: [u8; 6] = [0x00, 0x00, 0x5e, 0x00, 0x01, 0x01];

/// Tags of a frame, the outermost first.
pub(super) type Tags = &'static [u16];

/// The VLANs of the server, by the share of conversations in percent. Nearly all of
/// them are in the VLAN that hhnet was told; the rest is another one, what the fabric
/// does not tag, and a customer's tag below the provider's.
const VLANS: [(u32, Tags); 4] = [(75, &[1001]), (12, &[1002]), (8, &[]), (5, &[100, 1001])];

/// One end of a conversation, seen from the server.
#[derive(Clone, Debug)]
pub(super) struct Path {
    pub(super) source: [u8; 6],
    pub(super) destination: [u8; 6],
    pub(super) tags: Tags,
    pub(super) addresses: Addresses,
    /// Left when the packet arrives.
    pub(super) hops: u8,
    /// Whether the sender's transport reacts to marks.
    pub(super) ecn: bool,
}

/// The peer's and the server's.
#[derive(Clone, Copy, Debug)]
pub(super) enum Addresses {
    V4 {
        source: [u8; 4],
        destination: [u8; 4],
    },
    V6 {
        source: [u8; 16],
        destination: [u8; 16],
        flow_label: u32,
    },
}

impl Path {
    /// From a host that is met nowhere else: one of the same subnet, or one behind
    /// the gateway.
    pub(super) fn draw(wire: &mut Wire, v6: bool) -> Self {
        let host: u16 = wire.rng.random_range(2..60_000);
        let near = wire.chance(0.3);
        let [high, low] = host.to_be_bytes();
        let subnet: u8 = if near {
            1
        } else {
            wire.rng.random_range(2..200)
        };
        let far_hops = [61, 62, 63, 125, 126][wire.rng.random_range(0..5)];
        Self {
            source: if near {
                [0x0c, 0x20, 0x12, 0x10, high, low]
            } else {
                GATEWAY_MAC
            },
            destination: SERVER_MAC,
            tags: draw_tags(wire),
            addresses: if v6 {
                Addresses::v6(subnet, host, wire.rng.random_range(1..1 << 20))
            } else {
                Addresses::V4 {
                    source: [10, subnet, high, low],
                    destination: [10, 1, 0, 10],
                }
            },
            hops: if near { 64 } else { far_hops },
            ecn: wire.chance(0.3),
        }
    }

    pub(super) const fn is_v6(&self) -> bool {
        matches!(self.addresses, Addresses::V6 { .. })
    }

    /// The member that the switches' hash of addresses and ports pins the conversation
    /// to; no ports for fragments.
    pub(super) fn member(&self, ports: (u16, u16)) -> u8 {
        let fold = |bytes: &[u8]| {
            let words = bytes.chunks_exact(2);
            words.fold(0, |sum, w| sum ^ u16::from_be_bytes([w[0], w[1]]))
        };
        let addresses = match &self.addresses {
            Addresses::V4 {
                source,
                destination,
            } => fold(source) ^ fold(destination),
            Addresses::V6 {
                source,
                destination,
                ..
            } => fold(source) ^ fold(destination),
        };
        let hash = addresses ^ ports.0 ^ ports.1;
        let hash = hash ^ hash >> 8;
        ((hash ^ hash >> 4) >> 1 & 1) as u8
    }

    /// A frame with `parts` of an IP packet.
    pub(super) fn ethernet(&self, parts: &[&[u8]]) -> Vec<u8> {
        let ether_type = if self.is_v6() {
            EtherType::IPV6
        } else {
            EtherType::IPV4
        };
        ethernet(
            self.destination,
            self.source,
            self.tags,
            ether_type.0,
            parts,
        )
    }
}

impl Addresses {
    fn v6(subnet: u8, host: u16, flow_label: u32) -> Self {
        let mut source = [0; 16];
        source[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        source[7] = subnet;
        source[14..].copy_from_slice(&host.to_be_bytes());
        let mut destination = source;
        destination[7] = 1;
        destination[14..].copy_from_slice(&[0, 10]);
        Self::V6 {
            source,
            destination,
            flow_label,
        }
    }

    /// Of a transport header by its own pseudo header functions.
    pub(super) fn checksum<E>(
        &self,
        v4: impl FnOnce([u8; 4], [u8; 4]) -> Result<u16, E>,
        v6: impl FnOnce([u8; 16], [u8; 16]) -> Result<u16, E>,
    ) -> u16 {
        let sum = match *self {
            Self::V4 {
                source,
                destination,
            } => v4(source, destination),
            Self::V6 {
                source,
                destination,
                ..
            } => v6(source, destination),
        };
        sum.unwrap_or_else(|_| unreachable!("traces hold no payload of 64 KiB"))
    }
}

/// The protocol number of ICMP in this version of IP.
pub(super) const fn icmp(v6: bool) -> IpNumber {
    if v6 {
        IpNumber::IPV6_ICMP
    } else {
        IpNumber::ICMP
    }
}

fn draw_tags(wire: &mut Wire) -> Tags {
    let mut point = wire.rng.random_range(0..100);
    for (share, tags) in VLANS {
        if point < share {
            return tags;
        }
        point -= share;
    }
    &[]
}

/// An Ethernet frame, padded to what the medium asks for: 60 bytes without the
/// checksum, a tag among them as a switch leaves it.
pub(super) fn ethernet(
    destination: [u8; 6],
    source: [u8; 6],
    tags: Tags,
    ether_type: u16,
    parts: &[&[u8]],
) -> Vec<u8> {
    const LEAST: usize = 60;
    let length = 14 + 4 * tags.len() + parts.iter().map(|part| part.len()).sum::<usize>();
    let mut frame = Vec::with_capacity(length.max(LEAST));
    frame.extend(destination);
    frame.extend(source);
    for (depth, tag) in tags.iter().enumerate() {
        let outer = depth + 1 < tags.len();
        let tag_type = if outer {
            EtherType::PROVIDER_BRIDGING
        } else {
            EtherType::VLAN_TAGGED_FRAME
        };
        frame.extend(tag_type.0.to_be_bytes());
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(ether_type.to_be_bytes());
    parts.iter().for_each(|part| frame.extend(*part));
    frame.resize(length.max(LEAST), 0);
    frame
}
