// SPDX-License-Identifier: Apache-2.0
//! Whether somebody else has our address (RFC 5227): PROBING, and defending it.
//! Off unless asked for, because of the seconds it takes.

use std::{net::Ipv4Addr, time::Duration};

use super::{Client, Destination, Event, Request, State, Transmit};
use crate::{
    dhcp::{arp::Arp, lease::Lease},
    link::Mac,
};

// The constants of RFC 5227, section 1.1, under their names.
const PROBE_WAIT: Duration = Duration::from_secs(1);
const PROBE_NUM: u32 = 3;
const PROBE_MIN: Duration = Duration::from_secs(1);
const PROBE_MAX: Duration = Duration::from_secs(2);
const ANNOUNCE_WAIT: Duration = Duration::from_secs(2);
const ANNOUNCE_NUM: u32 = 2;
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
/// Pause after a DECLINE (RFC 2131, section 3.1, step 5).
const DECLINED: Duration = Duration::from_secs(10);

impl Client {
    /// An ARP packet has come in on the interface.
    pub fn handle_arp(&mut self, arp: &Arp, now: Duration) {
        let Some(address) = self.watched() else {
            return;
        };
        if !arp.claims(address, self.who.mac) {
            return;
        }
        if let State::Probing { lease, .. } = &self.state {
            let lease = lease.clone();
            self.decline(&lease, now);
        } else if !arp.sender_ip.is_unspecified() {
            // A mere probe of somebody else is answered by the kernel.
            self.defend(address, arp.sender, now);
        }
    }

    /// The address to hear ARP packets for.
    pub fn watched(&self) -> Option<Ipv4Addr> {
        let probed = match &self.state {
            State::Probing { lease, .. } => Some(lease),
            State::NoLink
            | State::Init { .. }
            | State::Selecting { .. }
            | State::Requesting { .. }
            | State::Rebooting { .. }
            | State::Bound { .. }
            | State::Renewing { .. }
            | State::Rebinding { .. } => None,
        };
        let held = self.lease().filter(|_| self.probe);
        probed.or(held).map(|lease| lease.prefix.address)
    }

    pub(super) fn start_probing(&mut self, lease: Lease, now: Duration) {
        let wait = self.around(PROBE_WAIT / 2, PROBE_WAIT / 2);
        self.state = State::Probing {
            lease,
            sent: 0,
            next: now + wait,
        };
    }

    pub(super) fn probe_again(&mut self, now: Duration) {
        let State::Probing { lease, sent, .. } = &self.state else {
            return;
        };
        let (lease, sent) = (lease.clone(), sent + 1);
        if sent > PROBE_NUM {
            return self.won(lease, now);
        }
        self.send_arp(Arp::probe(self.who.mac, lease.prefix.address));
        let next = if sent == PROBE_NUM {
            now + ANNOUNCE_WAIT
        } else {
            now + self.around((PROBE_MIN + PROBE_MAX) / 2, (PROBE_MAX - PROBE_MIN) / 2)
        };
        self.state = State::Probing { lease, sent, next };
    }

    /// Nobody has the address: use it, and say so.
    fn won(&mut self, lease: Lease, now: Duration) {
        if lease.expiry().is_some_and(|expiry| expiry <= now) {
            self.state = State::Init { next: now };
            return;
        }
        self.announce = Some((ANNOUNCE_NUM, now));
        self.bind(lease, now);
    }

    pub(super) fn announce(&mut self, now: Duration) {
        let Some((left, _)) = self.announce.take() else {
            return;
        };
        if let Some(address) = self.lease().map(|lease| lease.prefix.address) {
            self.send_arp(Arp::announcement(self.who.mac, address));
            self.announce = (left > 1).then_some((left - 1, now + ANNOUNCE_INTERVAL));
        }
    }

    /// Gives the address back as unusable, and looks for another one.
    fn decline(&mut self, lease: &Lease, now: Duration) {
        self.counters.conflicts += 1;
        let exchange = self.new_exchange(now);
        let request = Request::Decline {
            address: lease.prefix.address,
            server: lease.server,
        };
        self.send(Destination::EVERYONE, request, exchange, now);
        self.events.push_back(Event::Conflict(lease.prefix.address));
        self.not_before = now + DECLINED;
        self.state = State::Init {
            next: self.not_before,
        };
    }

    /// Keeps the address, as RFC 5227, section 2.4 (c), has it for machines
    /// others depend on, and says so, but not endlessly.
    fn defend(&mut self, address: Ipv4Addr, other: Mac, now: Duration) {
        let recently = |at: Duration| now < at + DEFEND_INTERVAL;
        if self.defended.is_some_and(recently) {
            return;
        }
        self.defended = Some(now);
        self.counters.conflicts += 1;
        tracing::debug!("{other:?} uses {address}");
        self.events.push_back(Event::Conflict(address));
        self.send_arp(Arp::announcement(self.who.mac, address));
    }

    fn send_arp(&mut self, arp: Arp) {
        self.out.push_back(Transmit {
            to: Destination::Neighbors,
            what: "ARP",
            bytes: arp.encode(),
        });
    }
}
