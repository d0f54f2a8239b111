// SPDX-License-Identifier: Apache-2.0
//! DHCP messages: ours written with dhcproto, the server's read with care.
//!
//! dhcproto's owned decoder panics on a hardware address length above 16,
//! stops silently at the first option it cannot decode, knows no option
//! overload (52) and joins only adjacent parts of a long option. A server's
//! message is therefore split into raw options here, and each option is
//! decoded by the one who wants it: a broken one costs nothing but itself.

use std::{collections::BTreeMap, net::Ipv4Addr};

use dhcproto::{
    Encodable,
    v4::{DhcpOption, DhcpOptions, Flags, Message, MessageType, OptionCode},
};

use crate::link::Mac;

/// `op`, `htype`, … `file`: everything before the magic cookie.
const FIXED: usize = 236;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// BOOTP relays drop anything shorter (RFC 1542, section 2.1).
const MIN_LEN: usize = 300;

/// Options we ask for, in this order. Never 66 or 67: the fabric's server
/// takes a client that lists them for one that boots over the network.
const REQUESTED: [OptionCode; 13] = [
    OptionCode::SubnetMask,
    OptionCode::ClasslessStaticRoute,
    OptionCode::Router,
    OptionCode::DomainNameServer,
    OptionCode::DomainName,
    OptionCode::InterfaceMtu,
    OptionCode::StaticRoutingTable,
    OptionCode::NtpServers,
    OptionCode::AddressLeaseTime,
    OptionCode::ServerIdentifier,
    OptionCode::Renewal,
    OptionCode::Rebinding,
    OptionCode::DomainSearch,
];

/// Who asks: what is the same in all messages of a client.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Hardware address of the interface.
    pub mac: Mac,
    /// Host name for option 12; inventories of the fabric show it.
    pub hostname: Option<String>,
    /// Largest message we take (option 57), in bytes with IP and UDP headers.
    pub max_message: u16,
}

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Is there a server?
    Discover,
    /// I take your offer (SELECTING): options 50 and 54, no `ciaddr`.
    Select {
        /// The address that was offered.
        address: Ipv4Addr,
        /// The server that offered it.
        server: Ipv4Addr,
    },
    /// I go on with my address (RENEWING, REBINDING): `ciaddr`, neither 50 nor
    /// 54 (RFC 2131, table 5).
    Extend {
        /// The address in use.
        address: Ipv4Addr,
    },
    /// I am done with it.
    Release {
        /// The address that was used.
        address: Ipv4Addr,
        /// The server that leased it.
        server: Ipv4Addr,
    },
}

/// Writes a message, padded for old relays.
///
/// `secs` is the time since the client began, in seconds.
///
/// # Errors
/// Only if an option is too long for dhcproto, as a host name is never.
pub fn encode(
    who: &Identity,
    request: Request,
    xid: u32,
    secs: u16,
) -> Result<Vec<u8>, dhcproto::error::EncodeError> {
    let mut message = Message::default();
    message
        .set_xid(xid)
        .set_secs(secs)
        .set_flags(Flags::default())
        .set_chaddr(&who.mac);
    let kind = match request {
        Request::Discover => MessageType::Discover,
        Request::Select { .. } | Request::Extend { .. } => MessageType::Request,
        Request::Release { .. } => MessageType::Release,
    };
    let mut options = DhcpOptions::new();
    options.insert(DhcpOption::MessageType(kind));
    // The same identifier in every message (RFC 2131, section 4.2): type 1 and
    // the hardware address, what a server assumes where there is none.
    options.insert(DhcpOption::ClientIdentifier([&[1], &who.mac[..]].concat()));
    match request {
        Request::Discover => {}
        Request::Select { address, server } => {
            options.insert(DhcpOption::RequestedIpAddress(address));
            options.insert(DhcpOption::ServerIdentifier(server));
        }
        Request::Extend { address } => {
            message.set_ciaddr(address);
        }
        Request::Release { address, server } => {
            message.set_ciaddr(address);
            options.insert(DhcpOption::ServerIdentifier(server));
        }
    }
    if kind != MessageType::Release {
        options.insert(DhcpOption::MaxMessageSize(who.max_message));
        options.insert(DhcpOption::ParameterRequestList(REQUESTED.to_vec()));
        if let Some(hostname) = &who.hostname {
            options.insert(DhcpOption::Hostname(hostname.clone()));
        }
    }
    message.set_opts(options);
    let mut bytes = message.to_vec()?;
    bytes.resize(bytes.len().max(MIN_LEN), 0);
    Ok(bytes)
}

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
}

/// Reads a server's message to the client with address `mac`.
///
/// # Errors
/// [`Malformed`], with the reason.
pub fn decode(bytes: &[u8], mac: Mac) -> Result<Reply, Malformed> {
    const BOOTREPLY: u8 = 2;
    const ETHERNET: [u8; 2] = [1, 6];
    let (fixed, rest) = bytes.split_at_checked(FIXED).ok_or(Malformed::Short)?;
    let options = rest.strip_prefix(&MAGIC).ok_or(Malformed::NotAReply)?;
    if fixed[0] != BOOTREPLY {
        return Err(Malformed::NotAReply);
    }
    if fixed[1..3] != ETHERNET || fixed[28..34] != mac {
        return Err(Malformed::OtherClient);
    }
    let options = collect(options, fixed);
    let kind = match options
        .get(&u8::from(OptionCode::MessageType))
        .map(Vec::as_slice)
    {
        Some([2]) => Kind::Offer,
        Some([5]) => Kind::Ack,
        Some([6]) => Kind::Nak,
        _ => return Err(Malformed::NotAReply),
    };
    let word = |at: usize| [fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]];
    Ok(Reply {
        kind,
        xid: u32::from_be_bytes(word(4)),
        yiaddr: word(16).into(),
        options,
    })
}

/// Collects the options of a message, parts of long ones joined in the order
/// options, `file`, `sname` (RFC 3396, section 5).
fn collect(options: &[u8], fixed: &[u8]) -> BTreeMap<u8, Vec<u8>> {
    let mut found = BTreeMap::new();
    split(options, &mut found);
    // Option overload (RFC 2132, section 9.3): 1 = file, 2 = sname, 3 = both.
    let overload = match found
        .get(&u8::from(OptionCode::OptionOverload))
        .map(Vec::as_slice)
    {
        Some([fields]) => *fields,
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
            .filter(|server| !server.is_unspecified())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(in super::super) const MAC: Mac = [2, 0, 0, 0, 0, 1];

    pub(in super::super) fn identity() -> Identity {
        Identity {
            mac: MAC,
            hostname: Some("server-01".into()),
            max_message: 1500,
        }
    }

    /// A server's message from raw options.
    pub(in super::super) fn reply_bytes(
        kind: u8,
        xid: u32,
        yiaddr: Ipv4Addr,
        options: &[(u8, &[u8])],
    ) -> Vec<u8> {
        let mut bytes = vec![2, 1, 6, 0];
        bytes.extend(xid.to_be_bytes());
        bytes.extend([0; 8]);
        bytes.extend(yiaddr.octets());
        bytes.extend([0; 8]);
        bytes.extend(MAC);
        bytes.resize(FIXED, 0);
        bytes.extend(MAGIC);
        bytes.extend([53, 1, kind]);
        for (code, value) in options {
            bytes.extend([*code, value.len() as u8]);
            bytes.extend(*value);
        }
        bytes.push(255);
        bytes
    }

    fn decoded(options: &[(u8, &[u8])]) -> Reply {
        let bytes = reply_bytes(5, 7, Ipv4Addr::new(10, 0, 1, 10), options);
        decode(&bytes, MAC).unwrap()
    }

    #[test]
    fn a_discover_asks_for_what_we_use_and_never_for_boot_files() {
        let bytes = encode(&identity(), Request::Discover, 7, 1).unwrap();
        assert!(bytes.len() >= MIN_LEN);
        let mut options = BTreeMap::new();
        split(&bytes[240..], &mut options);
        let asked = &options[&55];
        for code in [1, 3, 6, 26, 42, 51, 54, 121] {
            assert!(asked.contains(&code), "option {code} is not asked for");
        }
        assert!(!asked.contains(&66) && !asked.contains(&67));
        assert_eq!(options[&12], b"server-01");
        assert_eq!(options[&61], [&[1], &MAC[..]].concat());
        assert_eq!(bytes[10..16], [0; 6], "no broadcast flag, no ciaddr");
    }

    #[test]
    fn a_renewal_names_its_address_once() {
        let address = Ipv4Addr::new(10, 0, 1, 10);
        let bytes = encode(&identity(), Request::Extend { address }, 7, 1).unwrap();
        let mut options = BTreeMap::new();
        split(&bytes[240..], &mut options);
        assert_eq!(bytes[12..16], address.octets());
        assert!(!options.contains_key(&50) && !options.contains_key(&54));
    }

    #[test]
    fn a_broken_option_costs_only_itself() {
        let reply = decoded(&[
            (15, b"\xff\xfe"),
            (51, &[0, 0, 14, 16]),
            (26, &[1]),
            (3, &[1, 2, 3]),
        ]);
        assert_eq!(reply.u32(OptionCode::AddressLeaseTime), Some(3600));
        assert_eq!(reply.u16(OptionCode::InterfaceMtu), None);
        assert!(reply.addresses(OptionCode::Router).is_empty());
    }

    #[test]
    fn parts_of_a_long_option_are_joined_wherever_they_stand() {
        let reply = decoded(&[(6, &[1, 1, 1, 1]), (51, &[0, 0, 0, 9]), (6, &[1, 0, 0, 1])]);
        let servers = reply.addresses(OptionCode::DomainNameServer);
        assert_eq!(
            servers,
            [Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(1, 0, 0, 1)]
        );
    }

    #[test]
    fn overloaded_fields_are_read() {
        let mut bytes = reply_bytes(5, 7, Ipv4Addr::UNSPECIFIED, &[(52, &[3])]);
        bytes[108..114].copy_from_slice(&[51, 4, 0, 0, 0, 9]);
        bytes[44..50].copy_from_slice(&[54, 4, 10, 0, 1, 1]);
        let reply = decode(&bytes, MAC).unwrap();
        assert_eq!(reply.u32(OptionCode::AddressLeaseTime), Some(9));
        assert_eq!(reply.server(), Some(Ipv4Addr::new(10, 0, 1, 1)));
    }

    #[test]
    fn replies_to_others_and_odd_hardware_lengths_are_refused() {
        let good = reply_bytes(2, 7, Ipv4Addr::UNSPECIFIED, &[]);
        assert_eq!(decode(&good, [9; 6]), Err(Malformed::OtherClient));
        for hlen in [0, 5, 7, 17, 255] {
            let mut bad = good.clone();
            bad[2] = hlen;
            assert_eq!(
                decode(&bad, MAC),
                Err(Malformed::OtherClient),
                "hlen {hlen}"
            );
        }
        for (at, value) in [(0, 1), (236, 0), (242, 3)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(decode(&bad, MAC), Err(Malformed::NotAReply), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut bytes = reply_bytes(5, 7, Ipv4Addr::UNSPECIFIED, &[]);
            bytes.truncate(240);
            bytes.extend(&tail);
            let _ = decode(&bytes, MAC);
            let _ = decode(&tail, MAC);
        }
    }
}
