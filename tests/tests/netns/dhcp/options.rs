// SPDX-License-Identifier: Apache-2.0
//! What servers say beside the address, as it ends up in the kernel.

use dhcproto::v4::OptionCode;
use hhnet_tests::dhcp::{Kind, Software};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::Host;

use super::{lease, wait_for};

with_every_server!(
    plain_options_are_put_in_force,
    classless_routes_replace_the_plain_ones,
);

/// DNS, domain, MTU, a static route, time servers, search list.
fn plain(software: Software) -> &'static [&'static str] {
    match software {
        Software::Dnsmasq => &[
            "--dhcp-option=6,192.0.2.53",
            "--domain=example.net",
            "--dhcp-option=26,1400",
            "--dhcp-option=33,192.0.2.7,10.0.1.1",
            "--dhcp-option=42,192.0.2.123",
            "--dhcp-option=119,a.example,b.example",
        ],
        Software::Isc => &[
            "option domain-name-servers 192.0.2.53;",
            "option domain-name \"example.net\";",
            "option interface-mtu 1400;",
            "option static-routes 192.0.2.7 10.0.1.1;",
            "option ntp-servers 192.0.2.123;",
            "option domain-search \"a.example\", \"b.example\";",
        ],
        Software::Kea => &[
            r#"{"name": "domain-name-servers", "data": "192.0.2.53"}"#,
            r#"{"name": "domain-name", "data": "example.net"}"#,
            r#"{"name": "interface-mtu", "data": "1400"}"#,
            r#"{"name": "static-routes", "data": "192.0.2.7, 10.0.1.1"}"#,
            r#"{"name": "ntp-servers", "data": "192.0.2.123"}"#,
            r#"{"name": "domain-search", "data": "a.example, b.example"}"#,
        ],
        Software::Udhcpd => &[
            "opt dns 192.0.2.53",
            "opt domain example.net",
            "opt mtu 1400",
            "opt routes 192.0.2.7 10.0.1.1",
            "opt ntpsrv 192.0.2.123",
            "opt search a.example b.example",
        ],
    }
}

/// A default route and one to 10.7.0.0/16.
fn classless(software: Software) -> &'static str {
    match software {
        Software::Dnsmasq => "--dhcp-option=121,0.0.0.0/0,10.0.1.1,10.7.0.0/16,10.0.1.1",
        Software::Isc => "option classless-routes 0, 10,0,1,1, 16, 10,7, 10,0,1,1;",
        Software::Kea => {
            r#"{"name": "classless", "csv-format": false, "data": "000A000101100A070A000101"}"#
        }
        Software::Udhcpd => "opt staticroutes 0.0.0.0/0 10.0.1.1,10.7.0.0/16 10.0.1.1",
    }
}

fn plain_options_are_put_in_force(software: Software) {
    let segment = Segment::with_wire(1);
    let _daemon = segment.serve(software, &Segment::pool().with(plain(software)));
    let server = segment.server();
    let address = lease(&server);
    let ack = wait_for(segment.wire(), Kind::Ack, 1);
    for code in [1, 3, 6, 15, 26, 33, 42, 51, 54, 119] {
        assert!(ack.has(OptionCode::from(code)), "{software:?}: {code}");
    }
    assert_eq!(server.addresses(NIC), [format!("{address}/24")]);
    assert_eq!(mtu(&server), 1400);
    assert_routes(&server, &["default", "192.0.2.7"]);

    server.must("cleanup");
    assert_eq!(mtu(&server), 1500, "the MTU it had");
    assert_routes(&server, &[]);
}

/// RFC 3442: a client that takes option 121 ignores 3 and 33.
fn classless_routes_replace_the_plain_ones(software: Software) {
    let pool = Segment::pool()
        .with(plain(software))
        .with(&[classless(software)]);
    let segment = Segment::with_wire(1);
    let _daemon = segment.serve(software, &pool);
    let server = segment.server();
    lease(&server);
    let ack = wait_for(segment.wire(), Kind::Ack, 1);
    for code in [33, 121] {
        assert!(ack.has(OptionCode::from(code)), "{software:?}: {code}");
    }
    assert_routes(&server, &["default", "10.7.0.0/16"]);
}

fn mtu(server: &Host) -> u64 {
    let link = &server.ip_json(&format!("link show {NIC}"))[0];
    link["mtu"].as_u64().expect("a link has an MTU")
}

/// Checks that these destinations, and no others, are reached through 10.0.1.1.
#[track_caller]
fn assert_routes(server: &Host, expected: &[&str]) {
    let shown = server.ip("route show");
    let mut through: Vec<_> = shown
        .lines()
        .filter(|line| line.contains(&format!(" via 10.0.1.1 dev {NIC} proto dhcp ")))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    through.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(through, expected, "{shown}");
}
