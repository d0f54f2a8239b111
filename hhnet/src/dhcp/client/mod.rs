// SPDX-License-Identifier: Apache-2.0
//! The client's machine, RFC 2131 figure 5, without sockets and clocks.
//!
//! ```text
//!   NO LINK ── link up ──▶ INIT ──DISCOVER──▶ SELECTING ──REQUEST──▶ REQUESTING
//!                           ▲                     ▲  OFFER              │ ACK
//!                           │ NAK, conflict       └─── no ACK ──────────┤
//!                           │                                           ▼
//!                           ├──────────────────────────────────── (PROBING)
//!                           │ NAK, expiry                               │
//!      link up, restart     │                                           ▼
//!   ────▶ REBOOTING ────────┼──────── ACK, no answer ───────────────▶ BOUND
//!         REQUEST           │                                        │  ▲
//!                           │                          T1: REQUEST   ▼  │ ACK
//!                           ├──────────────── RENEWING ◀─────────────┘  │
//!                           │                    │ T2: broadcast        │
//!                           └──────────────── REBINDING ────────────────┘
//! ```
//! What happens is told by `handle_*`, what is to be done is asked by `poll_*`,
//! and the time of the next `handle_timeout` by [`Client::poll_timeout`]. All
//! data of a state lives in its variant, so that no state can see another's.

mod acquire;
mod conflict;
mod copies;
mod hold;
mod milestones;
mod output;
mod send;
mod state;

use std::{collections::VecDeque, net::Ipv4Addr, time::Duration};

use rand::{SeedableRng, rngs::SmallRng};

use self::{
    copies::Copies,
    state::{Exchange, State},
};
pub use self::{
    milestones::Milestones,
    output::{Counters, Destination, Event, Listen, Loss, Transmit},
};
use super::{
    dropped::Reason,
    lease::Lease,
    reply::{self, Kind, Reply},
    request::{Identity, Request},
};

/// For this long after the link or the aggregation has changed, DISCOVERs go
/// out about every second: 802.3ad bonds and fallback ports have carrier
/// seconds before frames pass, and RFC backoff would sleep through that moment.
const HURRY: Duration = Duration::from_secs(12);
/// Quick repetitions after a member has joined the aggregate: the partner opens
/// its end up to 0.3 s after ours, and what comes before that is lost.
const QUICK: u32 = 2;

/// A DHCP client for one interface.
#[derive(Debug)]
pub struct Client {
    who: Identity,
    /// Whether addresses are probed for before they are used.
    probe: bool,
    rng: SmallRng,
    state: State,
    link_up: bool,
    /// Until when DISCOVERs are repeated quickly.
    hurry: Duration,
    /// Quick repetitions left.
    quick: u32,
    /// When the last broadcast left.
    spoke: Option<Duration>,
    /// Delay before the next DISCOVER after a NAK; zero after an ACK.
    nak_delay: Duration,
    /// Not to begin before: after a NAK or a conflict, however the link flaps.
    not_before: Duration,
    /// A server that offered and then did not acknowledge.
    shunned: Option<Ipv4Addr>,
    /// The address that was leased last.
    last: Option<Ipv4Addr>,
    /// ARP announcements still to be made, and when.
    announce: Option<(u32, Duration)>,
    /// When the address was last defended.
    defended: Option<Duration>,
    counters: Counters,
    copies: Copies,
    milestones: Milestones,
    out: VecDeque<Transmit>,
    events: VecDeque<Event>,
    first_drops: VecDeque<Reason>,
}

impl Client {
    /// A client that waits for its link. `seed` makes its random choices.
    pub fn new(who: Identity, seed: u64) -> Client {
        Client {
            who,
            probe: false,
            rng: SmallRng::seed_from_u64(seed),
            state: State::NoLink,
            link_up: false,
            hurry: Duration::ZERO,
            quick: 0,
            spoke: None,
            nak_delay: Duration::ZERO,
            not_before: Duration::ZERO,
            shunned: None,
            last: None,
            announce: None,
            defended: None,
            counters: Counters::default(),
            copies: Copies::default(),
            milestones: Milestones::default(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            first_drops: VecDeque::new(),
        }
    }

    /// Makes the client probe for addresses before it uses them, which takes
    /// four to seven seconds (RFC 5227, section 2.1.1).
    pub fn with_probes(self) -> Client {
        Client {
            probe: true,
            ..self
        }
    }

    /// A client that holds a lease from an earlier life, and confirms it as
    /// soon as there is a link (INIT-REBOOT). One that is over is forgotten.
    pub fn resume(mut self, lease: Lease, now: Duration) -> Client {
        if lease.expiry().is_none_or(|expiry| expiry > now) {
            self.last = Some(lease.prefix.address);
            self.hold(lease, now);
        }
        self
    }

    /// The link has come or gone. A lease is kept either way: it is the
    /// server's promise, not the cable's. But the cable may be in another
    /// network when it comes back, so the lease is confirmed then.
    pub fn handle_link(&mut self, up: bool, now: Duration) {
        if self.lease().is_none() && (self.link_up != up || !self.milestones.is_open()) {
            self.milestones.link(up, now);
        }
        if self.link_up == up {
            return;
        }
        self.link_up = up;
        match (self.lease().cloned(), up) {
            (None, true) => {
                self.hurry = now + HURRY;
                self.state = State::Init {
                    next: self.soon(now).max(self.not_before),
                };
            }
            (None, false) => self.state = State::NoLink,
            (Some(lease), true) => self.reboot(lease, now),
            // What is held stays held; only a confirmation is put off.
            (Some(lease), false) => self.hold(lease, now),
        }
        self.handle_timeout(now);
    }

    /// The way to the servers may have opened: a member of the bond below has
    /// joined the aggregate. A client that waits for an answer asks at once.
    pub fn handle_path_change(&mut self, now: Duration) {
        self.milestones.path(now);
        let soon = self.soon(now);
        match &mut self.state {
            State::Selecting { next, .. } => {
                *next = soon.min(*next);
                self.hurry = now + HURRY;
                self.quick = QUICK;
            }
            State::Requesting { exchange, next, .. } | State::Rebooting { exchange, next, .. } => {
                *next = soon.min(*next);
                // What was sent before has hardly arrived: it is no reason to give up.
                exchange.sent = 0;
                self.quick = QUICK;
            }
            State::NoLink
            | State::Init { .. }
            | State::Probing { .. }
            | State::Bound { .. }
            | State::Renewing { .. }
            | State::Rebinding { .. } => {}
        }
        self.handle_timeout(now);
    }

    /// A server has spoken.
    pub fn handle_reply(&mut self, reply: &Reply, now: Duration) {
        let outcome = match self.state.exchange() {
            Some(exchange) if exchange.xid == reply.xid => {
                self.handle_exchange(reply, exchange.asked, now)
            }
            _ => Err(Reason::Stray),
        };
        let is_copy = self.copies.is_copy(reply);
        match outcome {
            Err(Reason::Stray) if is_copy => self.note_copy(reply.kind),
            Err(reason) => self.note_drop(reason),
            Ok(()) => {}
        }
        // T1 may be over already when an ACK has been late.
        self.handle_timeout(now);
    }

    /// A reply to the question that is open since `asked`.
    fn handle_exchange(
        &mut self,
        reply: &Reply,
        asked: Duration,
        now: Duration,
    ) -> Result<(), Reason> {
        let server = match &self.state {
            State::Selecting { .. } => return self.handle_offer(reply, now),
            State::Requesting { .. } if reply.kind == Kind::Offer => {
                return self.keep_offer(reply, now);
            }
            State::Requesting { offer, .. } => Some(offer.server),
            State::Renewing { lease, .. } => Some(lease.server),
            State::Rebooting { .. } | State::Rebinding { .. } => None,
            State::NoLink | State::Init { .. } | State::Probing { .. } | State::Bound { .. } => {
                return Err(Reason::Stray);
            }
        };
        self.handle_answer(reply, server, asked, now)
    }

    /// Counts something that came and was not used, also what did not get as
    /// far as to be a reply.
    pub fn note_drop(&mut self, reason: Reason) {
        if self.counters.dropped.count(reason) {
            self.first_drops.push_back(reason);
        }
    }

    fn note_copy(&mut self, kind: Kind) {
        match kind {
            Kind::Offer => self.counters.duplicate_offers += 1,
            Kind::Ack => self.counters.duplicate_acks += 1,
            Kind::Nak => {}
        }
        self.note_drop(Reason::Copy);
    }

    /// A reason that has made something be dropped for the first time: worth a
    /// line in the log, which a flood must not fill.
    pub fn poll_first_drop(&mut self) -> Option<Reason> {
        self.first_drops.pop_front()
    }

    /// Time has passed; nothing happens before the time of [`Client::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Duration) {
        while self.poll_timeout().is_some_and(|next| next <= now) {
            self.step(now);
        }
    }

    /// Does what is due.
    fn step(&mut self, now: Duration) {
        let over = |lease: &Lease| lease.expiry().is_some_and(|expiry| expiry <= now);
        if self.lease().is_some_and(over) {
            self.hurry = now + HURRY;
            return self.lose(Loss::Expired, now);
        }
        if self.announce.is_some_and(|(_, next)| next <= now) {
            return self.announce(now);
        }
        match &self.state {
            State::NoLink => {}
            State::Init { .. } => self.begin(now),
            State::Selecting { .. } => self.discover_again(now),
            State::Requesting { .. } => self.request_again(now),
            State::Rebooting { .. } => self.reboot_again(now),
            State::Probing { .. } => self.probe_again(now),
            State::Bound { .. } | State::Renewing { .. } | State::Rebinding { .. } => {
                self.extend(now);
            }
        }
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Client::handle_timeout`]; `None` without link and lease,
    /// and with a lease for ever.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let next = self.state.next();
        let announce = self.announce.map(|(_, next)| next);
        // Nothing is sent without a link, but a lease runs out all the same.
        let sending = [next, announce].into_iter().filter(|_| self.link_up);
        let expiry = self.lease().and_then(Lease::expiry);
        sending.chain([expiry]).flatten().min()
    }

    /// Where to listen for replies.
    pub fn listen(&self) -> Listen {
        self.state.listen()
    }

    /// The lease in force.
    pub fn lease(&self) -> Option<&Lease> {
        self.state.lease()
    }

    /// Name of the state, as in the RFC.
    pub fn state(&self) -> &'static str {
        self.state.name()
    }

    /// What was done and met so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How far it is, or was, on the way to its lease.
    pub fn milestones(&self) -> &Milestones {
        &self.milestones
    }

    /// Address, routes and MTU of the lease are set.
    pub fn handle_applied(&mut self, now: Duration) {
        self.milestones.in_force(now);
    }

    /// Who this client is.
    pub fn identity(&self) -> &Identity {
        &self.who
    }
}

#[cfg(test)]
mod tests;
