// SPDX-License-Identifier: Apache-2.0
//! ICMP echoes (RFC 792), as bytes.

use crate::dhcp::packet::internet_checksum;

/// IPv4 header without options, in front of what a raw socket is given.
pub const IP_HEADER: usize = 20;
/// ICMP header of an echo: type, code, checksum, identifier, sequence number.
pub const HEADER: usize = 8;
/// As ping has it by default: 56 bytes of payload.
pub const SMALL: usize = HEADER + 56;

/// Type of an echo reply.
const REPLY: u8 = 0;
/// Type of an echo request.
const REQUEST: u8 = 8;

/// An echo reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The sequence number of its request.
    pub sequence: u16,
    /// What is left of its time to live.
    pub ttl: u8,
    /// Its length in bytes, IP header included.
    pub length: usize,
}

/// An echo request of so many bytes, without its IP header; [`HEADER`] at least.
pub fn request(id: u16, sequence: u16, length: usize) -> Vec<u8> {
    let mut message = vec![0; length.max(HEADER)];
    message[0] = REQUEST;
    message[4..6].copy_from_slice(&id.to_be_bytes());
    message[6..8].copy_from_slice(&sequence.to_be_bytes());
    let sum = internet_checksum(&[&message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// An echo reply to the requests of this identifier, its IP header included. Raw sockets
/// get also what has a wrong checksum (`raw_local_deliver` comes before `icmp_rcv`), which
/// nobody takes for a reply.
pub fn reply(packet: &[u8], id: u16) -> Option<Reply> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    let message = packet.get(header..)?;
    let sequence = echo(message, REPLY, id)?;
    let ttl = *packet.get(8)?;
    (internet_checksum(&[message]) == 0).then_some(Reply {
        sequence,
        ttl,
        length: packet.len(),
    })
}

/// The sequence number of a request of this identifier, which an ICMP error quotes:
/// without an IP header.
pub fn quoted(message: &[u8], id: u16) -> Option<u16> {
    echo(message, REQUEST, id)
}

fn echo(message: &[u8], kind: u8, id: u16) -> Option<u16> {
    let [found, 0, _, _, a, b, c, d, ..] = *message else {
        return None;
    };
    let is_ours = found == kind && u16::from_be_bytes([a, b]) == id;
    is_ours.then_some(u16::from_be_bytes([c, d]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_an_echo_with_a_checksum() {
        let message = request(0x1234, 5, SMALL);
        assert_eq!(message.len(), 64);
        assert_eq!(message[..2], [8, 0]);
        assert_eq!(message[4..8], [0x12, 0x34, 0, 5]);
        assert_eq!(internet_checksum(&[&message]), 0);
        assert_eq!(quoted(&message, 0x1234), Some(5));
        assert_eq!(quoted(&message, 0x1235), None, "somebody else's");
    }

    #[test]
    fn only_replies_to_us_count() {
        let packet = |kind: u8, id: u16| {
            let mut packet = vec![0x45; 1];
            packet.resize(IP_HEADER, 0);
            packet[8] = 63;
            let mut message = request(id, 4, SMALL);
            message[0] = kind;
            message[2..4].fill(0);
            let sum = internet_checksum(&[&message]);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            packet.extend(message);
            packet
        };
        let expected = Reply {
            sequence: 4,
            ttl: 63,
            length: 84,
        };
        assert_eq!(reply(&packet(REPLY, 7), 7), Some(expected));
        assert_eq!(reply(&packet(REQUEST, 7), 7), None, "a request");
        assert_eq!(reply(&packet(REPLY, 8), 7), None, "to somebody else");
        for place in 20..packet(REPLY, 7).len() {
            let mut damaged = packet(REPLY, 7);
            damaged[place] ^= 0x10;
            assert_eq!(reply(&damaged, 7), None, "damaged at {place}");
        }
        for cut in 0..IP_HEADER + HEADER {
            assert_eq!(reply(&packet(REPLY, 7)[..cut], 7), None, "{cut} bytes");
        }
    }
}
