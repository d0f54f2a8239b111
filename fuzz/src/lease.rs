// SPDX-License-Identifier: Apache-2.0
//! What must hold for every lease that is read from a reply.

use std::{net::Ipv4Addr, time::Duration};

use hhnet::{
    cli::{ClientId, Prefix, Xdp},
    dhcp::lease::Lease,
    link::RouteTo,
    session::{Settings, record::Record},
};

/// Lengths nobody needs to exceed.
const SERVERS_MAX: usize = 16;
const ROUTES_MAX: usize = 256;
const RECORD_MAX: usize = 128 << 10;

/// Checks a lease from the wire, and that it survives its file.
pub fn check(lease: &Lease) {
    assert!(lease.prefix.len <= 32 && is_usable(lease.prefix.address));
    let times = lease.times;
    assert!(times.renew < times.rebind && !times.renew.is_zero());
    assert!(times.lease.is_none_or(|all| times.rebind < all));
    assert!(lease.expiry().is_none_or(|expiry| expiry > lease.since));
    assert!(lease.mtu.is_none_or(|mtu| mtu >= 576));
    for servers in [&lease.dns, &lease.ntp] {
        assert!(servers.len() <= SERVERS_MAX && servers.iter().all(|one| is_usable(*one)));
    }
    assert!(lease.search.len() <= SERVERS_MAX);
    let names = lease.hostname.iter().chain(&lease.domain);
    names.chain(&lease.search).for_each(|name| check_name(name));
    check_routes(lease);
    check_record(lease);
}

/// A name that is safe in a file, on a line, and as an argument.
pub fn check_name(name: &str) {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    assert!(name.len() <= 253, "{} bytes", name.len());
    for label in name.split('.') {
        assert!((1..=63).contains(&label.len()), "{name:?}");
        assert!(
            !label.starts_with('-') && label.bytes().all(plain),
            "{name:?}"
        );
    }
}

/// No route twice, no host bits, and a way to each gateway before it is used.
fn check_routes(lease: &Lease) {
    assert!(lease.routes.len() <= ROUTES_MAX);
    for (at, route) in lease.routes.iter().enumerate() {
        let before = &lease.routes[..at];
        assert!(!before.contains(route), "{route:?} twice");
        assert_eq!(network(route.to, route.to.len), route.to.address);
        let RouteTo::Gateway(gateway) = route.via else {
            continue;
        };
        assert!(is_usable(gateway));
        let len = lease.prefix.len;
        let on_link = Prefix {
            address: gateway,
            len,
        };
        let reached = |other: &&hhnet::link::Route| {
            other.via == RouteTo::Link && other.to.address == gateway && other.to.len == 32
        };
        assert!(
            network(on_link, len) == network(lease.prefix, len)
                || before.iter().any(|r| reached(&r)),
            "no way to {gateway}"
        );
    }
}

fn check_record(lease: &Lease) {
    let record = Record {
        interface: "bond0.1001".into(),
        index: 7,
        settings: Settings {
            client_id: ClientId::Mac,
            arp_probe: false,
            xdp: Xdp::Off,
            metrics: None,
        },
        mtu: 1500,
        neighbor: Some([2, 0, 0, 0, 0, 9]),
        lease: lease.clone(),
    };
    let saved = serde_json::to_vec_pretty(&record).expect("a record is plain data");
    assert!(saved.len() <= RECORD_MAX, "{} bytes", saved.len());
    let loaded: Record = serde_json::from_slice(&saved).expect("what was saved can be loaded");
    assert_eq!(loaded, record);
}

fn network(prefix: Prefix, len: u8) -> Ipv4Addr {
    let host = u64::from(u32::MAX) >> len;
    (u32::from(prefix.address) & !(host as u32)).into()
}

fn is_usable(address: Ipv4Addr) -> bool {
    let octets = address.octets();
    address != Ipv4Addr::BROADCAST && octets != [0; 4] && octets[0] != 127 && octets[0] >> 4 != 14
}

/// A time since boot that is nothing special.
pub const SINCE: Duration = Duration::from_millis(1_000_500);
