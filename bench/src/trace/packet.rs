// SPDX-License-Identifier: Apache-2.0
//! IP packets with correct checksums.

use etherparse::{IcmpEchoHeader, icmpv6};
use etherparse::{
    Icmpv4Header, Icmpv4Type, Icmpv6Header, Icmpv6Type, IpEcn, IpFragOffset, IpNumber, Ipv4Header,
    Ipv6FlowLabel, Ipv6FragmentHeader, Ipv6Header, TcpHeader, UdpHeader,
};

use super::path::{Addresses, Path, icmp};

/// What an ECN-capable transport sets, ECT(0).
const ECN_CAPABLE: u8 = 0b10;

/// The identification field of IPv4; IPv6 has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// A counter of the socket, as Linux has for TCP and for connected UDP.
    Counter(u16),
    /// Always 0, with "don't fragment": unconnected UDP on Linux, other systems' TCP.
    Zero,
}

impl Identity {
    /// The next packet's.
    pub(super) const fn next(&mut self) -> u16 {
        match self {
            Self::Counter(id) => {
                *id = id.wrapping_add(1);
                *id
            }
            Self::Zero => 0,
        }
    }
}

/// A piece of an IP packet that was too long.
struct Piece {
    identification: u32,
    offset: usize,
    more: bool,
}

impl Path {
    /// A frame with one TCP segment.
    pub(super) fn tcp(&self, id: u16, mut header: TcpHeader, payload: &[u8]) -> Vec<u8> {
        header.checksum = self.addresses.checksum(
            |from, to| header.calc_checksum_ipv4_raw(from, to, payload),
            |from, to| header.calc_checksum_ipv6_raw(from, to, payload),
        );
        self.packet(id, IpNumber::TCP, &[&header.to_bytes(), payload])
    }

    /// A frame with one UDP datagram.
    pub(super) fn udp(&self, id: u16, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
        let header = self.udp_header(ports, payload);
        self.packet(id, IpNumber::UDP, &[&header, payload])
    }

    /// A frame with an ICMP or ICMPv6 echo request or reply.
    pub(super) fn echo(
        &self,
        id: u16,
        reply: bool,
        echo: IcmpEchoHeader,
        payload: &[u8],
    ) -> Vec<u8> {
        let header = match self.addresses {
            Addresses::V4 { .. } => {
                let kind = if reply {
                    Icmpv4Type::EchoReply(echo)
                } else {
                    Icmpv4Type::EchoRequest(echo)
                };
                Icmpv4Header::with_checksum(kind, payload)
                    .to_bytes()
                    .to_vec()
            }
            Addresses::V6 { .. } => {
                let kind = if reply {
                    Icmpv6Type::EchoReply(echo)
                } else {
                    Icmpv6Type::EchoRequest(echo)
                };
                self.icmpv6(kind, payload)
            }
        };
        self.packet(id, icmp(self.is_v6()), &[&header, payload])
    }

    /// A frame with a neighbour solicitation for the host of that number.
    pub(super) fn solicitation(&self, host: u16) -> Vec<u8> {
        let Addresses::V6 { destination, .. } = self.addresses else {
            unreachable!("neighbours are solicited with IPv6 only");
        };
        let mut body = destination;
        body[14..].copy_from_slice(&host.to_be_bytes());
        // The option that tells the sender's link-layer address.
        let body = [&body[..], &[1, 1], &self.source].concat();
        let kind = Icmpv6Type::Unknown {
            type_u8: icmpv6::TYPE_NEIGHBOR_SOLICITATION,
            code_u8: 0,
            bytes5to8: [0; 4],
        };
        let header = self.icmpv6(kind, &body);
        self.packet(0, IpNumber::IPV6_ICMP, &[&header, &body])
    }

    fn icmpv6(&self, kind: Icmpv6Type, payload: &[u8]) -> Vec<u8> {
        let Addresses::V6 {
            source,
            destination,
            ..
        } = self.addresses
        else {
            unreachable!("ICMPv6 is in IPv6 only");
        };
        let header = Icmpv6Header::with_checksum(kind, source, destination, payload);
        let header = header.expect("traces hold no payload of 64 KiB");
        header.to_bytes().to_vec()
    }

    fn udp_header(&self, ports: (u16, u16), payload: &[u8]) -> [u8; 8] {
        let mut header = UdpHeader {
            source_port: ports.0,
            destination_port: ports.1,
            length: (UdpHeader::LEN + payload.len()) as u16,
            checksum: 0,
        };
        header.checksum = self.addresses.checksum(
            |from, to| header.calc_checksum_ipv4_raw(from, to, payload),
            |from, to| header.calc_checksum_ipv6_raw(from, to, payload),
        );
        header.to_bytes()
    }

    /// The frames of a UDP datagram that does not fit into one.
    pub(super) fn fragments(&self, id: u32, ports: (u16, u16), payload: &[u8]) -> Vec<Vec<u8>> {
        /// The largest multiple of eight beside either IP header in 1500 bytes.
        const ROOM: usize = 1448;
        let datagram = [&self.udp_header(ports, payload), payload].concat();
        let pieces = datagram.chunks(ROOM).enumerate();
        pieces
            .map(|(index, part)| {
                let piece = Piece {
                    identification: id,
                    offset: index * ROOM,
                    more: (index + 1) * ROOM < datagram.len(),
                };
                match self.addresses {
                    Addresses::V4 { .. } => self.v4(id as u16, IpNumber::UDP, &[part], Some(piece)),
                    Addresses::V6 { .. } => self.v6_fragment(&piece, part),
                }
            })
            .collect()
    }

    /// A frame with an IP packet of `parts`.
    pub(super) fn packet(&self, id: u16, protocol: IpNumber, parts: &[&[u8]]) -> Vec<u8> {
        match self.addresses {
            Addresses::V4 { .. } => self.v4(id, protocol, parts, None),
            Addresses::V6 { .. } => self.v6(protocol, parts),
        }
    }

    fn v4(&self, id: u16, protocol: IpNumber, parts: &[&[u8]], piece: Option<Piece>) -> Vec<u8> {
        let Addresses::V4 {
            source,
            destination,
        } = self.addresses
        else {
            unreachable!("chosen by the addresses");
        };
        let length = parts.iter().map(|part| part.len()).sum::<usize>() as u16;
        let header = Ipv4Header::new(length, self.hops, protocol, source, destination);
        let mut header = header.expect("traces hold no payload of 64 KiB");
        header.identification = id;
        header.ecn = self.ecn();
        if let Some(piece) = piece {
            header.dont_fragment = false;
            header.more_fragments = piece.more;
            header.fragment_offset = piece.units();
        }
        header.header_checksum = header.calc_header_checksum();
        self.ethernet(&[&[&header.to_bytes()[..]], parts].concat())
    }

    fn v6(&self, protocol: IpNumber, parts: &[&[u8]]) -> Vec<u8> {
        let Addresses::V6 {
            source,
            destination,
            flow_label,
        } = self.addresses
        else {
            unreachable!("chosen by the addresses");
        };
        let header = Ipv6Header {
            traffic_class: self.ecn().value(),
            flow_label: Ipv6FlowLabel::try_new(flow_label).expect("drawn from 20 bits"),
            payload_length: parts.iter().map(|part| part.len()).sum::<usize>() as u16,
            next_header: protocol,
            hop_limit: self.hops,
            source,
            destination,
        };
        self.ethernet(&[&[&header.to_bytes()[..]], parts].concat())
    }

    fn v6_fragment(&self, piece: &Piece, part: &[u8]) -> Vec<u8> {
        let header = Ipv6FragmentHeader::new(
            IpNumber::UDP,
            piece.units(),
            piece.more,
            piece.identification,
        );
        self.v6(
            IpNumber::IPV6_FRAGMENTATION_HEADER,
            &[&header.to_bytes(), part],
        )
    }

    fn ecn(&self) -> IpEcn {
        let mark = if self.ecn { ECN_CAPABLE } else { 0 };
        IpEcn::try_new(mark).expect("two bits")
    }
}

impl Piece {
    /// The offset in units of eight bytes.
    fn units(&self) -> IpFragOffset {
        IpFragOffset::try_new((self.offset / 8) as u16).expect("a datagram is below 64 KiB")
    }
}
