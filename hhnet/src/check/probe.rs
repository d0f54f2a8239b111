// SPDX-License-Identifier: Apache-2.0
//! Pings to one host, and the search for its path MTU.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use nix::ifaddrs::InterfaceAddress;

use super::{
    PathMtu, Pings, Problem,
    path_mtu::{Outcome, Search},
    socket::{Error, Heard, Icmp},
    tally::Tally,
};
use crate::icmp::{IP_HEADER, SMALL};

/// As the fabric's own test has it: `ping -i 0.5`.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long the last answer may take: `ping -W 1`.
const LAST: Duration = Duration::from_secs(1);
/// How long copies of the last answer may take.
const COPIES: Duration = Duration::from_millis(250);

/// How often a black hole is doubted.
const DOUBTS: u32 = 2;
/// Each size is sent so often: one lost packet is no limit of the path.
const TWICE: u16 = 2;
/// How long a round of sizes waits; more than the pings have taken, within these.
const SILENCE: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];

/// A ping whose fate does not matter: ARP may take a while.
///
/// # Errors
/// When the kernel does not send it.
pub(super) fn warm_up(socket: &mut Icmp) -> Result<(), Problem> {
    socket.send(0, IP_HEADER + SMALL)?;
    socket.hear(Instant::now() + LAST);
    Ok(())
}

/// So many pings. One that the kernel does not send is lost, as on the way.
///
/// # Errors
/// When it does not send the first one.
pub(super) fn ping(socket: &mut Icmp, count: u16) -> Result<Pings, Problem> {
    let began = Instant::now();
    let mut tally = Tally::new(own_addresses(), socket.to);
    for sequence in 1..=count {
        tally.sent(began.elapsed());
        match socket.send(sequence, IP_HEADER + SMALL) {
            Ok(()) => {}
            Err(problem) if sequence == 1 => return Err(problem),
            Err(problem) => tally.not_sent(problem.text),
        }
        let next = began + INTERVAL * sequence.into();
        if sequence < count {
            while let Some(heard) = socket.hear(next) {
                note(&mut tally, heard, began.elapsed());
            }
        }
    }
    let mut end = Instant::now() + LAST;
    let mut was_complete = false;
    loop {
        if tally.is_complete() && !was_complete {
            was_complete = true;
            end = Instant::now() + COPIES;
        }
        match socket.hear(end) {
            Some(heard) => note(&mut tally, heard, began.elapsed()),
            None => return Ok(tally.pings()),
        }
    }
}

/// IPv4 addresses of this server. The kernel's own errors come from one of them, which may
/// be another one than what was sent from.
fn own_addresses() -> Vec<Ipv4Addr> {
    let all = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let v4 = |entry: InterfaceAddress| Some(entry.address?.as_sockaddr_in()?.ip());
    all.filter_map(v4).collect()
}

fn note(tally: &mut Tally, heard: Heard, at: Duration) {
    match heard {
        Heard::Reply(reply) => tally.answered(reply.sequence, reply.ttl, at),
        Heard::Error(error) => {
            if let Some(from) = error.from {
                tally.refused(from, error.icmp_type, error.icmp_code);
            }
        }
    }
}

/// Searches the path MTU to a host whose answers take up to `rtt`.
///
/// # Errors
/// When the kernel does not send.
pub(super) fn path_mtu(socket: &mut Icmp, rtt: Duration) -> Result<PathMtu, Problem> {
    let [least, most] = SILENCE;
    let silence = (rtt * 4).clamp(least, most);
    let mut search = Search::new();
    // Of the next packet: those of earlier rounds mean nothing any more.
    let mut next = 1;
    let mut doubts = DOUBTS;
    loop {
        let sizes = search.sizes();
        if !sizes.is_empty() {
            search.learn(round(socket, &sizes, next, silence)?);
            next += TWICE * sizes.len() as u16;
            continue;
        }
        let found = search.found();
        if !found.black_hole || doubts == 0 {
            return Ok(found);
        }
        // Silence may have been bad luck: the next size has to be silent again.
        doubts -= 1;
        let larger = (found.mtu + 1) as u16;
        let outcome = round(socket, &[larger], next, most)?;
        next += TWICE;
        if outcome != Outcome::default() {
            search = Search::new();
        }
    }
}

/// Sends each size, and hears how large a packet passes.
fn round(
    socket: &mut Icmp,
    sizes: &[u16],
    first: u16,
    silence: Duration,
) -> Result<Outcome, Problem> {
    socket.forget();
    let mut outcome = Outcome::default();
    let largest = sizes.first().copied().map_or(0, u32::from);
    for (sequence, size) in (first..).zip(sizes.iter().flat_map(|size| [size; TWICE as usize])) {
        socket.send(sequence, usize::from(*size))?;
    }
    let until = Instant::now() + silence;
    while let Some(heard) = socket.hear(until) {
        match heard {
            Heard::Reply(reply) => {
                let place = reply.sequence.checked_sub(first);
                let size = place.and_then(|place| sizes.get(usize::from(place / TWICE)));
                // One that has lost its end on the way back proves nothing.
                let size = size.filter(|size| usize::from(**size) == reply.length);
                if size.is_none() {
                    continue;
                }
                outcome.answered = outcome.answered.max(size.map(|size| u32::from(*size)));
                if size == sizes.first() {
                    break;
                }
            }
            // A router before RFC 1191 says nothing of the size; and what is no less than
            // the largest is about an earlier round.
            Heard::Error(Error {
                mtu: Some(mtu @ 1..),
                from,
                ..
            }) if mtu < largest => {
                outcome.told = Some((mtu, from));
                break;
            }
            Heard::Error(_) => {}
        }
    }
    Ok(outcome)
}
