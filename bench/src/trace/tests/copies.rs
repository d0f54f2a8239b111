// SPDX-License-Identifier: Apache-2.0

use super::super::{Class, Frame, Label, Mix, Trace};
use super::{about, plan, typical};

/// Each copy with its original.
fn pairs(trace: &Trace) -> Vec<(&Frame, &Frame)> {
    let original = |copy: &Frame| match copy.label {
        Label::CopyOf { original } => Some(original),
        Label::Original => None,
    };
    let frames = trace.frames.iter();
    let pairs = frames.filter_map(|copy| Some((copy, &trace.frames[original(copy)?])));
    pairs.collect()
}

/// Where the IP header begins, and its version.
fn ip(bytes: &[u8]) -> Option<(usize, u8)> {
    let mut at = 12;
    loop {
        match (bytes[at], bytes[at + 1]) {
            (0x81, 0) | (0x88, 0xa8) => at += 4,
            (0x08, 0) => return Some((at + 2, 4)),
            (0x86, 0xdd) => return Some((at + 2, 6)),
            _ => return None,
        }
    }
}

/// The bytes without hops, congestion marks and the header's checksum.
fn masked(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    match ip(&bytes) {
        Some((at, 4)) => {
            bytes[at + 1] &= !3;
            bytes[at + 8] = 0;
            bytes[at + 10..at + 12].fill(0);
        }
        Some((at, _)) => {
            bytes[at + 1] &= !0x30;
            bytes[at + 7] = 0;
        }
        None => (),
    }
    bytes
}

fn hops(bytes: &[u8]) -> Option<u8> {
    ip(bytes).map(|(at, version)| bytes[at + if version == 4 { 8 } else { 7 }])
}

#[test]
fn a_copy_follows_what_it_is_a_copy_of() {
    let trace = typical();
    let pairs = pairs(&trace);
    assert!(pairs.len() > 5000);
    for (copy, original) in &pairs {
        assert_eq!(original.label, Label::Original);
        assert!(copy.time_ns > original.time_ns);
        assert_eq!(copy.class, original.class);
        assert_eq!(masked(&copy.bytes), masked(&original.bytes));
        assert_ne!(copy.class, Class::Link);
    }
    // Whoever takes an index for another one is noticed by the assertion above.
    let differs =
        |(a, b): (&(&Frame, &Frame), &(&Frame, &Frame))| masked(&a.0.bytes) != masked(&b.1.bytes);
    let shifted = pairs.iter().zip(&pairs[1..]).filter(|pair| differs(*pair));
    assert!(shifted.count() > pairs.len() * 9 / 10);
}

#[test]
fn no_frame_is_copied_twice() {
    let trace = plan(Mix::Hostile, 0.1).generate();
    let copies = trace.frames.iter().filter_map(|frame| match frame.label {
        Label::CopyOf { original } => Some(original),
        Label::Original => None,
    });
    let mut originals: Vec<usize> = copies.collect();
    let count = originals.len();
    originals.sort_unstable();
    originals.dedup();
    assert_eq!(originals.len(), count);
}

#[test]
fn copies_are_as_many_and_as_late_as_said() {
    for share in [0.01, 0.1] {
        let trace = plan(Mix::Typical, share).generate();
        let originals = trace.frames.iter().filter(|f| f.label == Label::Original);
        let originals = originals.count();
        let copies = trace.frames.len() - originals;
        about("copies", copies, originals, share, share / 10.0);
    }
    let trace = typical();
    let pairs = pairs(&trace);
    let all = pairs.len();
    let cross = pairs.iter().filter(|(c, o)| c.member != o.member).count();
    about("other member", cross, all, 0.6, 0.03);
    for frame in &trace.frames {
        let crossed = match frame.label {
            Label::Original => None,
            Label::CopyOf { original } => Some(trace.frames[original].member != frame.member),
        };
        assert_eq!(trace.is_cross(frame), crossed);
    }
    let later = |ns: u64| {
        let late = |(copy, original): &&(&Frame, &Frame)| copy.time_ns - original.time_ns > ns;
        pairs.iter().filter(late).count()
    };
    // 0.25 e^-0.2 + 0.05 e^-0.02, and 0.25 e^-5 + 0.05 e^-0.5
    about("200 µs later", later(200_000), all, 0.254, 0.02);
    about("5 ms later", later(5_000_000), all, 0.032, 0.01);
}

#[test]
fn some_copies_took_another_way() {
    let trace = typical();
    let pairs = pairs(&trace);
    let mut counts = [0, 0, 0];
    for (copy, original) in &pairs {
        let (Some(after), Some(before)) = (hops(&copy.bytes), hops(&original.bytes)) else {
            continue;
        };
        assert!(after == before || after == before - 1);
        counts[0] += usize::from(after < before);
        // What is left to differ: congestion marks, which only ever come.
        let (at, version) = ip(&copy.bytes).expect("IP");
        let mark = |bytes: &[u8]| bytes[at + 1] >> if version == 4 { 0 } else { 4 } & 3;
        let (after, before) = (mark(&copy.bytes), mark(&original.bytes));
        assert!(after == before || after == 3);
        counts[1] += usize::from(after != before);
        counts[2] += usize::from(copy.bytes == original.bytes);
    }
    let all = pairs.len();
    about("another hop", counts[0], all, 0.1, 0.015);
    about("congested", counts[1], all, 0.05, 0.01);
    about("unchanged", counts[2], all, 0.855, 0.02);
}
