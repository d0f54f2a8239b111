// SPDX-License-Identifier: Apache-2.0
//! How much of what.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::Rng as _;

use super::Mix;
use super::datagrams::{Clock, LongMessages, Messages, Names, Ping};
use super::link::{LinkProtocol, Scan};
use super::periodic::Beat;
use super::tcp::{Flow, Role, Stack};
use super::wire::{Source, Wire};

/// When the first frame arrives. A detector that keeps fewer bits of its clock must
/// cope with their overflow: 24 bits of microseconds do after 16.8 seconds.
const START: u64 = 15_000_000_000;

/// A kind of sources whose number grows with the rate.
struct Share {
    /// Of all frames, in percent.
    percent: f64,
    /// Packets in a second of one source, about.
    each: f64,
    source: fn(&mut Wire, f64) -> Box<dyn Source>,
}

macro_rules! shares {
    ($($percent:literal % of $each:literal: $source:expr,)*) => {
        [$(Share { percent: $percent, each: $each, source: $source }),*]
    };
}

/// TCP by role and version: percent of all frames, and packets in a second of one
/// flow, about. See the documentation of [`trace`](super) for the reasons.
const TCP: [(f64, f64, Role, bool); 6] = [
    (22.0, 400.0, Role::Bulk, false),
    (6.0, 400.0, Role::Bulk, true),
    (18.0, 400.0, Role::Acknowledgements, false),
    (4.0, 400.0, Role::Acknowledgements, true),
    (14.0, 100.0, Role::Requests, false),
    (4.0, 100.0, Role::Requests, true),
];

/// The rest, likewise.
const SHARES: [Share; 11] = shares! {
    8.0 % of 300.0: |wire, rate| Box::new(Messages::new(wire, false, true, rate)),
    8.0 % of 300.0: |wire, rate| Box::new(Messages::new(wire, false, false, rate)),
    3.0 % of 300.0: |wire, rate| Box::new(Messages::new(wire, true, false, rate)),
    1.5 % of 50.0: |wire, rate| Box::new(Names::new(wire, false, true, rate)),
    1.5 % of 200.0: |wire, rate| Box::new(Names::new(wire, false, false, rate)),
    0.5 % of 50.0: |wire, rate| Box::new(Names::new(wire, true, true, rate)),
    0.5 % of 10.0: |wire, rate| Box::new(Clock::new(wire, rate)),
    1.5 % of 10.0: |wire, rate| Box::new(Ping::new(wire, false, rate)),
    0.5 % of 10.0: |wire, rate| Box::new(Ping::new(wire, true, rate)),
    3.0 % of 200.0: |wire, rate| Box::new(LongMessages::new(wire, false, rate)),
    1.0 % of 200.0: |wire, rate| Box::new(LongMessages::new(wire, true, rate)),
};

/// Hertz of the hostile mix's streams.
const STREAMS: [u64; 3] = [1000, 1000, 2000];

const MILLISECOND: u64 = 1_000_000;
/// Periods of heartbeats.
const HEARTS: [u64; 9] = [5, 10, 20, 50, 100, 100, 250, 500, 1000];
/// Intervals of BFD.
const BFD: [u64; 4] = [50, 50, 62, 62];

/// Lets all sources of a mix send until there are at least `frames`; more may be on
/// their way when it stops.
pub(super) fn run(mix: Mix, rate: f64, frames: usize, wire: &mut Wire) {
    let mut sources = steady(wire);
    let mut left = rate;
    if mix == Mix::Hostile {
        for hertz in STREAMS {
            sources.push(Box::new(Beat::stream(wire, hertz)));
            left -= hertz as f64;
        }
    }
    sources.extend(proportional(left.max(rate / 2.0), wire));
    let mut due: BinaryHeap<_> = (0..sources.len())
        .map(|index| Reverse((START + wire.rng.random_range(0..100 * MILLISECOND), index)))
        .collect();
    while wire.sent.len() < frames
        && let Some(Reverse((now, index))) = due.pop()
    {
        let next = sources[index].send(now, wire);
        due.push(Reverse((next, index)));
    }
}

/// Sources that are the same at any rate.
fn steady(wire: &mut Wire) -> Vec<Box<dyn Source>> {
    let mut sources: Vec<Box<dyn Source>> = vec![
        Box::new(LinkProtocol::Stp),
        Box::new(LinkProtocol::Lacp),
        Box::new(LinkProtocol::Lldp),
        Box::new(Scan::new(wire, false)),
        Box::new(Scan::new(wire, false)),
        Box::new(Scan::new(wire, true)),
        Box::new(Beat::vrrp(wire)),
        Box::new(Beat::vrrp(wire)),
    ];
    for period in HEARTS {
        sources.push(Box::new(Beat::heart(wire, period * MILLISECOND)));
    }
    for interval in BFD {
        sources.push(Box::new(Beat::bfd(wire, interval * MILLISECOND)));
    }
    sources
}

/// Sources that together send at `rate`.
fn proportional(rate: f64, wire: &mut Wire) -> Vec<Box<dyn Source>> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    for (percent, each, role, v6) in TCP {
        for (part, stack) in Stack::shares(v6) {
            let rates = rates(rate * percent / 100.0 * part / 100.0, each);
            let flows = rates.map(|rate| Flow::new(role, v6, *stack, rate));
            sources.extend(flows.map(|flow| Box::new(flow) as Box<dyn Source>));
        }
    }
    for share in &SHARES {
        let rates = rates(rate * share.percent / 100.0, share.each);
        sources.extend(rates.map(|rate| (share.source)(wire, rate)));
    }
    sources
}

/// The rates of sources that together send at `all`: a few send much, many little.
fn rates(all: f64, each: f64) -> impl Iterator<Item = f64> {
    let count = (all / each).ceil() as u32;
    let weights = (1..=count).map(|rank| f64::from(rank).powf(-0.5));
    let sum: f64 = weights.clone().sum();
    weights.map(move |weight| all * weight / sum)
}
