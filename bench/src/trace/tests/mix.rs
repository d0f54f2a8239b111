// SPDX-License-Identifier: Apache-2.0

use std::collections::{BTreeSet, HashMap};

use super::super::{Class, Frame, Label, Marks, Mix, Plan, Segment, Trace};
use super::{about, plan, typical};

fn count(trace: &Trace, wanted: impl Fn(&Frame) -> bool) -> usize {
    trace.frames.iter().filter(|frame| wanted(frame)).count()
}

#[test]
fn a_seed_says_everything() {
    let plan = Plan {
        frames: 5_000,
        ..plan(Mix::Hostile, 0.1)
    };
    assert_eq!(plan.generate(), plan.generate());
    assert_ne!(plan.generate(), Plan { seed: 8, ..plan }.generate());
}

#[test]
fn frames_are_in_order() {
    for rate in [20_000.0, 200_000.0] {
        let plan = Plan {
            rate,
            ..plan(Mix::Typical, 0.1)
        };
        let frames = plan.generate().frames;
        assert_eq!(frames.len(), plan.frames);
        assert!(frames.is_sorted_by_key(|frame| frame.time_ns));
        let (first, last) = (frames[0].time_ns, frames[frames.len() - 1].time_ns);
        assert!(first > 1_000_000_000);
        let seconds = (last - first) as f64 / 1e9;
        let expected = plan.frames as f64 / 1.1 / rate;
        assert!(
            (0.7..1.5).contains(&(seconds / expected)),
            "{seconds} s instead of {expected}"
        );
    }
}

#[test]
fn frames_have_the_length_of_frames() {
    let trace = typical();
    let untagged = |frame: &Frame| frame.bytes[12..14] != [0x81, 0] && frame.bytes[12] != 0x88;
    for Frame { bytes, .. } in &trace.frames {
        assert!((60..=1514 + 8).contains(&bytes.len()));
    }
    let all = trace.frames.len();
    let tagged = |tag: &[u8]| count(&trace, |frame| frame.bytes[12..].starts_with(tag));
    about("VLAN 1001", tagged(&[0x81, 0, 3, 0xe9]), all, 0.75, 0.15);
    let stacked = tagged(&[0x88, 0xa8, 0, 100, 0x81, 0, 3, 0xe9]);
    about("two tags", stacked, all, 0.05, 0.04);
    about("untagged", count(&trace, untagged), all, 0.08, 0.06);
    let padded = count(&trace, |frame| frame.class == Class::Arp);
    assert!(padded > 50, "{padded} requests");
}

#[test]
fn traffic_is_of_all_sorts() {
    let trace = typical();
    let all = trace.frames.len();
    let tcp = count(&trace, |frame| matches!(frame.class, Class::Tcp(..)));
    let udp = count(&trace, |frame| matches!(frame.class, Class::Udp(_)));
    about("TCP", tcp, all, 0.68, 0.08);
    about("UDP", udp, all, 0.19, 0.04);
    let sort = |class: Class| count(&trace, |frame| frame.class == class);
    about(
        "counted UDP",
        sort(Class::Udp(Marks::Counted)),
        udp,
        0.42,
        0.1,
    );
    about("IPv4 fragments", sort(Class::Fragment(4)), all, 0.03, 0.015);
    about("IPv6 fragments", sort(Class::Fragment(6)), all, 0.01, 0.007);
    let echo = count(&trace, |frame| matches!(frame.class, Class::Echo(_)));
    about("echo", echo, all, 0.02, 0.007);
    for class in [
        Class::Ntp,
        Class::Dns(Marks::Counted),
        Class::Dns(Marks::None),
        Class::Heartbeat,
        Class::Bfd,
        Class::Arp,
        Class::Neighbour,
        Class::Vrrp,
        Class::Link,
    ] {
        assert_ne!(sort(class), 0, "{class}");
    }
    assert_eq!(sort(Class::Stream), 0);
    let hostile = plan(Mix::Hostile, 0.1).generate();
    let streams = count(&hostile, |frame| frame.class == Class::Stream);
    about("streams", streams, hostile.frames.len(), 0.2, 0.03);
}

#[test]
fn tcp_is_that_of_several_systems() {
    let trace = plan(Mix::Typical, 0.0).generate();
    let mut stacks = BTreeSet::new();
    let (mut data, mut again) = (0, 0);
    let mut last: HashMap<Vec<u8>, u16> = HashMap::new();
    let mut steps = [0, 0];
    for frame in &trace.frames {
        let Class::Tcp(segment, stack) = frame.class else {
            continue;
        };
        stacks.insert(stack);
        data += usize::from(segment == Segment::Data);
        again += usize::from(segment == Segment::Retransmission);
        if frame.bytes[12..16] == [0x81, 0, 3, 0xe9] && frame.bytes[16..18] == [8, 0] {
            let id = u16::from_be_bytes([frame.bytes[22], frame.bytes[23]]);
            if !stack.identity {
                assert_eq!(id, 0);
            } else if segment != Segment::Handshake {
                // Addresses and ports.
                let flow = frame.bytes[30..42].to_vec();
                if let Some(before) = last.insert(flow, id) {
                    steps[usize::from(id == before.wrapping_add(1))] += 1;
                }
            }
        }
    }
    assert!(stacks.len() >= 5, "{stacks:?}");
    about("retransmissions", again, data, 0.01, 0.004);
    about(
        "identifications that count",
        steps[1],
        steps[0] + steps[1],
        0.97,
        0.03,
    );
}

/// Bonding sends a flow by one member; only copies come by the other.
#[test]
fn conversations_have_one_member() {
    let trace = typical();
    let mut members: HashMap<Vec<u8>, u8> = HashMap::new();
    let mut by_member = [0, 0];
    for frame in &trace.frames {
        let conversation = matches!(
            frame.class,
            Class::Tcp(..) | Class::Udp(_) | Class::Fragment(_)
        );
        let tagged = frame.bytes[12..14] == [0x81, 0] && frame.bytes[16..18] == [8, 0];
        if !conversation || !tagged || frame.label != Label::Original {
            continue;
        }
        by_member[usize::from(frame.member)] += 1;
        let end = if matches!(frame.class, Class::Fragment(_)) {
            38
        } else {
            42
        };
        let mut key = frame.bytes[30..end].to_vec();
        key.push(frame.bytes[27]);
        let member = *members.entry(key).or_insert(frame.member);
        assert_eq!(member, frame.member);
    }
    about(
        "member 1",
        by_member[1],
        by_member[0] + by_member[1],
        0.5,
        0.2,
    );
}

#[test]
fn equal_frames_need_not_be_copies() {
    let trace = plan(Mix::Typical, 0.0).generate();
    let mut times: HashMap<&[u8], Vec<(u64, u8, Class)>> = HashMap::new();
    for frame in &trace.frames {
        let seen = times.entry(&frame.bytes).or_default();
        seen.push((frame.time_ns, frame.member, frame.class));
    }
    let gaps = |wanted: fn(Class) -> bool| {
        let seen = times.values().filter(|seen| wanted(seen[0].2));
        let gaps = seen.flat_map(|seen| seen.windows(2).map(|pair| pair[1].0 - pair[0].0));
        gaps.collect::<Vec<u64>>()
    };
    let least = |wanted| gaps(wanted).into_iter().min().expect("repeats");
    assert!((4_900_000..6_000_000).contains(&least(|class| class == Class::Heartbeat)));
    assert!((37_000_000..45_000_000).contains(&least(|class| class == Class::Bfd)));
    assert!(least(|class| matches!(class, Class::Arp | Class::Neighbour)) > 900_000_000);
    let duplicate = |class| {
        matches!(class, Class::Tcp(Segment::Acknowledgement | Segment::DuplicateAcknowledgement, stack)
            if !stack.selective && !stack.identity)
    };
    assert!(least(duplicate) < 100_000);
    assert_eq!(
        gaps(|class| matches!(class, Class::Udp(_) | Class::Ntp | Class::Echo(_))),
        [] as [u64; 0]
    );
    let both = times
        .values()
        .find(|seen| seen.iter().any(|frame| frame.1 != seen[0].1));
    let both = both.expect("STP says the same on both members");
    assert_eq!(both[0].2, Class::Link);
    assert!(both[1].0 - both[0].0 < 10_000_000);
}
