// SPDX-License-Identifier: Apache-2.0
//! Everything that is no DHCP reply, as fast as it can be sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dhcproto::v4::DhcpOption;
use hhnet_tests::dhcp::{Answer, Kind};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::Host;
use hhnet_tests::monitor::Monitor;
use hhnet_tests::process::Running;
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::wire::{Chance, Passage};

use super::{agent, has, memory, secs, wait_for};

const OFFER: u8 = 2;
const ACK: u8 = 5;

/// Offsets in a frame: of the IPv4 header, of its fields, of the UDP length.
const ETHERNET: usize = 14;
const VERSION_IHL: usize = ETHERNET;
const TOTAL_LENGTH: usize = 16;
const FRAGMENT: usize = 20;
const PROTOCOL: usize = 23;
const UDP_LENGTH: usize = 38;

/// Offsets in a message.
const OP: usize = 0;
const HTYPE: usize = 1;
const HLEN: usize = 2;
const MAGIC: usize = 236;

/// So many frames fit into the agent's socket, by default.
const BURST: usize = 100;

/// Sends everything bad that can be made of one good reply to `question`, in bursts
/// between which the agent answers another question.
fn flood(segment: &Segment, server: &Host, question: &Passage, kind: u8) {
    let client = question.message.chaddr();
    let client = client.try_into().expect("an Ethernet address");
    let forgery = segment.wire().forgery(Segment::address(1), client);
    let wrong = Segment::address(66);
    // A client with an address hears through the stack what is for that alone.
    let to = match question.message.ciaddr() {
        address if address.is_unspecified() => wrong,
        address => address,
    };
    let options: [(u8, &[u8]); 3] = [
        (54, &[10, 0, 1, 1]),
        (51, &[0, 0, 0, 60]),
        (1, &[255, 255, 255, 0]),
    ];
    let good = forgery.reply(kind, question.message.xid(), wrong, &options);
    let mut frames: Vec<_> = bad_messages(&good)
        .iter()
        .map(|message| forgery.frame(message, to))
        .collect();
    frames.extend(bad_frames(&forgery.frame(&good, to)));
    for burst in frames.chunks(BURST) {
        burst.iter().for_each(|frame| forgery.send(frame));
        server.must("status");
    }
}

fn changed(good: &[u8], at: usize, value: u8) -> Vec<u8> {
    let mut bad = good.to_vec();
    bad[at] = value;
    bad
}

/// In correct frames: wrong lengths, wrong cookies, cut short, random.
fn bad_messages(good: &[u8]) -> Vec<Vec<u8>> {
    let mut chance = Chance::new(1);
    let mut bad: Vec<_> = (0..=255)
        .filter(|length| *length != 6)
        .map(|length| changed(good, HLEN, length))
        .collect();
    for (at, value) in [(OP, 1), (OP, 0), (HTYPE, 6), (MAGIC, 0), (MAGIC + 3, 0)] {
        bad.push(changed(good, at, value));
    }
    // Up to the address of the server, without which there is no lease.
    bad.extend((0..250).map(|length| good[..length].to_vec()));
    bad.extend((0..300).map(|_| {
        let length = chance.pick(0..1400);
        chance.bytes(length)
    }));
    // Whose options are noise: a DISCOVER (1) is no reply.
    bad.extend((0..300).map(|_| {
        let length = chance.pick(0..1000);
        [&good[..242], &[1], &chance.bytes(length)[..]].concat()
    }));
    bad
}

/// Headers that lie, fragments, frames cut at each byte, and with each bit changed.
fn bad_frames(good: &[u8]) -> Vec<Vec<u8>> {
    let mut bad: Vec<_> = [
        (VERSION_IHL, 0x4f),
        (VERSION_IHL, 0x40),
        (VERSION_IHL, 0x65),
        (TOTAL_LENGTH, 0xff),
        (TOTAL_LENGTH + 1, 0),
        (FRAGMENT, 0x20),
        (FRAGMENT + 1, 1),
        (PROTOCOL, 6),
        (UDP_LENGTH, 0xff),
        (UDP_LENGTH + 1, 0),
    ]
    .map(|(at, value)| changed(good, at, value))
    .to_vec();
    bad.extend((ETHERNET..good.len()).map(|length| good[..length].to_vec()));
    bad.extend(
        (ETHERNET..good.len())
            .flat_map(|at| (0..8).map(move |bit| changed(good, at, good[at] ^ (1 << bit)))),
    );
    bad
}

#[test]
fn a_flood_of_nonsense_changes_nothing_while_a_server_is_looked_for() {
    let segment = Segment::with_wire(1);
    let dhcp = segment.fabric_dhcp(Segment::subnet());
    let open = Arc::new(AtomicBool::new(false));
    let is_open = Arc::clone(&open);
    dhcp.answer(move |_| match is_open.load(Ordering::Relaxed) {
        true => Answer::Normal,
        false => Answer::Silence,
    });
    let server = segment.server();
    let monitor = Monitor::of(server.namespace());
    let mut verb = Running::start(&mut server.hhnet_command(&format!("dhcp {NIC} --xdp=off")));
    let question = wait_for(segment.wire(), Kind::Discover, 1);
    let (pid, before) = (agent(&server), memory(agent(&server), "VmRSS"));
    flood(&segment, &server, &question, OFFER);
    assert!(
        segment.wire().seen(Kind::Select).is_empty(),
        "one was believed"
    );
    assert!(monitor.events().is_empty(), "{:?}", monitor.events());

    open.store(true, Ordering::Relaxed);
    assert!(verb.wait(PATIENCE).success());
    assert!(has(&server, Segment::address(10)));
    assert_eq!(agent(&server), pid);
    let grown = memory(pid, "VmRSS").saturating_sub(before);
    assert!(grown < 4 << 20, "the agent has grown by {grown} bytes");
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

#[test]
fn a_flood_of_nonsense_changes_nothing_while_a_lease_is_renewed() {
    let segment = Segment::with_wire(2);
    let mut subnet = Segment::subnet();
    subnet.lease = secs(20);
    subnet.options = vec![DhcpOption::Renewal(2), DhcpOption::Rebinding(16)];
    let dhcp = segment.fabric_dhcp(subnet);
    let server = segment.server();
    let address = super::lease(&server);
    let open = Arc::new(AtomicBool::new(false));
    let is_open = Arc::clone(&open);
    dhcp.answer(move |_| match is_open.load(Ordering::Relaxed) {
        true => Answer::Normal,
        false => Answer::Silence,
    });
    let pid = agent(&server);
    let monitor = Monitor::of(server.namespace());
    let question = wait_for(segment.wire(), Kind::Renew, 1);
    flood(&segment, &server, &question, ACK);
    assert!(monitor.events().is_empty(), "{:?}", monitor.events());

    open.store(true, Ordering::Relaxed);
    wait::until("it is extended", PATIENCE, || {
        monitor.times_set(address) >= 1
    });
    assert_eq!(monitor.losses(), []);
    assert!(has(&server, address));
    assert_eq!(agent(&server), pid);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}
