// SPDX-License-Identifier: Apache-2.0
//! What follows the IP header.

use crate::frame::Frame;

/// What a transport header says.
#[derive(Default)]
pub(crate) struct Transport {
    /// As [`Attributes::ports`] has them.
    pub(crate) ports: u32,
    /// See [`Packet::headers`](crate::packet::Packet::headers).
    pub(crate) headers: u64,
}

/// Reads the transport header at `offset`, `left` bytes before the end of its IP
/// packet.
#[inline(always)]
pub(crate) fn transport(frame: &Frame, offset: usize, left: u64, protocol: u8) -> Transport {
    // The XDP program has no use for it, and no code.
    let length = match protocol {
        UDP => 8,
        TCP => match frame.header::<13>(offset) {
            Some(header) => u64::from(header.read::<u8, 12>() >> 4) * 4,
            None => 0,
        },
        _ => 0,
    };
    Transport {
        ports: ports(frame, offset, left, protocol),
        headers: if length != 0 && length <= left {
            offset as u64 + length
        } else {
            0
        },
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;

#[inline(always)]
fn ports(frame: &Frame, offset: usize, left: u64, protocol: u8) -> u32 {
    const ICMP: u8 = 1;
    const DCCP: u8 = 33;
    const ICMPV6: u8 = 58;
    const SCTP: u8 = 132;
    const UDP_LITE: u8 = 136;
    // Eight bytes are all of a UDP or ICMP header, and the least that an error
    // message quotes of any other.
    if left < 8 {
        return 0;
    }
    let Some(header) = frame.header::<8>(offset) else {
        return 0;
    };
    let start = header.read::<u32, 0>();
    match protocol {
        TCP | UDP | DCCP | SCTP | UDP_LITE => start,
        ICMP | ICMPV6 => {
            let identifier = match (protocol, start >> 24) {
                (ICMP, 0 | 8) | (ICMPV6, 128 | 129) => header.read::<u16, 4>(),
                _ => 0,
            };
            u32::from(identifier) << 16 | start >> 16
        }
        _ => 0,
    }
}
