// SPDX-License-Identifier: Apache-2.0
//! What makes frames equal to the programs.

mod frames;
mod guarded;

use frames::*;
use guarded::Guarded;
use hhnet_ebpf::{
    fingerprint::{Evidence, Fingerprint},
    frame::{Frame, Origin},
    packet::parse,
};

fn fingerprint(bytes: &[u8]) -> Fingerprint {
    on_member(bytes, 0)
}

fn on_member(bytes: &[u8], member: u8) -> Fingerprint {
    let memory = Guarded::new(bytes);
    let (start, end) = memory.bounds();
    let origin = Origin::ingress(member);
    // SAFETY: the bounds are those of `memory`, which outlives the frame.
    let frame = unsafe { Frame::new(start, end, bytes.len() as u64, None, origin) };
    Fingerprint::new(&frame, &parse(&frame))
}

fn evidence(bytes: &[u8]) -> Evidence {
    fingerprint(bytes).evidence.value()
}

/// An IPv4 packet in a frame, with this identification.
fn identified(id: u16, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = ethernet(&[], 0x0800, &ipv4(0, protocol, 0, payload));
    frame[18..20].copy_from_slice(&id.to_be_bytes());
    frame
}

/// A TCP segment with these flags, a timestamp if asked for, and some data.
fn segment(flags: u8, is_stamped: bool, data: &[u8]) -> Vec<u8> {
    let mut segment = tcp();
    segment[13] = flags;
    if is_stamped {
        segment[12] = 0x80;
        segment.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    }
    segment.extend(data);
    segment
}

#[test]
fn what_routers_change_does_not_matter_and_all_else_does() {
    let frame = ethernet(&[(VLAN, 1001)], 0x0800, &ipv4(0, UDP, 0, &udp(8)));
    let whole = fingerprint(&frame);
    // MAC addresses, priority, DSCP and ECN, TTL, header checksum.
    let changed = [0..12, 14..15, 19..20, 26..27, 28..30];
    for at in 0..frame.len() {
        // Lengths, versions and EtherTypes make it another sort of packet.
        let other_sort = [12..14, 16..19, 20..22]
            .iter()
            .any(|range| range.contains(&at));
        let mut copy = frame.clone();
        copy[at] ^= 0x10;
        let is_equal = fingerprint(&copy).hash == whole.hash;
        let is_changed = changed.iter().any(|range| range.contains(&at));
        assert!(other_sort || is_equal == is_changed, "byte {at}");
    }
}

#[test]
fn the_same_of_ipv6() {
    let frame = ethernet(&[], 0x86dd, &ipv6(UDP, &udp(8)));
    let whole = fingerprint(&frame);
    for at in (0..frame.len()).filter(|at| !(12..15).contains(at) && !(18..21).contains(at)) {
        let mut copy = frame.clone();
        copy[at] ^= 0x10;
        let is_equal = fingerprint(&copy).hash == whole.hash;
        // The upper half of byte 15 is of the traffic class.
        let is_changed = at < 12 || at == 15 || at == 21;
        assert_eq!(is_equal, is_changed, "byte {at}");
    }
}

#[test]
fn neither_member_nor_padding_matters() {
    for (name, bytes) in samples() {
        let whole = fingerprint(&bytes);
        assert_eq!(on_member(&bytes, 7), whole, "{name}");
    }
    let arp = |target| {
        let mut packet = [0, 1, 8, 0, 6, 4, 0, 1].to_vec();
        packet.resize(27, 9);
        packet.push(target);
        ethernet(&[], 0x0806, &packet)
    };
    let mut padded = arp(1);
    padded.resize(60, 0);
    assert_eq!(fingerprint(&padded), fingerprint(&arp(1)));
    // The last byte of the target is the last of all.
    assert_ne!(fingerprint(&arp(2)).hash, fingerprint(&arp(1)).hash);
}

#[test]
fn an_identification_is_an_identity() {
    assert_eq!(evidence(&identified(1, UDP, &udp(4))), Evidence::Strong);
    assert_eq!(evidence(&identified(0, UDP, &udp(4))), Evidence::Weak);
    assert_eq!(
        evidence(&identified(7, TCP, &segment(0x10, false, &[]))),
        Evidence::Strong
    );
    let [a, b] = [1, 2].map(|id| fingerprint(&identified(id, UDP, &udp(4))).hash);
    assert_ne!(a, b);
}

#[test]
fn what_a_timestamp_proves_depends_on_the_rest() {
    let of = |flags, is_stamped, data: &[u8]| {
        evidence(&identified(0, TCP, &segment(flags, is_stamped, data)))
    };
    const ACK: u8 = 0x10;
    const FIN: u8 = 0x11;
    const RST: u8 = 0x14;
    assert_eq!(of(ACK, true, &[1]), Evidence::Stamped);
    assert_eq!(of(FIN, true, &[]), Evidence::Stamped);
    assert_eq!(of(ACK, false, &[1]), Evidence::Segment);
    assert_eq!(of(RST, false, &[]), Evidence::Segment);
    assert_eq!(of(ACK, true, &[]), Evidence::StampedAcknowledgement);
    assert_eq!(of(ACK, false, &[]), Evidence::Acknowledgement);
    // What a receiver misses: a block of SACK after the timestamp.
    let mut missing = segment(ACK, true, &[1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    missing[12] = 0xb0;
    assert_eq!(
        evidence(&identified(0, TCP, &missing)),
        Evidence::Acknowledgement
    );
    let mut syn = tcp();
    (syn[12], syn[13]) = (0xa0, 0x02);
    syn.extend([
        2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7,
    ]);
    assert_eq!(evidence(&identified(0, TCP, &syn)), Evidence::Stamped);
}

#[test]
fn an_echo_is_known_by_its_sequence_number_whatever_its_identification() {
    let echo = |id, sequence: u16| {
        let mut message = vec![0, 0, 0, 0, 4, 0xd2];
        message.extend(sequence.to_be_bytes());
        message.extend([7; 48]);
        fingerprint(&identified(id, ICMP, &message))
    };
    assert_eq!(echo(1, 5).evidence, Evidence::Strong);
    assert_eq!(echo(0, 5).evidence, Evidence::Strong);
    assert_eq!(echo(1, 5).hash, echo(2, 5).hash);
    assert_ne!(echo(1, 5), echo(2, 5), "the note tells them apart");
    assert_ne!(echo(1, 5).hash, echo(1, 6).hash);
}

#[test]
fn fragments_of_ipv6_have_an_identification() {
    let (next, chain) = extensions(&[FRAGMENT], UDP, &udp(4));
    let frame = ethernet(&[], 0x86dd, &ipv6(next, &chain));
    assert_eq!(evidence(&frame), Evidence::Strong);
    let mut other = frame.clone();
    other[14 + 40 + 7] = 8;
    assert_ne!(fingerprint(&other).hash, fingerprint(&frame).hash);
    assert_eq!(
        evidence(&ethernet(&[], 0x86dd, &ipv6(UDP, &udp(4)))),
        Evidence::Weak
    );
}

#[test]
fn what_cannot_be_compared() {
    for (name, bytes) in samples() {
        let expected = ["lacp", "lldp"].contains(&name);
        assert_eq!(evidence(&bytes) == Evidence::Nothing, expected, "{name}");
    }
    assert_eq!(evidence(&[0; 13]), Evidence::Nothing);
}
