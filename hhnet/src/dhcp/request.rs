// SPDX-License-Identifier: Apache-2.0
//! The client's messages, written with dhcproto.

use std::net::Ipv4Addr;

use dhcproto::{
    Encodable,
    v4::{DhcpOption, DhcpOptions, Flags, Message, MessageType, OptionCode},
};

use crate::link::Mac;

/// BOOTP relays drop anything shorter (RFC 1542, section 2.1).
const MIN_LEN: usize = 300;

/// Options we ask for, in this order. Never 66 or 67: the fabric's server
/// takes a client that lists them for one that boots over the network. Nor 108
/// (RFC 8925), which would offer to do without IPv4.
const REQUESTED: [OptionCode; 15] = [
    OptionCode::SubnetMask,
    OptionCode::ClasslessStaticRoute,
    OptionCode::Router,
    OptionCode::DomainNameServer,
    OptionCode::Hostname,
    OptionCode::DomainName,
    OptionCode::InterfaceMtu,
    OptionCode::StaticRoutingTable,
    OptionCode::NtpServers,
    OptionCode::AddressLeaseTime,
    OptionCode::ServerIdentifier,
    OptionCode::Renewal,
    OptionCode::Rebinding,
    OptionCode::DomainSearch,
    // Microsoft's number for 121.
    OptionCode::Unknown(249),
];

/// Who asks: what is the same in all messages of a client.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Hardware address of the interface.
    pub mac: Mac,
    /// Value of option 61; `None` to send none. Never shorter than two bytes
    /// (RFC 2132, section 9.14): servers drop such messages.
    pub client_id: Option<Vec<u8>>,
    /// Host name for option 12; inventories of the fabric show it.
    pub hostname: Option<String>,
    /// Largest message we take (option 57), in bytes with IP and UDP headers.
    pub max_message: u16,
}

impl Identity {
    /// The identifier a server assumes where there is none: hardware type 1
    /// and the address (RFC 2132, section 9.14).
    pub fn mac_id(mac: Mac) -> Vec<u8> {
        [&[1], &mac[..]].concat()
    }

    /// An identifier that stays the same when the hardware is changed (RFC
    /// 4361, section 6.1): type 255, an IAID and a DUID. The IAID tells the
    /// interfaces of a machine apart, by the end of their addresses.
    pub fn duid_id(mac: Mac, duid: &[u8]) -> Vec<u8> {
        [&[255], &mac[2..], duid].concat()
    }
}

/// What a client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// Is there a server? One that will may answer by an ACK (RFC 4039).
    Discover,
    /// I take your offer (SELECTING): options 50 and 54, no `ciaddr`.
    Select {
        /// The address that was offered.
        address: Ipv4Addr,
        /// The server that offered it.
        server: Ipv4Addr,
    },
    /// Is my address still good (INIT-REBOOT)? Option 50, neither 54 nor `ciaddr`.
    Reboot {
        /// The address that was leased.
        address: Ipv4Addr,
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
    /// Somebody else has it.
    Decline {
        /// The address that was leased.
        address: Ipv4Addr,
        /// The server that leased it.
        server: Ipv4Addr,
    },
}

impl Request {
    /// The name of its message type, as in the RFC.
    pub fn name(self) -> &'static str {
        match self {
            Request::Discover => "DISCOVER",
            Request::Select { .. } | Request::Reboot { .. } | Request::Extend { .. } => "REQUEST",
            Request::Release { .. } => "RELEASE",
            Request::Decline { .. } => "DECLINE",
        }
    }

    fn kind(self) -> MessageType {
        match self {
            Request::Discover => MessageType::Discover,
            Request::Select { .. } | Request::Reboot { .. } | Request::Extend { .. } => {
                MessageType::Request
            }
            Request::Release { .. } => MessageType::Release,
            Request::Decline { .. } => MessageType::Decline,
        }
    }

    /// The address in use, for `ciaddr`.
    fn ciaddr(self) -> Option<Ipv4Addr> {
        match self {
            Request::Extend { address } | Request::Release { address, .. } => Some(address),
            Request::Discover
            | Request::Select { .. }
            | Request::Reboot { .. }
            | Request::Decline { .. } => None,
        }
    }

    /// The options that belong to this kind of message (RFC 2131, table 5).
    fn options(self) -> Vec<DhcpOption> {
        use DhcpOption::{RapidCommit, RequestedIpAddress, ServerIdentifier};
        match self {
            Request::Discover => vec![RapidCommit],
            Request::Select { address, server } | Request::Decline { address, server } => {
                vec![RequestedIpAddress(address), ServerIdentifier(server)]
            }
            Request::Reboot { address } => vec![RequestedIpAddress(address)],
            Request::Extend { .. } => vec![],
            Request::Release { server, .. } => vec![ServerIdentifier(server)],
        }
    }

    /// Whether the server is to answer with options.
    fn expects_answer(self) -> bool {
        !matches!(self, Request::Release { .. } | Request::Decline { .. })
    }
}

/// What is in the fixed part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Transaction.
    pub xid: u32,
    /// Time since the client began, in seconds.
    pub secs: u16,
    /// Ask for a broadcast: for relays that cannot send to a client without an
    /// address (RFC 2131, section 4.1).
    pub broadcast: bool,
}

/// Writes a message, padded for old relays.
///
/// # Errors
/// Only if an option is too long for dhcproto, as a host name is never.
pub fn encode(
    who: &Identity,
    request: Request,
    header: Header,
) -> Result<Vec<u8>, dhcproto::error::EncodeError> {
    let mut message = Message::default();
    let flags = Flags::default();
    message
        .set_xid(header.xid)
        .set_secs(header.secs)
        .set_flags(if header.broadcast {
            flags.set_broadcast()
        } else {
            flags
        })
        .set_ciaddr(request.ciaddr().unwrap_or(Ipv4Addr::UNSPECIFIED))
        .set_chaddr(&who.mac);
    message.set_opts(options(who, request));
    let mut bytes = message.to_vec()?;
    bytes.resize(bytes.len().max(MIN_LEN), 0);
    Ok(bytes)
}

fn options(who: &Identity, request: Request) -> DhcpOptions {
    let mut options = DhcpOptions::new();
    options.insert(DhcpOption::MessageType(request.kind()));
    // The same identifier in every message (RFC 2131, section 4.2).
    if let Some(id) = &who.client_id {
        options.insert(DhcpOption::ClientIdentifier(id.clone()));
    }
    for option in request.options() {
        options.insert(option);
    }
    if request.expects_answer() {
        options.insert(DhcpOption::MaxMessageSize(who.max_message));
        options.insert(DhcpOption::ParameterRequestList(REQUESTED.to_vec()));
        if let Some(hostname) = &who.hostname {
            options.insert(DhcpOption::Hostname(hostname.clone()));
        }
    }
    options
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::dhcp::reply::options_of;

    pub(crate) const MAC: Mac = [2, 0, 0, 0, 0, 1];

    pub(crate) fn identity() -> Identity {
        Identity {
            mac: MAC,
            client_id: Some(Identity::mac_id(MAC)),
            hostname: Some("server-01".into()),
            max_message: 1500,
        }
    }

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 10);
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

    fn written(request: Request, broadcast: bool) -> (Vec<u8>, BTreeMap<u8, Vec<u8>>) {
        let header = Header {
            xid: 7,
            secs: 1,
            broadcast,
        };
        let bytes = encode(&identity(), request, header).unwrap();
        assert!(bytes.len() >= MIN_LEN);
        let options = options_of(&bytes);
        assert_eq!(options[&61], [1, 2, 0, 0, 0, 0, 1], "in every message");
        (bytes, options)
    }

    #[test]
    fn a_discover_asks_for_what_we_use_and_never_for_boot_files() {
        let (bytes, options) = written(Request::Discover, false);
        let asked = &options[&55];
        for code in [1, 3, 6, 26, 42, 51, 54, 121] {
            assert!(asked.contains(&code), "option {code} is not asked for");
        }
        for code in [66, 67, 108] {
            assert!(!asked.contains(&code), "option {code} is asked for");
        }
        assert_eq!(options[&12], b"server-01");
        assert!(options[&80].is_empty(), "rapid commit");
        assert_eq!(bytes[10..16], [0; 6], "no broadcast flag, no ciaddr");
        let (bytes, _) = written(Request::Discover, true);
        assert_eq!(bytes[10..12], [0x80, 0]);
    }

    #[test]
    fn each_message_has_the_fields_of_rfc_2131_table_5() {
        let (address, server) = (ADDRESS, SERVER);
        // Kind, message type, ciaddr, option 50, option 54, parameter list.
        for (request, kind, ciaddr, asks, names, wants) in [
            (Request::Discover, 1, false, false, false, true),
            (
                Request::Select { address, server },
                3,
                false,
                true,
                true,
                true,
            ),
            (Request::Reboot { address }, 3, false, true, false, true),
            (Request::Extend { address }, 3, true, false, false, true),
            (
                Request::Decline { address, server },
                4,
                false,
                true,
                true,
                false,
            ),
            (
                Request::Release { address, server },
                7,
                true,
                false,
                true,
                false,
            ),
        ] {
            let (bytes, options) = written(request, false);
            assert_eq!(options[&53], [kind], "{request:?}");
            let expected = if ciaddr { address.octets() } else { [0; 4] };
            assert_eq!(bytes[12..16], expected, "{request:?}: ciaddr");
            for (code, expected) in [(50, asks), (54, names), (55, wants), (57, wants)] {
                let there = options.contains_key(&code);
                assert_eq!(there, expected, "{request:?}: option {code}");
            }
        }
    }

    #[test]
    fn identifiers_of_both_kinds() {
        assert_eq!(Identity::mac_id(MAC), [1, 2, 0, 0, 0, 0, 1]);
        assert_eq!(
            Identity::duid_id(MAC, &[0, 4, 9]),
            [255, 0, 0, 0, 1, 0, 4, 9]
        );
    }
}
