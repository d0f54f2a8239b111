// SPDX-License-Identifier: Apache-2.0
//! The rule of nfdump's `nfpcapd -d`, done again here because the collector writes
//! flows and does not say which packets it left out: a packet is a duplicate if one
//! of the last eight equals it from the IP header on, without the hops left and the
//! header's checksum.

use std::collections::VecDeque;

use crate::trace::Trace;

/// `nfpcapd` keeps that many packets.
const REMEMBERED: usize = 8;

/// For each frame, whether the rule calls it a duplicate.
pub fn judge(trace: &Trace) -> Vec<bool> {
    let mut last: VecDeque<Vec<u8>> = VecDeque::with_capacity(REMEMBERED);
    let verdicts = trace.frames.iter().map(|frame| {
        let Some(packet) = packet(&frame.bytes) else {
            return false;
        };
        if last.contains(&packet) {
            return true;
        }
        if last.len() == REMEMBERED {
            last.pop_front();
        }
        last.push_back(packet);
        false
    });
    verdicts.collect()
}

/// The IP packet of a frame as it is compared.
fn packet(frame: &[u8]) -> Option<Vec<u8>> {
    let mut at = 12;
    while matches!(frame[at..], [0x81, 0x00, ..] | [0x88, 0xa8, ..]) {
        at += 4;
    }
    let mut packet = frame[at + 2..].to_vec();
    match frame[at..at + 2] {
        [0x08, 0x00] => {
            packet[8] = 0;
            packet[10..12].fill(0);
        }
        [0x86, 0xdd] => packet[7] = 0,
        _ => return None,
    }
    Some(packet)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Class, Frame, Label};

    /// An IPv4 packet in a VLAN or not, with that many hops left.
    fn frame(tagged: bool, hops: u8, payload: u8) -> Frame {
        let tag: &[u8] = if tagged { &[0x81, 0, 0, 7] } else { &[] };
        let mut header = [0; 20];
        (header[0], header[8], header[10]) = (0x45, hops, hops);
        Frame {
            time_ns: 0,
            member: 0,
            bytes: [&[2; 12], tag, &[8, 0], &header, &[payload]].concat(),
            label: Label::Original,
            class: Class::Heartbeat,
        }
    }

    fn verdicts(frames: Vec<Frame>) -> Vec<bool> {
        judge(&Trace { frames })
    }

    #[test]
    fn what_routers_and_bridges_change_does_not_count() {
        let frames = vec![frame(true, 64, 1), frame(false, 63, 1), frame(true, 64, 2)];
        assert_eq!(verdicts(frames), [false, true, false]);
    }

    #[test]
    fn eight_packets_are_remembered() {
        for (others, is_found) in [(7, true), (8, false)] {
            let mut frames: Vec<_> = (0..=others).map(|n| frame(true, 64, n)).collect();
            frames.push(frame(true, 64, 0));
            assert_eq!(verdicts(frames).pop(), Some(is_found));
        }
    }

    #[test]
    fn other_frames_are_no_business_of_a_flow_collector() {
        let mut arp = frame(true, 64, 1);
        arp.bytes[16..18].copy_from_slice(&[8, 6]);
        assert_eq!(verdicts(vec![arp.clone(), arp]), [false, false]);
    }
}
