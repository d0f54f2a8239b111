// SPDX-License-Identifier: Apache-2.0
//! Addresses that somebody else uses, with `--arp-probe`.

use dhcproto::v4::{DhcpOption, OptionCode};
use hhnet_tests::dhcp::{Kind, Software};
use hhnet_tests::fabric::Segment;
use hhnet_tests::monitor::{Event, Monitor};

use super::{has, lease_with, wait_for};

#[test]
fn an_address_in_use_is_declined_and_another_one_leased() {
    let segment = Segment::with_wire(1);
    let _squatter = segment.neighbour("squatter", 10);
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool());
    let server = segment.server();
    let monitor = Monitor::of(server.namespace());
    let address = lease_with(&server, "--arp-probe");
    assert!(has(&server, address));
    assert_ne!(address, Segment::address(10));
    let declined = wait_for(segment.wire(), Kind::Decline, 1);
    for expected in [
        DhcpOption::RequestedIpAddress(Segment::address(10)),
        DhcpOption::ServerIdentifier(Segment::address(1)),
    ] {
        let code = OptionCode::from(&expected);
        assert_eq!(declined.option(code), Some(&expected));
    }
    assert!(declined.message.ciaddr().is_unspecified());
    assert!(declined.destination.is_broadcast());
    let was_set = |event: &Event| matches!(event, Event::AddressSet(a, _) if *a != address);
    assert!(!monitor.events().iter().any(was_set), "never set");
    server.namespace().must("ping -c 1 -W 2 10.0.1.10");
}

#[test]
fn a_free_address_is_leased_with_probes_as_without() {
    let segment = Segment::with_wire(2);
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool());
    let server = segment.server();
    let address = lease_with(&server, "--arp-probe");
    assert_eq!(address, Segment::address(10));
    assert!(segment.wire().seen(Kind::Decline).is_empty());
}
