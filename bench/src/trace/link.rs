// SPDX-License-Identifier: Apache-2.0
//! What neighbours of the link say: ARP, neighbour discovery, and the protocols of
//! a link itself, which arrive on each member.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use etherparse::{ArpEthIpv4Packet, ArpOperation, EtherType};
use rand::Rng as _;

use super::Class;
use super::path::{Addresses, Path, Tags, ethernet};
use super::wire::{Source, Wire};

const SECOND: u64 = 1_000_000_000;
const BROADCAST: [u8; 6] = [0xff; 6];

/// A neighbour that looks for hosts of a subnet, one after the other, and for those
/// that do not answer twice more, a second apart, as Linux does.
#[derive(Debug)]
pub(super) struct Scan {
    path: Path,
    /// When to ask for which host, and how often that was done.
    due: BinaryHeap<Reverse<(u64, u16, u8)>>,
    /// When the next round begins, and with which host.
    round: (u64, u16),
}

impl Scan {
    /// With ARP, or with IPv6's neighbour discovery.
    pub(super) fn new(wire: &mut Wire, v6: bool) -> Self {
        let mut path = Path::draw(wire, v6);
        path.hops = 255;
        path.source = [0x0c, 0x20, 0x12, 0x10, 0xaa, wire.rng.random()];
        path.destination = if v6 {
            [0x33, 0x33, 0xff, 0x00, 0x00, 0x0a]
        } else {
            BROADCAST
        };
        Self {
            path,
            due: BinaryHeap::new(),
            round: (0, wire.rng.random_range(2..20_000)),
        }
    }

    /// A request for each of up to 200 hosts, one to four milliseconds apart.
    fn begin(&mut self, now: u64, wire: &mut Wire) {
        let (mut at, first) = (now, self.round.1);
        // Hosts that were asked for in the last round are not asked for in this one.
        let last = first.saturating_add(wire.rng.random_range(5..200));
        for host in first..last {
            self.due.push(Reverse((at, host, 0)));
            at += wire.rng.random_range(1_000_000..4_000_000);
        }
        let pause = SECOND + wire.exponential(2.0 * SECOND as f64);
        self.round = (at + pause, last);
    }

    fn ask(&self, now: u64, host: u16, wire: &mut Wire) {
        let (class, bytes) = match self.path.addresses {
            Addresses::V4 { source, .. } => {
                let [high, low] = host.to_be_bytes();
                let target = [source[0], source[1], high, low];
                let [from, tags] = [(self.path.source, source), ([0; 6], target)];
                (Class::Arp, arp(self.path.tags, from, tags))
            }
            Addresses::V6 { .. } => (Class::Neighbour, self.path.solicitation(host)),
        };
        wire.send(now, self.path.member((0, 0)), class, bytes);
    }
}

impl Source for Scan {
    fn send(&mut self, now: u64, wire: &mut Wire) -> u64 {
        if now >= self.round.0 {
            self.begin(now, wire);
        }
        while let Some(&Reverse((at, host, times))) = self.due.peek()
            && at <= now
        {
            self.due.pop();
            self.ask(at, host, wire);
            if times < 2 && wire.chance(0.3) {
                self.due.push(Reverse((at + SECOND, host, times + 1)));
            }
        }
        let due = self.due.peek().map(|Reverse((due, ..))| *due);
        due.map_or(self.round.0, |due| due.min(self.round.0))
    }
}

/// A broadcast ARP request from one pair of addresses for another.
fn arp(tags: Tags, from: ([u8; 6], [u8; 4]), to: ([u8; 6], [u8; 4])) -> Vec<u8> {
    let request = ArpEthIpv4Packet {
        operation: ArpOperation::REQUEST,
        sender_mac: from.0,
        sender_ipv4: from.1,
        target_mac: to.0,
        target_ipv4: to.1,
    };
    ethernet(
        BROADCAST,
        from.0,
        tags,
        EtherType::ARP.0,
        &[&request.to_bytes()],
    )
}

/// A protocol between the two ends of a link, to an address that no bridge forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkProtocol {
    /// The same BPDU from both leaves, every two seconds.
    Stp,
    /// With fast timeouts; the port is in it.
    Lacp,
    /// Every 30 seconds; the port is in it.
    Lldp,
}

impl LinkProtocol {
    const fn period(self) -> u64 {
        match self {
            Self::Stp => 2 * SECOND,
            Self::Lacp => SECOND,
            Self::Lldp => 30 * SECOND,
        }
    }

    fn frame(self, member: u8) -> Vec<u8> {
        const STP: [u8; 38] = [
            0x42, 0x42, 0x03, 0, 0, 0, 0, 0, 0x80, 0x01, 0x00, 0x1c, 0x73, 0x00, 0x00, 0x99, 0, 0,
            0, 0, 0x80, 0x01, 0x00, 0x1c, 0x73, 0x00, 0x00, 0x99, 0x80, 0x04, 0, 0, 0x14, 0, 0x02,
            0, 0x0f, 0,
        ];
        let group = |last| [0x01, 0x80, 0xc2, 0x00, 0x00, last];
        let port = [0x00, 0x1c, 0x73, 0x00, 0x00, member + 1];
        match self {
            // LLC: the type is a length.
            Self::Stp => ethernet(group(0), [0, 0x1c, 0x73, 0, 0, 0x99], &[], 38, &[&STP]),
            Self::Lacp => {
                let mut pdu = [0; 110];
                pdu[..6].copy_from_slice(&[1, 1, 1, 20, 0xff, 0xff]);
                pdu[6..12].copy_from_slice(&[0x0a; 6]);
                pdu[17] = member + 1;
                ethernet(group(2), port, &[], 0x8809, &[&pdu])
            }
            Self::Lldp => {
                let mut pdu = [0; 120];
                pdu[..3].copy_from_slice(&[2, 7, 4]);
                pdu[3..9].copy_from_slice(&port);
                ethernet(group(0xe), port, &[], 0x88cc, &[&pdu])
            }
        }
    }
}

impl Source for LinkProtocol {
    fn send(&mut self, now: u64, wire: &mut Wire) -> u64 {
        for member in 0..2 {
            let at = now + wire.exponential(300_000.0);
            wire.send(at, member, Class::Link, self.frame(member));
        }
        now + self.period() - wire.rng.random_range(0..self.period() / 50)
    }
}
