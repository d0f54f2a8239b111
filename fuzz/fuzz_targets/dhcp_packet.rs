// SPDX-License-Identifier: Apache-2.0
//! IPv4 and UDP headers around a message.
//!
//! The first byte says what to repair before: no mutation finds a checksum.
#![no_main]

use std::net::Ipv4Addr;

use hhnet::dhcp::packet::{Checksum, unwrap, wrap};
use libfuzzer_sys::fuzz_target;

const REPAIR_IP: u8 = 1;
const REPAIR_UDP: u8 = 2;

fuzz_target!(|data: &[u8]| {
    let Some((how, packet)) = data.split_first() else {
        return;
    };
    let mut packet = packet.to_vec();
    if how & REPAIR_UDP != 0 {
        repair_udp(&mut packet);
    }
    if how & REPAIR_IP != 0 {
        repair_ip(&mut packet);
    }
    let complete = unwrap(&packet, Checksum::Complete);
    let partial = unwrap(&packet, Checksum::Partial);
    if complete.is_ok() {
        assert_eq!(complete, partial, "less is asked of a partial checksum");
    }
    let Ok((source, message)) = partial else {
        return;
    };
    assert!(message.len() + 28 <= packet.len());
    // A client's packet is a server's with the ports the other way round.
    let mut again = wrap(source, Ipv4Addr::BROADCAST, message);
    assert_eq!(again.len(), 28 + message.len());
    again[20..24].rotate_left(2);
    assert_eq!(unwrap(&again, Checksum::Complete), Ok((source, message)));
});

fn header_len(packet: &[u8]) -> Option<usize> {
    let len = usize::from(packet.first()? & 0xf) * 4;
    (len >= 20 && len <= packet.len()).then_some(len)
}

fn repair_ip(packet: &mut [u8]) {
    if let Some(len) = header_len(packet) {
        packet[10..12].fill(0);
        let sum = !sum(&packet[..len]);
        packet[10..12].copy_from_slice(&sum.to_be_bytes());
    }
}

fn repair_udp(packet: &mut [u8]) {
    let Some(start) = header_len(packet) else {
        return;
    };
    let Some(head) = packet[start..].first_chunk::<8>() else {
        return;
    };
    let len = u16::from_be_bytes([head[4], head[5]]);
    let end = start + usize::from(len);
    if len < 8 || end > packet.len() {
        return;
    }
    packet[start + 6..start + 8].fill(0);
    let mut covered = packet[12..20].to_vec();
    covered.extend([0, 17]);
    covered.extend(len.to_be_bytes());
    covered.extend(&packet[start..end]);
    let sum = match !sum(&covered) {
        0 => u16::MAX,
        sum => sum,
    };
    packet[start + 6..start + 8].copy_from_slice(&sum.to_be_bytes());
}

/// RFC 1071, the slow way: end-around carry after each word.
fn sum(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0, |sum: u16, word| {
        let word = u16::from_be_bytes([word[0], word.get(1).copied().unwrap_or(0)]);
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}
