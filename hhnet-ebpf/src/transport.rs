// SPDX-License-Identifier: Apache-2.0
//! What follows the IP header.

use crate::{fingerprint::Evidence, frame::Frame};

/// What a transport header says.
pub(crate) struct Transport {
    /// As [`Attributes::ports`](crate::flow::Attributes::ports) has them.
    pub(crate) ports: u32,
    /// See [`Packet::headers`](crate::packet::Packet::headers).
    pub(crate) headers: u64,
    /// What a repetition proves, if the IP header proves nothing.
    pub(crate) evidence: Evidence,
    /// Whether it is an ICMP echo request or reply.
    pub(crate) is_echo: bool,
}

impl Transport {
    /// Of a fragment that does not carry it.
    pub(crate) const NOTHING: Self = Self {
        ports: 0,
        headers: 0,
        evidence: Evidence::Weak,
        is_echo: false,
    };
}

/// Reads the transport header at `offset`, `left` bytes before the end of its IP
/// packet.
#[inline(always)]
pub(crate) fn transport(frame: &Frame, offset: usize, left: u64, protocol: u8) -> Transport {
    // Eight bytes are all of a UDP or ICMP header, and the least that an error
    // message quotes of any other.
    if left < 8 {
        return Transport::NOTHING;
    }
    let Some(header) = frame.header::<8>(offset) else {
        return Transport::NOTHING;
    };
    let start = header.read::<u32, 0>();
    let mut found = Transport::NOTHING;
    match protocol {
        TCP => {
            let (length, evidence) = tcp(frame, offset, left);
            found.ports = start;
            found.evidence = evidence;
            if length != 0 && length <= left {
                found.headers = offset as u64 + length;
            }
        }
        UDP => {
            found.ports = start;
            found.headers = offset as u64 + 8;
        }
        DCCP | SCTP | UDP_LITE => found.ports = start,
        ICMP | ICMPV6 => {
            found.is_echo = matches!((protocol, start >> 24), (ICMP, 0 | 8) | (ICMPV6, 128 | 129));
            let identifier = if found.is_echo {
                header.read::<u16, 4>()
            } else {
                0
            };
            found.ports = u32::from(identifier) << 16 | start >> 16;
        }
        ESP => found.evidence = Evidence::Strong,
        _ => {}
    }
    found
}

/// Length of a TCP header, 0 if it cannot be read, and what a repetition proves.
#[inline(always)]
fn tcp(frame: &Frame, offset: usize, left: u64) -> (u64, Evidence) {
    const FIN: u16 = 0x01;
    const SYN: u16 = 0x02;
    const RST: u16 = 0x04;
    /// Bytes of a header with a timestamp and no other option.
    const STAMPED: u64 = 20 + 12;
    let Some(header) = frame.header::<14>(offset) else {
        return (0, Evidence::Weak);
    };
    let word = header.read::<u16, 12>();
    let length = u64::from(word >> 12) * 4;
    let is_stamped = is_stamped(frame, offset);
    let is_bare = left <= length && word & (FIN | SYN | RST) == 0;
    let evidence = match (is_bare, is_stamped) {
        (true, true) if length == STAMPED => Evidence::StampedAcknowledgement,
        (true, _) => Evidence::Acknowledgement,
        (false, true) => Evidence::Stamped,
        (false, false) => Evidence::Segment,
    };
    (length, evidence)
}

/// Whether there is a timestamp where Linux and others put it: first of all, or
/// after a SYN's segment size and permission of SACK (`tcp_options_write`).
#[inline(always)]
fn is_stamped(frame: &Frame, offset: usize) -> bool {
    const NOP_NOP_TIMESTAMP: u32 = 0x0101_080a;
    const TIMESTAMP: u16 = 0x080a;
    frame.header::<32>(offset).is_some_and(|header| {
        header.read::<u32, 20>() == NOP_NOP_TIMESTAMP || header.read::<u16, 26>() == TIMESTAMP
    })
}

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const DCCP: u8 = 33;
const ESP: u8 = 50;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;
