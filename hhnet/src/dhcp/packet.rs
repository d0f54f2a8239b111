// SPDX-License-Identifier: Apache-2.0
//! IPv4 and UDP around a DHCP message, for as long as there is no address and
//! the kernel's own stack cannot be used.

use std::net::Ipv4Addr;

use super::{CLIENT_PORT, SERVER_PORT};

const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;
const PROTOCOL_UDP: u8 = 17;

/// Whether the UDP checksum of a received packet means anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// It came over a wire: verify it.
    Complete,
    /// The sender is on this host and left it to hardware that never came
    /// (`TP_STATUS_CSUMNOTREADY`, as on veth): it is not valid, and need not be.
    Partial,
}

/// Why a packet was not taken for DHCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Shorter than its headers say.
    #[error("truncated packet")]
    Truncated,
    /// Not IPv4, not UDP, a fragment, or for another port.
    #[error("not a packet for a DHCP client")]
    NotForUs,
    /// The IPv4 or UDP checksum is wrong.
    #[error("wrong checksum")]
    Checksum,
}

/// Wraps a message from a client to a server into UDP and IPv4.
pub fn wrap(source: Ipv4Addr, destination: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let udp_len = UDP_HEADER + message.len();
    let total = IP_HEADER + udp_len;
    let mut packet = Vec::with_capacity(total);
    // Version and header length, DSCP CS6 (network control, as other clients).
    packet.extend([0x45, 0xc0]);
    packet.extend((total as u16).to_be_bytes());
    // Id 0 and "don't fragment" (RFC 6864, section 4.1), TTL 64.
    packet.extend([0, 0, 0x40, 0, 64, PROTOCOL_UDP, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    let sum = internet_checksum(&[&packet]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(CLIENT_PORT.to_be_bytes());
    packet.extend(SERVER_PORT.to_be_bytes());
    packet.extend((udp_len as u16).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(message);
    let sum = match udp_checksum(&packet[12..20], &packet[IP_HEADER..]) {
        0 => 0xffff, // zero would say "no checksum" (RFC 768)
        sum => sum,
    };
    packet[26..28].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// Unwraps a packet: the sender's address and the DHCP message inside.
///
/// # Errors
/// [`Rejected`], with the reason.
pub fn unwrap(packet: &[u8], checksum: Checksum) -> Result<(Ipv4Addr, &[u8]), Rejected> {
    let first = *packet.first().ok_or(Rejected::Truncated)?;
    let header_len = usize::from(first & 0xf) * 4;
    if first >> 4 != 4 || header_len < IP_HEADER {
        return Err(Rejected::NotForUs);
    }
    let header = packet.get(..header_len).ok_or(Rejected::Truncated)?;
    let word = |bytes: &[u8], at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let fragment = word(header, 6) & 0x3fff != 0;
    if header[9] != PROTOCOL_UDP || fragment {
        return Err(Rejected::NotForUs);
    }
    if internet_checksum(&[header]) != 0 {
        return Err(Rejected::Checksum);
    }
    // What follows the IP length is Ethernet padding.
    let udp = packet
        .get(header_len..word(header, 2).into())
        .ok_or(Rejected::Truncated)?;
    if udp.len() < UDP_HEADER {
        return Err(Rejected::Truncated);
    }
    if word(udp, 2) != CLIENT_PORT {
        return Err(Rejected::NotForUs);
    }
    let udp = udp.get(..word(udp, 4).into()).ok_or(Rejected::Truncated)?;
    let message = udp.get(UDP_HEADER..).ok_or(Rejected::Truncated)?;
    let absent = word(udp, 6) == 0;
    let verify = checksum == Checksum::Complete && !absent;
    if verify && udp_checksum(&header[12..20], udp) != 0 {
        return Err(Rejected::Checksum);
    }
    let source = [header[12], header[13], header[14], header[15]];
    Ok((source.into(), message))
}

/// Sum over the pseudo header (RFC 768) and the datagram.
fn udp_checksum(addresses: &[u8], datagram: &[u8]) -> u16 {
    let [high, low] = (datagram.len() as u16).to_be_bytes();
    internet_checksum(&[addresses, &[0, PROTOCOL_UDP, high, low], datagram])
}

/// RFC 1071 over several pieces, each but the last of even length.
pub(crate) fn internet_checksum(pieces: &[&[u8]]) -> u16 {
    let words = pieces.iter().flat_map(|piece| piece.chunks(2));
    let sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or_default()))
        .sum();
    let folded = (sum >> 16) + (sum & 0xffff);
    !((folded >> 16) + (folded & 0xffff)) as u16
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

    /// A packet from a server: [`wrap`] with the ports the other way round,
    /// which leaves both checksums as they are.
    fn from_server(message: &[u8]) -> Vec<u8> {
        let mut packet = wrap(SERVER, Ipv4Addr::BROADCAST, message);
        packet[20..24].rotate_left(2);
        packet
    }

    #[test]
    fn what_is_wrapped_can_be_unwrapped() {
        let packet = from_server(b"odd");
        assert_eq!(
            unwrap(&packet, Checksum::Complete),
            Ok((SERVER, &b"odd"[..]))
        );
    }

    #[test]
    fn ethernet_padding_is_no_part_of_the_message() {
        let mut packet = from_server(b"short");
        packet.extend([0xaa; 20]);
        assert_eq!(
            unwrap(&packet, Checksum::Complete),
            Ok((SERVER, &b"short"[..]))
        );
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let good = from_server(b"an even message!");
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(unwrap(&bad, Checksum::Complete).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_partial_udp_checksum_is_not_held_against_the_sender() {
        let mut packet = from_server(b"local");
        packet[26] ^= 0xff;
        assert_eq!(unwrap(&packet, Checksum::Complete), Err(Rejected::Checksum));
        assert!(unwrap(&packet, Checksum::Partial).is_ok());
        packet[26..28].fill(0);
        assert!(
            unwrap(&packet, Checksum::Complete).is_ok(),
            "no checksum at all is legal"
        );
    }

    #[test]
    fn fragments_are_left_alone() {
        for fragment in [[0x20, 0], [0, 1], [0x3f, 0xff]] {
            let mut packet = from_server(b"message");
            packet[6..8].copy_from_slice(&fragment);
            packet[10..12].fill(0);
            let sum = internet_checksum(&[&packet[..IP_HEADER]]);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
            let read = unwrap(&packet, Checksum::Partial);
            assert_eq!(read, Err(Rejected::NotForUs), "{fragment:?}");
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        let packet = from_server(b"message");
        for len in 0..packet.len() {
            assert!(
                unwrap(&packet[..len], Checksum::Complete).is_err(),
                "{len} bytes"
            );
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = unwrap(&bytes, Checksum::Complete);
            let _ = unwrap(&bytes, Checksum::Partial);
        }
    }
}
