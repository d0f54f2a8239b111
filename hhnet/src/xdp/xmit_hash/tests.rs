// SPDX-License-Identifier: Apache-2.0
//! Hashes, worked out with the kernel's own steps beside this code, on a
//! little-endian machine.
#![cfg(target_endian = "little")]

use super::*;
use crate::xdp::report::{Direction, Duplicates};

const OURS: Mac = [0x0c, 0x20, 0x12, 0xfe, 0x01, 0x01];
const THEIRS: Mac = [0xb6, 0x0d, 0x1c, 0x4f, 0x2a, 0x93];
const BOTH: Ethernet = Ethernet {
    source: Some(OURS),
    destination: Some(THEIRS),
    local: true,
};
const V4: (&str, &str) = ("10.0.1.10", "10.0.1.1");
const V6: (&str, &str) = ("2001:db8:1::10", "2001:db8:1::1:7");

fn flow(protocol: u8, addresses: (&str, &str), transport: Transport) -> Flow {
    Flow {
        member: "enp2s1".to_owned(),
        direction: Direction::Out,
        vlan: Some(1001),
        protocol,
        source: addresses.0.parse().expect("address"),
        destination: addresses.1.parse().expect("address"),
        transport,
        packets: 1,
        bytes: 100,
        duplicates: Duplicates::default(),
        age_ms: 0,
        idle_ms: 0,
        expected: None,
        rate: None,
    }
}

fn tcp(addresses: (&str, &str)) -> Flow {
    let ports = Transport::Ports {
        source_port: 40_000,
        destination_port: 443,
    };
    flow(6, addresses, ports)
}

fn message(protocol: u8, addresses: (&str, &str), kind: u8, icmp_id: u16) -> Flow {
    let message = Transport::Icmp {
        icmp_type: kind,
        icmp_code: 0,
        icmp_id,
    };
    flow(protocol, addresses, message)
}

/// What all six policies make of a flow, in the kernel's order.
fn all(flow: &Flow, ethernet: &Ethernet) -> [Option<u32>; 6] {
    HashPolicy::ALL.map(|policy| xmit_hash(policy, flow, ethernet))
}

#[test]
fn ports_under_every_policy() {
    let (l2, l23, l34) = (Some(0x892), Some(0x0b0b_0391), Some(0x5858_f8b6));
    assert_eq!(
        all(&tcp(V4), &BOTH),
        [l2, l23, l34, l23, None, Some(0xf2_22fa)]
    );
    let (l2, l23, l34) = (Some(0x864f), Some(0x1717_90df), Some(0x5656_f638));
    assert_eq!(
        all(&tcp(V6), &BOTH),
        [l2, l23, l34, l23, None, Some(0xf2_22fa)]
    );
    let untagged = Flow {
        vlan: None,
        ..tcp(V4)
    };
    let policy = HashPolicy::VlanSrcmac;
    assert_eq!(xmit_hash(policy, &untagged, &BOTH), Some(0xf2_2113));
}

#[test]
fn fragments_have_no_ports() {
    let fragments = flow(17, V4, Transport::Fragments { fragments: true });
    let hash = |policy| xmit_hash(policy, &fragments, &BOTH);
    assert_eq!(hash(HashPolicy::Layer34), Some(0x0585_8585));
    assert_eq!(hash(HashPolicy::Layer23), Some(0x0b0b_0391));
    assert_eq!(hash(HashPolicy::Encap34), None, "of a socket's number");
}

#[test]
fn echoes_count_by_their_identifier() {
    let hash = |flow: &Flow| xmit_hash(HashPolicy::Layer34, flow, &BOTH);
    assert_eq!(hash(&message(1, V4, 8, 0x1234)), Some(0x0c96_9692));
    assert_eq!(hash(&message(58, V6, 128, 0x1234)), Some(0x0298_9858));
    assert_eq!(hash(&message(1, V4, 8, 0)), Some(0x0585_0501), "0 is as 1");
    assert_eq!(hash(&message(1, V4, 0, 0)), None, "or cut short");
    let echo = message(1, V4, 8, 0x1234);
    let encap = xmit_hash(HashPolicy::Encap34, &echo, &BOTH);
    assert_eq!(encap, Some(0x0c96_9692));
}

#[test]
fn other_messages_count_by_addresses_and_errors_by_what_they_quote() {
    let policies = [
        HashPolicy::Layer23,
        HashPolicy::Layer34,
        HashPolicy::Encap23,
        HashPolicy::Encap34,
    ];
    let known = |flow: &Flow| policies.map(|policy| xmit_hash(policy, flow, &BOTH).is_some());
    let solicitation = message(58, V6, 135, 0);
    assert_eq!(known(&solicitation), [true, true, true, false]);
    assert_eq!(known(&message(1, V4, 9, 0)), [true; 4]);
    for error in [message(1, V4, 3, 0), message(58, V6, 2, 0)] {
        let v4 = error.source.is_ipv4();
        assert_eq!(known(&error), [false, false, true, v4], "{error:?}");
    }
    assert_eq!(known(&message(1, V4, 13, 0)), [true, false, true, false]);
}

#[test]
fn what_the_flow_does_not_tell_is_not_guessed() {
    let nothing = Transport::Nothing {};
    let known = |protocol, ethernet: &Ethernet| {
        all(&flow(protocol, V4, nothing), ethernet).map(|hash| hash.is_some())
    };
    let esp = 50;
    assert_eq!(known(esp, &BOTH), [true, true, false, true, false, true]);
    let gre = 47;
    assert_eq!(known(gre, &BOTH), [true, true, true, false, false, true]);
    let ospf = 89;
    assert_eq!(known(ospf, &BOTH), [true; 6]);
    let source_alone = Ethernet {
        destination: None,
        ..BOTH
    };
    let forwarded = Ethernet::default();
    assert_eq!(
        known(ospf, &source_alone),
        [false, false, true, false, true, true]
    );
    assert_eq!(
        known(ospf, &forwarded),
        [false, false, true, false, false, false]
    );
}

#[test]
fn groups_have_addresses_of_their_own() {
    let mac = |address: &str| group_mac(address.parse().expect("address"));
    assert_eq!(mac("239.129.2.3"), Some([0x01, 0x00, 0x5e, 0x01, 2, 3]));
    assert_eq!(mac("ff02::1:ff00:7"), Some([0x33, 0x33, 0xff, 0, 0, 7]));
    assert_eq!(mac("255.255.255.255"), Some([0xff; 6]));
    assert_eq!((mac("10.0.1.255"), mac("fe80::1")), (None, None));
}
