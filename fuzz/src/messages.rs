// SPDX-License-Identifier: Apache-2.0
//! A server's messages, byte by byte.

use std::net::Ipv4Addr;

use hhnet::dhcp::request::Identity;

/// Hardware address of the client.
pub const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Where options begin.
pub const OPTIONS: usize = 240;
const MAGIC: [u8; 4] = [99, 130, 83, 99];

/// Option 53, and its values.
pub const MESSAGE_TYPE: u8 = 53;
/// An OFFER.
pub const OFFER: u8 = 2;
/// An ACK.
pub const ACK: u8 = 5;
/// A NAK.
pub const NAK: u8 = 6;

/// The client all targets play.
pub fn identity() -> Identity {
    Identity {
        mac: MAC,
        client_id: Some(Identity::mac_id(MAC)),
        hostname: Some("server-01".into()),
        max_message: 1500,
    }
}

/// Everything before the options, of a reply to [`identity`].
pub fn header(xid: u32, yiaddr: Ipv4Addr) -> Vec<u8> {
    let mut bytes = vec![2, 1, 6, 0];
    bytes.extend(xid.to_be_bytes());
    bytes.extend([0; 8]);
    bytes.extend(yiaddr.octets());
    bytes.extend([0; 8]);
    bytes.extend(MAC);
    bytes.resize(OPTIONS - MAGIC.len(), 0);
    bytes.extend(MAGIC);
    bytes
}

/// Makes any bytes that are long enough a reply to [`identity`], so that
/// mutations are spent on what comes after those checks.
pub fn stamp(bytes: &mut [u8]) {
    if let Some(fixed) = bytes.first_chunk_mut::<OPTIONS>() {
        fixed[..3].copy_from_slice(&[2, 1, 6]);
        fixed[28..34].copy_from_slice(&MAC);
        fixed[236..].copy_from_slice(&MAGIC);
    }
}

/// Appends an option, in parts where it is long (RFC 3396).
pub fn push_option(bytes: &mut Vec<u8>, code: u8, value: &[u8]) {
    let parts = value.chunks(255);
    let empty = value.is_empty().then_some(&[][..]);
    for part in parts.chain(empty) {
        bytes.extend([code, part.len() as u8]);
        bytes.extend(part);
    }
}

/// The value of an option of a message of ours, which are never overloaded and
/// never long.
pub fn option(message: &[u8], code: u8) -> Option<&[u8]> {
    let mut rest = message.get(OPTIONS..)?;
    loop {
        rest = match rest {
            [0, rest @ ..] => rest,
            [found, len, after @ ..] if *found != 255 => {
                let (value, after) = after.split_at_checked((*len).into())?;
                if *found == code {
                    return Some(value);
                }
                after
            }
            _ => return None,
        };
    }
}
