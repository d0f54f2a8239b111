// SPDX-License-Identifier: Apache-2.0
//! Copies, as a network makes them.

use rand::Rng as _;

use super::wire::{Sent, Wire};
use super::{Class, Frame, Label, Trace};

/// Of all copies, these arrive on the other member.
const CROSS: f64 = 0.6;
/// These took one hop more.
const ANOTHER_HOP: f64 = 0.1;
/// These got a congestion mark.
const CONGESTED: f64 = 0.05;
/// Shares of delays and their means in nanoseconds.
const DELAYS: [(f64, f64); 3] = [(0.7, 20e3), (0.25, 1e6), (0.05, 10e6)];

/// "Congestion experienced".
const MARK: u8 = 0b11;
/// Hops of a packet that must not have crossed a router.
const ON_LINK: u8 = 255;

/// Takes what was sent, copies a `share` of it and puts all in order of arrival.
pub(super) fn label(wire: &mut Wire, share: f64) -> Trace {
    let mut sent = std::mem::take(&mut wire.sent);
    sent.sort_by_key(|frame| frame.time_ns);
    let mut copies: Vec<(usize, Sent)> = Vec::new();
    for (original, frame) in sent.iter().enumerate() {
        if frame.class != Class::Link && wire.chance(share) {
            copies.push((original, copy(frame, wire)));
        }
    }
    copies.sort_by_key(|(_, copy)| copy.time_ns);
    merge(sent, copies)
}

fn copy(original: &Sent, wire: &mut Wire) -> Sent {
    let cross = wire.chance(CROSS);
    let mut bytes = original.bytes.clone();
    if let Some(mut header) = IpHeader::find(&mut bytes) {
        if wire.chance(ANOTHER_HOP) && header.hops() != ON_LINK {
            header.hop();
        }
        if wire.chance(CONGESTED) {
            header.mark();
        }
    }
    Sent {
        // Two frames are never received at once.
        time_ns: original.time_ns + 100 + delay(wire),
        member: original.member ^ u8::from(cross),
        class: original.class,
        bytes,
    }
}

fn delay(wire: &mut Wire) -> u64 {
    let mut point: f64 = wire.rng.random();
    for (share, mean) in DELAYS {
        if point < share {
            return wire.exponential(mean);
        }
        point -= share;
    }
    wire.exponential(DELAYS[0].1)
}

/// Both are sorted. An original goes before a copy that comes at the same time, and
/// the copies' numbers of originals become positions in the result.
fn merge(sent: Vec<Sent>, copies: Vec<(usize, Sent)>) -> Trace {
    let mut frames = Vec::with_capacity(sent.len() + copies.len());
    let mut positions = Vec::with_capacity(sent.len());
    let mut copies = copies.into_iter().peekable();
    for original in sent {
        let before = |copy: &(usize, Sent)| copy.1.time_ns < original.time_ns;
        while let Some((number, copy)) = copies.next_if(before) {
            let label = Label::CopyOf {
                original: positions[number],
            };
            frames.push(labelled(copy, label));
        }
        positions.push(frames.len());
        frames.push(labelled(original, Label::Original));
    }
    frames.extend(copies.map(|(number, copy)| {
        let original = positions[number];
        labelled(copy, Label::CopyOf { original })
    }));
    Trace { frames }
}

fn labelled(sent: Sent, label: Label) -> Frame {
    Frame {
        time_ns: sent.time_ns,
        member: sent.member,
        bytes: sent.bytes,
        label,
        class: sent.class,
    }
}

/// An IP header without options in a frame.
struct IpHeader<'a> {
    v6: bool,
    bytes: &'a mut [u8],
}

impl<'a> IpHeader<'a> {
    /// `None` for other frames.
    fn find(frame: &'a mut [u8]) -> Option<Self> {
        let mut at = 12;
        while matches!(frame[at..at + 2], [0x81, 0x00] | [0x88, 0xa8]) {
            at += 4;
        }
        let v6 = match frame[at..at + 2] {
            [0x08, 0x00] => false,
            [0x86, 0xdd] => true,
            _ => return None,
        };
        let bytes = &mut frame[at + 2..];
        Some(Self { v6, bytes })
    }

    fn hops(&self) -> u8 {
        self.bytes[if self.v6 { 7 } else { 8 }]
    }

    fn hop(&mut self) {
        self.bytes[if self.v6 { 7 } else { 8 }] -= 1;
        self.sum();
    }

    fn mark(&mut self) {
        if self.v6 {
            // The traffic class is in two halves.
            self.bytes[1] |= MARK << 4;
        } else {
            self.bytes[1] |= MARK;
        }
        self.sum();
    }

    /// Corrects the checksum of IPv4; IPv6 has none.
    fn sum(&mut self) {
        if !self.v6 {
            let header = etherparse::Ipv4HeaderSlice::from_slice(self.bytes)
                .expect("a header that was made here")
                .to_header();
            let sum = header.calc_header_checksum();
            self.bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        }
    }
}
