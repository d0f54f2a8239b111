// SPDX-License-Identifier: Apache-2.0
//! A server's messages, read with care.
//!
//! dhcproto's owned decoder panics on a hardware address length above 16,
//! stops silently at the first option it cannot decode, knows no option
//! overload (52) and joins only adjacent parts of a long option. A server's
//! message is therefore split into raw options here, and each option is
//! decoded by the one who wants it: a broken one costs nothing but itself.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use dhcproto::v4::OptionCode;

use super::request::Identity;
use crate::cli::is_host;

/// `op`, `htype`, … `file`: everything before the magic cookie.
const FIXED: usize = 236;
const MAGIC: [u8; 4] = [99, 130, 83, 99];

/// What a server says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// You may have this address.
    Offer,
    /// It is yours.
    Ack,
    /// It is not.
    Nak,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Offer => "OFFER",
            Kind::Ack => "ACK",
            Kind::Nak => "NAK",
        })
    }
}

/// A server's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What it says.
    pub kind: Kind,
    /// Transaction it belongs to.
    pub xid: u32,
    /// The address offered or leased; unspecified in a NAK and in the replies
    /// of a server in trouble.
    pub yiaddr: Ipv4Addr,
    /// The relay that passed it on, if one left its address in it.
    pub relay: Option<Ipv4Addr>,
    options: BTreeMap<u8, Vec<u8>>,
}

/// Why bytes were not taken for a reply to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Shorter than the fixed part.
    #[error("message too short")]
    Short,
    /// A request, or an answer of plain BOOTP, or no DHCP at all.
    #[error("not a DHCP reply")]
    NotAReply,
    /// For other hardware than ours.
    #[error("for another client")]
    OtherClient,
    /// It repeats another identifier than ours (RFC 6842, section 3).
    #[error("for another client identifier")]
    OtherId,
}

/// Reads a server's message to the client `who`.
///
/// # Errors
/// [`Malformed`], with the reason.
pub fn decode(bytes: &[u8], who: &Identity) -> Result<Reply, Malformed> {
    const BOOTREPLY: u8 = 2;
    const ETHERNET: [u8; 2] = [1, 6];
    let (fixed, rest) = bytes.split_at_checked(FIXED).ok_or(Malformed::Short)?;
    let options = rest.strip_prefix(&MAGIC).ok_or(Malformed::NotAReply)?;
    if fixed[0] != BOOTREPLY {
        return Err(Malformed::NotAReply);
    }
    if fixed[1..3] != ETHERNET || fixed[28..34] != who.mac {
        return Err(Malformed::OtherClient);
    }
    let options = collect(options, fixed);
    let option = |code: OptionCode| options.get(&u8::from(code)).map(Vec::as_slice);
    let kind = match option(OptionCode::MessageType) {
        Some([2]) => Kind::Offer,
        Some([5]) => Kind::Ack,
        Some([6]) => Kind::Nak,
        _ => return Err(Malformed::NotAReply),
    };
    let echo = option(OptionCode::ClientIdentifier);
    if echo.is_some() && who.client_id.is_some() && echo != who.client_id.as_deref() {
        return Err(Malformed::OtherId);
    }
    let word = |at: usize| [fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]];
    Ok(Reply {
        kind,
        xid: u32::from_be_bytes(word(4)),
        yiaddr: word(16).into(),
        relay: Some(Ipv4Addr::from(word(24))).filter(|relay| !relay.is_unspecified()),
        options,
    })
}

/// Collects the options of a message, parts of long ones joined in the order
/// options, `file`, `sname` (RFC 3396, section 5).
fn collect(options: &[u8], fixed: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let mut found = BTreeMap::new();
    split(options, &mut found);
    // Option overload (RFC 2132, section 9.3): 1 = file, 2 = sname, 3 = both.
    let overload = match found.get(&u8::from(OptionCode::OptionOverload)) {
        Some(fields) if fields.len() == 1 => fields[0],
        _ => 0,
    };
    if overload & 1 != 0 {
        split(&fixed[108..236], &mut found);
    }
    if overload & 2 != 0 {
        split(&fixed[44..108], &mut found);
    }
    found
}

fn split(mut bytes: &[u8], found: &mut BTreeMap<u8, Vec<u8>>) {
    const PAD: u8 = 0;
    const END: u8 = 255;
    while let Some((code, rest)) = bytes.split_first() {
        bytes = match *code {
            PAD => rest,
            END => return,
            code => {
                let Some((len, rest)) = rest.split_first() else {
                    return;
                };
                let Some((value, rest)) = rest.split_at_checked(usize::from(*len)) else {
                    return;
                };
                found.entry(code).or_default().extend(value);
                rest
            }
        };
    }
}

impl Reply {
    /// The raw value of an option.
    pub fn option(&self, code: OptionCode) -> Option<&[u8]> {
        self.options.get(&u8::from(code)).map(Vec::as_slice)
    }

    /// An option of four bytes as a number.
    pub fn u32(&self, code: OptionCode) -> Option<u32> {
        self.option(code)?.try_into().ok().map(u32::from_be_bytes)
    }

    /// An option of two bytes as a number.
    pub fn u16(&self, code: OptionCode) -> Option<u16> {
        self.option(code)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// An option that is one address.
    pub fn address(&self, code: OptionCode) -> Option<Ipv4Addr> {
        self.u32(code).map(Ipv4Addr::from)
    }

    /// An option that is a list of addresses; empty where it is missing or broken.
    pub fn addresses(&self, code: OptionCode) -> Vec<Ipv4Addr> {
        let (addresses, rest) = self.option(code).unwrap_or_default().as_chunks::<4>();
        if rest.is_empty() {
            addresses.iter().map(|octets| (*octets).into()).collect()
        } else {
            vec![]
        }
    }

    /// The server that sent it (option 54).
    pub fn server(&self) -> Option<Ipv4Addr> {
        self.address(OptionCode::ServerIdentifier)
            .filter(|server| is_host(*server))
    }

    /// Whether the server has leased the address without having been asked
    /// twice (option 80, RFC 4039).
    pub fn is_rapid(&self) -> bool {
        self.option(OptionCode::RapidCommit) == Some(&[])
    }
}

/// The options of any DHCP message.
#[cfg(test)]
pub(super) fn options_of(message: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    collect(&message[FIXED + MAGIC.len()..], &message[..FIXED])
}

#[cfg(test)]
#[path = "reply_tests.rs"]
pub(crate) mod tests;
