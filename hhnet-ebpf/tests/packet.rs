// SPDX-License-Identifier: Apache-2.0
//! The parser of the eBPF programs, on the host.

mod frames;
mod guarded;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use frames::*;
use guarded::Guarded;
use hhnet_ebpf::{
    flow::Attributes,
    frame::{Frame, Origin},
    member::Kind,
    packet::{Content, Packet, parse},
};
use proptest::prelude::*;

/// Parses `bytes` as the first bytes of a frame of `length`, placed so that
/// reading past them is a crash.
fn parse_part(bytes: &[u8], length: usize, stripped_tag: Option<u16>) -> Packet {
    let memory = Guarded::new(bytes);
    let (start, end) = memory.bounds();
    // SAFETY: the bounds are those of `memory`, which outlives the frame.
    let frame = unsafe { Frame::new(start, end, length as u64, stripped_tag, Origin::ingress(9)) };
    parse(&frame)
}

fn parse_whole(bytes: &[u8]) -> Packet {
    parse_part(bytes, bytes.len(), None)
}

/// Addresses and the rest of the flow that `bytes` belong to.
fn flow(bytes: &[u8]) -> ((IpAddr, IpAddr), Attributes) {
    match parse_whole(bytes).content() {
        Content::V4(key) => {
            let (source, destination) = key.addresses();
            ((source.into(), destination.into()), key.attributes())
        }
        Content::V6(key) => {
            let (source, destination) = key.addresses();
            ((source.into(), destination.into()), key.attributes())
        }
        Content::Other => panic!("no flow"),
    }
}

fn attributes(bytes: &[u8]) -> Attributes {
    flow(bytes).1
}

fn sample(name: &str) -> Vec<u8> {
    samples()
        .into_iter()
        .find(|(sample, _)| *sample == name)
        .expect("sample")
        .1
}

#[test]
fn addresses_in_host_order() {
    let v4 = (
        Ipv4Addr::new(10, 0, 1, 10).into(),
        Ipv4Addr::new(10, 0, 1, 1).into(),
    );
    assert_eq!(flow(&sample("udp")).0, v4);
    let v6 = |last| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last).into();
    assert_eq!(flow(&sample("v6 udp")).0, (v6(0x10), v6(1)));
}

#[test]
fn ports_and_protocol_of_each_sort() {
    let expected = [
        ("udp", UDP, (0x1234, 53)),
        ("tcp", TCP, (40000, 443)),
        ("all options", TCP, (40000, 443)),
        ("echo request", ICMP, (0x4d2, 8 << 8)),
        ("unreachable", ICMP, (0, 3 << 8 | 4)),
        ("sctp", 132, (0x1234, 53)),
        ("gre", 47, (0, 0)),
        ("short udp", UDP, (0, 0)),
        ("first fragment", UDP, (0x1234, 53)),
        ("later fragment", UDP, (0, 0)),
        ("total length 0", TCP, (40000, 443)),
        ("v6 udp", UDP, (0x1234, 53)),
        ("v6 echo reply", ICMPV6, (0x4d2, 129 << 8)),
        ("v6 solicitation", ICMPV6, (0, 135 << 8)),
        ("v6 six extensions", TCP, (40000, 443)),
        ("v6 seven extensions", DESTINATION, (0, 0)),
        ("v6 64 extensions", HOP_BY_HOP, (0, 0)),
        ("v6 later fragment", UDP, (0, 0)),
        ("v6 no next header", 59, (0, 0)),
    ];
    for (name, protocol, ports) in expected {
        let attributes = attributes(&sample(name));
        assert_eq!(
            (attributes.protocol(), attributes.ports()),
            (protocol, ports),
            "{name}"
        );
        assert_eq!(
            attributes.is_later_fragment(),
            name.contains("later fragment"),
            "{name}"
        );
        assert_eq!(
            (attributes.member(), attributes.is_egress()),
            (9, false),
            "{name}"
        );
    }
}

#[test]
fn kinds_without_a_flow() {
    let expected = [
        ("arp", Kind::Arp),
        ("lacp", Kind::Lacp),
        ("lldp", Kind::Lldp),
        ("stp", Kind::Other),
        ("mpls", Kind::Other),
        ("three tags", Kind::Other),
        ("64 tags", Kind::Other),
    ];
    for (name, kind) in expected {
        assert_eq!(parse_whole(&sample(name)).kind.value(), kind, "{name}");
    }
}

#[test]
fn innermost_vlan_and_number_of_tags() {
    let expected = [
        ("udp", None, 0),
        ("vlan", Some(1001), 1),
        ("priority tag", Some(0), 1),
        ("qinq", Some(1001), 2),
    ];
    for (name, vlan, tags) in expected {
        assert_eq!(attributes(&sample(name)).vlan(), vlan, "{name}");
        assert_eq!(parse_whole(&sample(name)).tags, tags, "{name}");
    }
    assert_eq!(attributes(&sample("v6 in vlan")).vlan(), Some(1001));
}

#[test]
fn tag_beside_the_frame_is_the_outer_one() {
    let vlan_of = |name: &str| {
        let bytes = sample(name);
        let packet = parse_part(&bytes, bytes.len(), Some(0xa000 | 200));
        let Content::V4(key) = packet.content() else {
            panic!("{packet:?}")
        };
        (key.attributes().vlan(), packet.tags)
    };
    assert_eq!(vlan_of("udp"), (Some(200), 1));
    assert_eq!(vlan_of("vlan"), (Some(1001), 2));
}

#[test]
fn a_tag_and_nothing_after_it() {
    for (tags, kind) in [(0, Kind::Malformed), (1, Kind::Malformed), (2, Kind::Other)] {
        let frame = ethernet(&vec![(VLAN, 5); tags], VLAN, &[]);
        assert_eq!(parse_whole(&frame).kind, kind, "{tags} tags");
    }
}

#[test]
fn header_lengths_that_contradict_the_packet() {
    for ihl in 0..16_u8 {
        let mut frame = ethernet(&[], 0x0800, &ipv4(10, TCP, 0, &tcp()));
        frame[14] = 0x40 | ihl;
        let kind = parse_whole(&frame).kind.value();
        assert_eq!(
            kind,
            if ihl < 5 { Kind::Malformed } else { Kind::Ipv4 },
            "IHL {ihl}"
        );
    }
    for total in 1..=60_u8 {
        let mut frame = ethernet(&[], 0x0800, &ipv4(0, TCP, 0, &tcp()));
        frame[17] = total;
        let fits = (20..=40).contains(&total);
        let kind = parse_whole(&frame).kind.value();
        assert_eq!(
            kind,
            if fits { Kind::Ipv4 } else { Kind::Malformed },
            "total length {total}"
        );
        let has_ports = fits && total >= 28;
        assert!(!fits || (attributes(&frame).ports() == (40000, 443)) == has_ports);
    }
}

#[test]
fn version_that_contradicts_the_ether_type() {
    for (version, kind) in [
        (0x45, 0x86dd),
        (0x65, 0x0800),
        (0x05, 0x0800),
        (0xf5, 0x0800),
    ] {
        let mut frame = ethernet(&[], kind, &ipv6(UDP, &udp(20)));
        frame[14] = version;
        assert_eq!(
            parse_whole(&frame).kind.value(),
            Kind::Malformed,
            "{version:x}"
        );
    }
}

#[test]
fn padding_changes_nothing() {
    for (name, bytes) in samples() {
        let mut padded = bytes.clone();
        padded.extend([0x11; 50]);
        let (padded, bytes) = (parse_whole(&padded), parse_whole(&bytes));
        assert_eq!(
            (padded.kind, padded.content(), padded.headers),
            (bytes.kind, bytes.content(), bytes.headers),
            "{name}"
        );
        // A length of 0 says that the packet goes on to the frame's end, and only IP and
        // ARP say where theirs is.
        let has_length = !["total length 0", "v6 no next header"].contains(&name);
        if has_length && bytes.kind != Kind::Other {
            assert_eq!(padded.identity, bytes.identity, "{name}");
        }
    }
}

#[test]
fn a_frame_cut_short_is_malformed_as_soon_as_it_claims_more() {
    for (name, bytes) in samples() {
        let whole = parse_whole(&bytes);
        for length in 0..bytes.len() {
            let cut = parse_whole(&bytes[..length]).kind;
            let l2_only = matches!(whole.content(), Content::Other) && length >= 22;
            let claims_nothing = name == "total length 0" && length >= 34;
            if l2_only || claims_nothing {
                assert_eq!(cut, whole.kind, "{name} cut to {length}");
            } else if length < 14 || !matches!(whole.content(), Content::Other) {
                assert_eq!(cut, Kind::Malformed, "{name} cut to {length}");
            }
        }
    }
}

#[test]
fn a_frame_in_several_buffers_is_counted_by_what_the_first_one_shows() {
    for (name, bytes) in samples() {
        let whole = parse_whole(&bytes);
        for length in 0..bytes.len() {
            let part = parse_part(&bytes[..length], bytes.len(), None).kind;
            assert!(
                part == whole.kind || part == Kind::Malformed,
                "{name}, first {length} bytes: {part:?}"
            );
        }
        // The IP header alone.
        if whole.kind == Kind::Ipv4 && whole.tags == 0 {
            let part = parse_part(&bytes[..34], bytes.len(), None).content();
            let (Content::V4(part), Content::V4(whole)) = (part, whole.content()) else {
                panic!("{name}: {part:?}")
            };
            assert_eq!(part.addresses(), whole.addresses());
            assert_eq!(part.attributes().ports(), (0, 0));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_parsed(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        more in 0..10_000_usize,
        tag in any::<Option<u16>>(),
    ) {
        parse_part(&bytes, bytes.len() + more, tag);
    }

    #[test]
    fn any_damaged_sample_is_parsed(
        sample in proptest::sample::select(samples()),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<proptest::sample::Index>(),
        more in 0..10_000_usize,
    ) {
        let mut bytes = sample.1;
        for (position, byte) in damage {
            let position = position.index(bytes.len().min(96));
            bytes[position] = byte;
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        parse_part(&bytes, bytes.len() + more, None);
    }
}
