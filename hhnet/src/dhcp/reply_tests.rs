// SPDX-License-Identifier: Apache-2.0
//! Replies as servers send them, as they should not, and as dhcproto reads them.

use dhcproto::{
    Encodable,
    v4::{DhcpOption, Message, MessageType, Opcode},
};
use proptest::prelude::*;

use super::*;
use crate::dhcp::request::tests::{MAC, identity};

/// A server's message from raw options.
pub(crate) fn reply_bytes(
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
    decode(&bytes, &identity()).unwrap()
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
    for (overload, lease, server) in [(1, true, false), (2, false, true), (3, true, true)] {
        let mut bytes = reply_bytes(5, 7, Ipv4Addr::UNSPECIFIED, &[(52, &[overload])]);
        bytes[108..114].copy_from_slice(&[51, 4, 0, 0, 0, 9]);
        bytes[44..50].copy_from_slice(&[54, 4, 10, 0, 1, 1]);
        let reply = decode(&bytes, &identity()).unwrap();
        assert_eq!(reply.u32(OptionCode::AddressLeaseTime).is_some(), lease);
        assert_eq!(reply.server().is_some(), server);
    }
}

#[test]
fn replies_to_others_and_odd_hardware_lengths_are_refused() {
    let good = reply_bytes(2, 7, Ipv4Addr::UNSPECIFIED, &[]);
    let mut other = identity();
    other.mac = [9; 6];
    assert_eq!(decode(&good, &other), Err(Malformed::OtherClient));
    // dhcproto panics on those above 16.
    for hlen in [0, 5, 7, 17, 255] {
        let mut bad = good.clone();
        bad[2] = hlen;
        assert_eq!(
            decode(&bad, &identity()),
            Err(Malformed::OtherClient),
            "hlen {hlen}"
        );
    }
    for (at, value) in [(0, 1), (236, 0), (242, 3)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert_eq!(
            decode(&bad, &identity()),
            Err(Malformed::NotAReply),
            "byte {at}"
        );
    }
}

#[test]
fn the_repeated_client_identifier_must_be_ours() {
    let read = |id: &[u8], who: &Identity| {
        let bytes = reply_bytes(2, 7, Ipv4Addr::UNSPECIFIED, &[(61, id)]);
        decode(&bytes, who).map(|_| ())
    };
    let mut who = identity();
    assert_eq!(read(&[1, 2, 0, 0, 0, 0, 1], &who), Ok(()));
    assert_eq!(read(&[1, 9], &who), Err(Malformed::OtherId));
    who.client_id = None;
    assert_eq!(read(&[1, 9], &who), Ok(()), "we have said nothing");
}

#[test]
fn every_truncation_is_read_or_refused() {
    let bytes = reply_bytes(
        2,
        7,
        Ipv4Addr::UNSPECIFIED,
        &[(51, &[0; 4]), (54, &[10; 4])],
    );
    for len in 0..bytes.len() {
        let read = decode(&bytes[..len], &identity());
        assert_eq!(read.is_ok(), len >= 243, "{len} bytes");
    }
}

#[test]
fn options_dhcproto_trips_over_are_only_bytes() {
    // Debug assertions of dhcproto 0.15: 80 with a value, 81 and 94 too short.
    let reply = decoded(&[
        (80, &[1]),
        (81, &[0]),
        (94, &[1]),
        (152, &[]),
        (108, &[0, 0, 7, 8]),
        (54, &[10, 0, 1, 1]),
    ]);
    assert!(!reply.is_rapid());
    assert_eq!(reply.server(), Some(Ipv4Addr::new(10, 0, 1, 1)));
}

/// Well-formed options, in dhcproto's words.
fn option() -> impl Strategy<Value = DhcpOption> {
    let address = any::<u32>().prop_map(Ipv4Addr::from);
    let addresses = proptest::collection::vec(any::<u32>().prop_map(Ipv4Addr::from), 1..90);
    prop_oneof![
        any::<u32>().prop_map(DhcpOption::AddressLeaseTime),
        any::<u32>().prop_map(DhcpOption::Renewal),
        any::<u32>().prop_map(DhcpOption::Rebinding),
        any::<u16>().prop_map(DhcpOption::InterfaceMtu),
        address.clone().prop_map(DhcpOption::ServerIdentifier),
        address.prop_map(DhcpOption::SubnetMask),
        addresses.clone().prop_map(DhcpOption::Router),
        addresses.clone().prop_map(DhcpOption::DomainNameServer),
        addresses.prop_map(DhcpOption::NtpServers),
        "[a-z]{1,63}(\\.[a-z]{1,63}){0,3}".prop_map(DhcpOption::DomainName),
        "[a-z]{1,63}".prop_map(DhcpOption::Hostname),
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(tail in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut bytes = reply_bytes(5, 7, Ipv4Addr::UNSPECIFIED, &[]);
        bytes.truncate(240);
        bytes.extend(&tail);
        let _ = decode(&bytes, &identity());
        let _ = decode(&tail, &identity());
    }

    #[test]
    fn it_agrees_with_dhcproto_on_what_is_well_formed(
        xid in any::<u32>(),
        yiaddr in any::<u32>(),
        options in proptest::collection::vec(option(), 0..8),
    ) {
        let mut message = Message::default();
        message.set_opcode(Opcode::BootReply).set_xid(xid).set_yiaddr(yiaddr);
        message.set_chaddr(&MAC);
        message.opts_mut().insert(DhcpOption::MessageType(MessageType::Ack));
        for option in options {
            message.opts_mut().insert(option);
        }
        let reply = decode(&message.to_vec().unwrap(), &identity()).unwrap();
        prop_assert_eq!((reply.kind, reply.xid), (Kind::Ack, xid));
        prop_assert_eq!(reply.yiaddr, Ipv4Addr::from(yiaddr));
        for (code, option) in message.opts().iter() {
            let code = *code;
            match option {
                DhcpOption::AddressLeaseTime(n) | DhcpOption::Renewal(n)
                | DhcpOption::Rebinding(n) => prop_assert_eq!(reply.u32(code), Some(*n)),
                DhcpOption::InterfaceMtu(n) => prop_assert_eq!(reply.u16(code), Some(*n)),
                DhcpOption::ServerIdentifier(a) | DhcpOption::SubnetMask(a) => {
                    prop_assert_eq!(reply.address(code), Some(*a));
                }
                DhcpOption::Router(all) | DhcpOption::DomainNameServer(all)
                | DhcpOption::NtpServers(all) => prop_assert_eq!(&reply.addresses(code), all),
                DhcpOption::DomainName(text) | DhcpOption::Hostname(text) => {
                    prop_assert_eq!(reply.option(code), Some(text.as_bytes()));
                }
                _ => {}
            }
        }
    }
}
