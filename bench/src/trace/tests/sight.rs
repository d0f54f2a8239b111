// SPDX-License-Identifier: Apache-2.0
//! Reading a frame once more, by other code than that which made it.

use std::collections::HashMap;

use etherparse::{NetSlice, SlicedPacket};

use super::super::{Class, Frame, Mix};
use super::{plan, typical};

/// What a checksum of the Internet comes to if it is right (RFC 1071).
const RIGHT: u16 = 0xffff;

/// The sum of 16-bit words with the carry added.
fn sum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let sum = bytes.chunks(2).fold(0_u64, |sum, word| {
        let low = word.get(1).copied().unwrap_or(0);
        sum + u64::from(u16::from_be_bytes([word[0], low]))
    });
    let mut folded = sum;
    while folded > 0xffff {
        folded = (folded & 0xffff) + (folded >> 16);
    }
    folded as u16
}

/// Addresses, protocol and what is sent by it: the header checksum was right.
struct Seen<'a> {
    source: Vec<u8>,
    destination: Vec<u8>,
    protocol: u8,
    fragment: bool,
    body: &'a [u8],
}

fn look(bytes: &[u8]) -> Result<Option<Seen<'_>>, String> {
    let packet = SlicedPacket::from_ethernet(bytes).map_err(|e| e.to_string())?;
    Ok(match packet.net {
        Some(NetSlice::Ipv4(packet)) => {
            let header = packet.header();
            if sum(&[header.slice()]) != RIGHT {
                return Err("IPv4 checksum".to_owned());
            }
            Some(Seen {
                source: header.source().to_vec(),
                destination: header.destination().to_vec(),
                protocol: header.protocol().0,
                fragment: header.is_fragmenting_payload(),
                body: packet.payload().payload,
            })
        }
        Some(NetSlice::Ipv6(packet)) => Some(Seen {
            source: packet.header().source().to_vec(),
            destination: packet.header().destination().to_vec(),
            protocol: packet.payload().ip_number.0,
            fragment: packet.is_payload_fragmented(),
            body: packet.payload().payload,
        }),
        _ => None,
    })
}

/// Whether all checksums of a frame are right; those of fragments are not known.
fn check(bytes: &[u8]) -> Result<(), String> {
    let Some(seen) = look(bytes)? else {
        return Ok(());
    };
    if seen.fragment {
        return Ok(());
    }
    transport(&seen, seen.body)
}

fn transport(seen: &Seen<'_>, body: &[u8]) -> Result<(), String> {
    let length = (body.len() as u32).to_be_bytes();
    let pseudo = [
        &seen.source[..],
        &seen.destination,
        &length,
        &[0, 0, 0, seen.protocol],
    ]
    .concat();
    // ICMP and VRRP version 2 have no pseudo header.
    let pseudo: &[u8] = if matches!(seen.protocol, 1 | 112) {
        &[]
    } else {
        &pseudo
    };
    match sum(&[pseudo, body]) {
        RIGHT => Ok(()),
        other => Err(format!("protocol {}: sum {other:#x}", seen.protocol)),
    }
}

#[test]
fn checksums_are_right() {
    for mix in [Mix::Typical, Mix::Hostile] {
        for frame in plan(mix, 0.1).generate().frames {
            let found = check(&frame.bytes);
            assert_eq!(found, Ok(()), "{}: {:02x?}", frame.class, frame.bytes);
        }
    }
}

#[test]
fn a_wrong_checksum_is_noticed() {
    let trace = typical();
    let damaged = |class: fn(&Class) -> bool, at: fn(&[u8]) -> usize| {
        let wanted = |frame: &&Frame| class(&frame.class) && frame.bytes.len() > 60;
        let frame = trace.frames.iter().find(wanted).expect("in every trace");
        let mut bytes = frame.bytes.clone();
        let at = at(&bytes);
        bytes[at] ^= 1;
        check(&bytes)
    };
    let last = |bytes: &[u8]| bytes.len() - 1;
    assert!(damaged(|class| matches!(class, Class::Tcp(..)), last).is_err());
    assert!(damaged(|class| matches!(class, Class::Udp(_)), last).is_err());
    assert!(damaged(|class| matches!(class, Class::Echo(_)), last).is_err());
    // Hops left, below one tag: the addresses end 16 bytes after.
    let hops = |bytes: &[u8]| if bytes[12] == 0x81 { 26 } else { 22 };
    assert!(damaged(|class| *class == Class::Heartbeat, hops).is_err());
}

#[test]
fn fragments_make_datagrams() {
    let mut datagrams: HashMap<_, Vec<u8>> = HashMap::new();
    let mut whole = [0, 0];
    for frame in plan(Mix::Typical, 0.0).generate().frames {
        let Class::Fragment(version) = frame.class else {
            continue;
        };
        let seen = look(&frame.bytes).expect("readable").expect("IP");
        let (id, more) = identification(&frame.bytes);
        let key = (version, seen.source.clone(), id);
        let datagram = datagrams.entry(key).or_default();
        datagram.extend(seen.body);
        if !more {
            assert_eq!(transport(&seen, datagram), Ok(()));
            assert!(datagram.len() > 1500);
            whole[usize::from(version == 6)] += 1;
        }
    }
    assert!(whole[0] > 100 && whole[1] > 30, "{whole:?}");
}

/// A fragment's identification, and whether more follow.
fn identification(bytes: &[u8]) -> (u32, bool) {
    let packet = SlicedPacket::from_ethernet(bytes).expect("readable");
    match packet.net {
        Some(NetSlice::Ipv4(packet)) => {
            let header = packet.header();
            (header.identification().into(), header.more_fragments())
        }
        Some(NetSlice::Ipv6(packet)) => {
            let header = packet.extensions().slice();
            let number = |at| u32::from_be_bytes(header[at..at + 4].try_into().expect("four"));
            (number(4), number(0) & 1 == 1)
        }
        _ => panic!("no IP packet"),
    }
}
