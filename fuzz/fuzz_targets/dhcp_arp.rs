// SPDX-License-Identifier: Apache-2.0
//! ARP packets, read, written, and judged.
#![no_main]

use std::net::Ipv4Addr;

use hhnet::dhcp::arp::{Arp, LEN};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(arp) = Arp::decode(data) else {
        return;
    };
    let written = arp.encode();
    assert_eq!(written.len(), LEN);
    assert_eq!(Arp::decode(&written), Some(arp));
    let mine = |address| arp.claims(address, arp.sender);
    let mut other = arp.sender;
    other[5] ^= 1;
    for address in [arp.sender_ip, arp.target_ip, Ipv4Addr::new(10, 0, 1, 10)] {
        assert!(!mine(address), "nobody claims his own address");
        let sends = address == arp.sender_ip;
        let probes = arp.sender_ip.is_unspecified() && address == arp.target_ip;
        assert_eq!(arp.claims(address, other), sends || probes);
    }
});
