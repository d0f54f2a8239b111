// SPDX-License-Identifier: Apache-2.0
//! The data path at full speed, and with frames that nobody should send: all of them
//! are counted, and all of them arrive as they left.

#[path = "../../hhnet-ebpf/tests/frames/mod.rs"]
mod frames;

#[expect(dead_code, reason = "as other tests use it")]
mod cable;
mod netns;

use std::{
    env, fs,
    os::fd::{AsRawFd as _, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use cable::{cable, member, send};
use hhnet::xdp::{
    Mode, Programs, Wanted,
    report::{Counted, Direction, Flow, Member},
};
use netns::{in_netns, index, ip};
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
    sockopt::RcvBufForce,
};

/// Frames in plain runs, and in thorough ones.
const FRAMES: u32 = 1_000_000;
const ALL_FRAMES: u32 = 10_000_000;

/// Frames between two looks at the maps: more new flows than the ring has room for.
const PORTION: u32 = 65_536;

/// What reading a million flows may leave behind: 65,536 of them with their hash table,
/// twice while it grows.
const LISTED_BYTES: u64 = 40 << 20;

/// As `cargo xtask test --thorough` asks for.
fn asked() -> u32 {
    env::var_os("HHNET_THOROUGH").map_or(FRAMES, |_| ALL_FRAMES)
}

/// Frames a link has received, and those it has dropped of received and of sent ones.
#[derive(Debug, PartialEq, Eq)]
struct Statistics {
    received: u64,
    drops: [u64; 2],
}

fn statistics(link: &str) -> Statistics {
    // /sys/class/net would be that of another network namespace.
    let text = fs::read_to_string("/proc/thread-self/net/dev").expect("/proc is mounted");
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, columns) = lines.find(|(name, _)| name.trim() == link).expect("a link");
    let columns: Vec<u64> = columns
        .split_whitespace()
        .map(|column| column.parse().expect("a number"))
        .collect();
    Statistics {
        received: columns[1],
        drops: [columns[3], columns[11]],
    }
}

/// Memory of this process that is there, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    1024 * kilobytes.expect("a size")
}

/// IPv4 packets that the stack of this network namespace has got, before it looks into
/// them (`IPSTATS_MIB_INPKTS`, of ip_rcv).
fn delivered() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/snmp").expect("/proc is mounted");
    let mut lines = text.lines().filter(|line| line.starts_with("Ip:"));
    let mut columns = lines.next().expect("names").split(' ');
    let column = columns.position(|name| name == "InReceives");
    let mut values = lines.next().expect("values").split(' ');
    let value = values.nth(column.expect("a column"));
    value.expect("a value").parse().expect("a number")
}

/// A datagram of 18 bytes, whose addresses and ports no other number has.
fn datagram(number: u32) -> [u8; 60] {
    let plain = frames::ethernet(
        &[],
        0x0800,
        &frames::ipv4(0, frames::UDP, 0, &frames::udp(18)),
    );
    let mut frame: [u8; 60] = plain.try_into().expect("14 + 20 + 8 + 18 bytes");
    let [a, b, c, d] = number.to_be_bytes();
    frame[18..20].copy_from_slice(&[c, d]); // identification
    frame[26..30].copy_from_slice(&[10, a, b, c]);
    frame[34..36].copy_from_slice(&[0x80 | a, d]);
    frame
}

/// Each frame is of another flow: they push each other out of the tables, then out of the
/// ring, then from the list. Every one of them is found again somewhere, none is kept from
/// the stack, and the memory of who reads all that stays what it was.
#[test]
#[expect(clippy::print_stderr, reason = "figures, with --nocapture")]
fn a_million_flows_at_full_speed_are_counted_to_the_frame_and_none_is_dropped() {
    in_netns(|| {
        cable("leaf1", "enp2s1");
        let mut programs = Programs::load().expect("load");
        let mode = programs.attach("enp2s1", index("enp2s1"), Wanted::Native);
        assert_eq!(mode, Ok(Mode::Native));
        programs
            .attach_egress("leaf1", index("leaf1"), Wanted::Tc)
            .expect("egress");
        // To where frames go: the stack counts what is for it.
        ip("link set enp2s1 address 02:00:00:00:00:01");
        let frames = asked();
        let (began, before) = (Instant::now(), delivered());
        let mut memory = None;
        for first in (0..frames).step_by(PORTION as usize) {
            let portion = first..frames.min(first + PORTION);
            send("leaf1", portion.map(datagram));
            // Reads the ring, as the agent's task does.
            programs.members().expect("members");
            if first >= 4 * PORTION {
                memory.get_or_insert_with(resident);
            }
        }
        let took = began.elapsed();
        let frames = u64::from(frames);
        // The cable has a ring of its own, and drops what does not fit.
        let [_, dropped] = statistics("leaf1").drops;
        let received = member(&programs, "enp2s1", Direction::In);
        let sent = member(&programs, "leaf1", Direction::Out);
        assert_eq!(sent.ipv4.packets, frames, "{sent:?}");
        assert_eq!(received.ipv4.packets, frames - dropped, "{received:?}");
        assert_eq!(received.ipv4.bytes, 60 * (frames - dropped));
        assert!(dropped < frames / 2, "{dropped} dropped by the cable");
        assert_eq!(delivered() - before, frames - dropped, "to the stack");
        assert_eq!(statistics("enp2s1").drops, [0, 0]);
        let flows = programs.flows().expect("flows");
        for member in [&received, &sent] {
            assert_eq!(accounted(member, &flows), member.ipv4.packets, "{member:?}");
        }
        drop(flows);
        let grown = resident().saturating_sub(memory.expect("more than some portions"));
        eprintln!(
            "{frames} frames in {took:?}, {dropped} dropped by the cable, {} lost by the ring, \
             {} no longer listed, {grown} bytes grown",
            received.lost.packets, received.unlisted.packets
        );
        assert!(received.lost_flows > 0 && received.unlisted_flows > 0);
        assert!(grown < LISTED_BYTES, "{grown} bytes");
    });
}

/// Frames of a member's flows, and of those that had to make room.
fn accounted(member: &Member, flows: &[Flow]) -> u64 {
    let ours = |flow: &&Flow| (&flow.member, flow.direction) == (&member.name, member.direction);
    let listed: u64 = flows.iter().filter(ours).map(|flow| flow.packets).sum();
    let Counted { packets: lost, .. } = member.lost;
    listed + lost + member.unlisted.packets
}

/// Every sample cut at every byte, with wrong lengths and versions, chains of extension
/// headers, noise, and a jumbo frame, which takes several buffers.
fn corpus() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (_, frame) in frames::samples() {
        all.extend((14..=frame.len()).map(|length| frame[..length].to_vec()));
        all.push([frame.as_slice(), &[0x55; 64]].concat());
    }
    for tags in [
        &[][..],
        &[(frames::SERVICE_VLAN, 200), (frames::VLAN, 1001)],
    ] {
        let good = frames::ethernet(
            tags,
            0x0800,
            &frames::ipv4(2, frames::TCP, 0, &frames::tcp()),
        );
        let ip = 14 + 4 * tags.len();
        // Version and header length; total length; fragment offset.
        for (at, values) in [(0, 0..=255), (2, 0..=255), (3, 0..=255), (6, 0..=255)] {
            all.extend(values.map(|value| {
                let mut bad = good.clone();
                bad[ip + at] = value;
                bad
            }));
        }
    }
    let headers = [
        frames::HOP_BY_HOP,
        frames::DESTINATION,
        43,
        frames::FRAGMENT,
        frames::AUTHENTICATION,
    ];
    let mut noise = 1_u64;
    let mut next = move || {
        // As of Knuth's MMIX; the high bits are the random ones.
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (noise >> 33) as usize
    };
    for _ in 0..1000 {
        let chain: Vec<u8> = (0..next() % 12).map(|_| headers[next() % 5]).collect();
        let (first, mut payload) = frames::extensions(&chain, frames::UDP, &frames::udp(20));
        let at = next() % payload.len();
        payload[at] = next() as u8;
        all.push(frames::ethernet(
            &[],
            0x86dd,
            &frames::ipv6(first, &payload),
        ));
        let mut bytes: Vec<u8> = (0..next() % 200).map(|_| next() as u8).collect();
        all.push(frames::ethernet(&[], [0x0800, 0x86dd][next() % 2], &bytes));
        bytes.resize(bytes.len().max(14), 0);
        bytes[0] &= !1; // of one station; a group's would be answered
        all.push(bytes);
    }
    let segment = [frames::tcp(), vec![0xaa; 8_900]].concat();
    let jumbo = frames::ipv4(0, frames::TCP, 0, &segment);
    all.push(frames::ethernet(&[], 0x0800, &jumbo));
    all.push(frames::ethernet(&[(frames::VLAN, 7)], 0x0800, &jumbo));
    all
}

/// Frames of all kinds.
fn all(m: &Member) -> u64 {
    let kinds = [m.ipv4, m.ipv6, m.arp, m.lacp, m.lldp, m.other, m.malformed];
    kinds.iter().map(|kind| kind.packets).sum()
}

/// What comes out of a link.
struct Listener {
    socket: OwnedFd,
    ifindex: usize,
}

impl Listener {
    /// Hears all protocols; of sent frames those of other links, which are left out.
    fn on(link: &str) -> Self {
        let flags = SockFlag::SOCK_NONBLOCK;
        let all = SockProtocol::EthAll;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, all).expect("a socket");
        setsockopt(&socket, RcvBufForce, &(64 << 20)).expect("a large buffer");
        Self {
            socket,
            ifindex: index(link) as usize,
        }
    }

    /// Everything that has come, in its order.
    fn heard(&self) -> Vec<Vec<u8>> {
        let (mut buffer, mut all) = (vec![0; 16 << 10], Vec::new());
        loop {
            let came = recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut buffer);
            let Ok((length, Some(from))) = came else {
                assert_eq!(came.err(), Some(nix::Error::EAGAIN));
                return all;
            };
            if from.ifindex() == self.ifindex {
                all.push(buffer[..length].to_vec());
            }
        }
    }
}

/// Sends frames through a cable. Returns what arrives, and the statistics of that end:
/// the kernel itself drops what it has no protocol for.
fn pass(programs: Option<&mut Programs>, frames: &[Vec<u8>]) -> (Vec<Vec<u8>>, Statistics) {
    for link in ["leaf1", "enp2s1"] {
        ip(&format!("link set {link} mtu 9036"));
    }
    if let Some(programs) = programs {
        for link in ["leaf1", "enp2s1"] {
            let mode = programs.attach(link, index(link), Wanted::Native);
            assert_eq!(mode, Ok(Mode::Native));
            programs
                .attach_egress(link, index(link), Wanted::Tc)
                .expect("egress");
        }
    }
    let listener = Listener::on("enp2s1");
    let mut arrived = Vec::new();
    // Less than the cable's ring holds.
    for portion in frames.chunks(64) {
        let before = statistics("enp2s1").received;
        send("leaf1", portion);
        let end = Instant::now() + Duration::from_secs(5);
        while statistics("enp2s1").received - before < portion.len() as u64 {
            assert!(Instant::now() < end, "frames are missing");
            thread::yield_now();
        }
        arrived.extend(listener.heard());
    }
    assert_eq!(statistics("leaf1").drops, [0, 0]);
    (arrived, statistics("enp2s1"))
}

/// A frame as a packet socket shows it: the kernel has taken the outer tag out
/// (`skb_vlan_untag`).
fn shown(frame: &[u8]) -> Vec<u8> {
    match is_tagged(frame) {
        true => [&frame[..12], &frame[16..]].concat(),
        false => frame.to_vec(),
    }
}

/// Byte for byte, with programs at both ends as without any.
#[test]
fn malformed_frames_arrive_as_they_left() {
    let frames = corpus();
    assert!(frames.len() > 8000, "{}", frames.len());
    let [(plain, without), (counted, with)] = [false, true].map(|with_programs| {
        in_netns(|| {
            cable("leaf1", "enp2s1");
            let mut programs = with_programs.then(|| Programs::load().expect("load"));
            let arrived = pass(programs.as_mut(), &frames);
            if let Some(programs) = &programs {
                let received = member(programs, "enp2s1", Direction::In);
                assert_eq!(all(&received), frames.len() as u64, "{received:?}");
                assert!(received.malformed.packets > 1000, "{received:?}");
            }
            arrived
        })
    });
    assert_eq!(with, without);
    assert!(counted == plain, "not what arrives without programs");
    // What ends right after its tag does not reach a packet socket: the kernel's doing.
    let is_whole = |frame: &&Vec<u8>| !is_tagged(frame) || frame.len() >= 20;
    let expected = frames.iter().filter(is_whole).map(|frame| shown(frame));
    let expected: Vec<_> = expected.collect();
    assert_eq!(counted.len(), expected.len());
    for (arrived, sent) in counted.iter().zip(&expected) {
        assert_eq!(arrived, sent);
    }
}

fn is_tagged(frame: &[u8]) -> bool {
    matches!(frame[12..14], [0x81, 0] | [0x88, 0xa8])
}
