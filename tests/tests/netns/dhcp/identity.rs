// SPDX-License-Identifier: Apache-2.0
//! Who the client says it is, and how it wants to be answered.

use dhcproto::v4::{DhcpOption, OptionCode};
use hhnet_tests::dhcp::{Kind, Software};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::wire::{Fate, Passage, Way};

use super::{assert_between, lease, lease_with};

fn identifier(passage: &Passage) -> Option<Vec<u8>> {
    match passage.option(OptionCode::ClientIdentifier) {
        Some(DhcpOption::ClientIdentifier(id)) => Some(id.clone()),
        _ => None,
    }
}

/// All that the client says during a lease with these flags, each with an identifier.
fn identifiers(flags: &str) -> (Vec<Option<Vec<u8>>>, Vec<u8>) {
    let segment = Segment::with_wire(1);
    let _daemon = segment.serve(Software::Isc, &Segment::pool());
    let server = segment.server();
    lease_with(&server, flags);
    server.must("cleanup");
    let mut passages = segment.wire().passages();
    passages.retain(|passage| passage.way == Way::Out);
    let mac = passages[0].message.chaddr().to_vec();
    (passages.iter().map(identifier).collect(), mac)
}

#[test]
fn the_client_identifier_is_the_mac_address_by_default() {
    for flags in ["", "--client-id=mac"] {
        let (all, mac) = identifiers(flags);
        let expected = [&[1], &mac[..]].concat();
        assert!(all.len() >= 2);
        for id in all {
            assert_eq!(id.as_ref(), Some(&expected), "{flags}");
        }
    }
}

/// RFC 4361: type 255, an IAID, a DUID; the same in all messages.
#[test]
fn the_client_identifier_may_be_a_duid() {
    let (all, _) = identifiers("--client-id=duid");
    let first = all[0].clone().expect("an identifier");
    assert_eq!(first[0], 255);
    assert!(first.len() > 1 + 4 + 2, "{first:?}");
    assert!(all.iter().all(|id| id.as_ref() == Some(&first)), "{all:?}");
}

#[test]
fn the_client_identifier_may_be_left_out() {
    let (all, _) = identifiers("--client-id=none");
    assert!(all.iter().all(Option::is_none), "{all:?}");
}

/// Some networks deliver nothing else to a machine without an address.
#[test]
fn a_network_that_only_delivers_broadcasts_is_put_up_with() {
    let segment = Segment::with_wire(2);
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool());
    segment.wire().treat(|frame, _| {
        let unicast = frame.way == Way::In && frame.is_dhcp() && !frame.is_broadcast();
        if unicast { Fate::Drop } else { Fate::Pass }
    });
    let server = segment.server();
    let answer = server.hhnet(&format!("dhcp {NIC} --xdp=off --timeout=20"));
    let answer = answer.success("hhnet dhcp");
    assert_between("the lease", 2.0, 15.0, answer.took);
    let discovers = segment.wire().seen(Kind::Discover);
    let flags: Vec<_> = discovers
        .iter()
        .map(|d| d.message.flags().broadcast())
        .collect();
    assert!(flags[..6].iter().all(|flag| !flag), "{flags:?}");
}

/// RFC 4039: two messages instead of four, where the server knows that.
#[test]
fn a_server_may_acknowledge_at_once() {
    let segment = Segment::with_wire(3);
    let pool = Segment::pool().with(&["--dhcp-rapid-commit"]);
    let _daemon = segment.serve(Software::Dnsmasq, &pool);
    let server = segment.server();
    assert_eq!(lease(&server), Segment::address(10));
    let passages = segment.wire().passages();
    let mut kinds: Vec<_> = passages.iter().map(|p| p.kind).collect();
    // A question may be repeated on a busy machine, and is answered again.
    kinds.dedup();
    assert_eq!(kinds[..2], [Kind::Discover, Kind::Ack]);
    let four = [Kind::Offer, Kind::Select];
    assert!(!kinds.iter().any(|kind| four.contains(kind)), "{kinds:?}");
}
