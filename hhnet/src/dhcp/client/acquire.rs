// SPDX-License-Identifier: Apache-2.0
//! The way to a lease: INIT, SELECTING, REQUESTING, and REBOOTING.

use std::{collections::VecDeque, time::Duration};

use super::{Client, Destination, Exchange, Reason, Reply, Request, State};
use crate::dhcp::{lease::Lease, reply::Kind};

/// RFC 2131, section 4.1: retransmission delays double up to 64 s.
const DISCOVER_MAX: Duration = Duration::from_secs(64);
/// After so many DISCOVERs without an answer, every second one asks for a
/// broadcast: there are relays that cannot send to a client without an address.
const UNICAST_TRIES: u32 = 6;
/// REQUESTs for an offer before a new DISCOVER, and while another server has
/// offered something as well.
const REQUESTS: u32 = 4;
const REQUESTS_WITH_CHOICE: u32 = 2;
/// REQUESTs before a lease counts as confirmed that nobody objects to.
const REBOOTS: u32 = 4;
/// How long others get to make a better offer than a server's that has let us
/// down before.
const PATIENCE: Duration = Duration::from_secs(1);
/// Offers that are kept beside the one that was taken.
const OTHERS_MAX: usize = 4;

impl Client {
    /// INIT: no delay (RFC 2131 has 1 to 10 s against a stampede after a power
    /// failure; the jitter of what follows spreads machines as well).
    pub(super) fn begin(&mut self, now: Duration) {
        let exchange = self.new_exchange(now);
        self.discover(exchange, Duration::from_secs(1), now);
    }

    pub(super) fn discover_again(&mut self, now: Duration) {
        let State::Selecting {
            exchange,
            delay,
            spare,
            ..
        } = &mut self.state
        else {
            return;
        };
        let (exchange, delay) = (*exchange, *delay);
        match spare.take() {
            Some(offer) => self.select(offer, VecDeque::new(), exchange, now),
            None => self.discover(exchange, delay, now),
        }
    }

    fn discover(&mut self, exchange: Exchange, delay: Duration, now: Duration) {
        let exchange = Exchange {
            broadcast: wants_broadcast(exchange),
            ..exchange
        };
        let exchange = self.send(Destination::EVERYONE, Request::Discover, exchange, now);
        let (wait, delay) = if now < self.hurry {
            // 0.5 to 1 s.
            let spread = Duration::from_millis(250);
            (self.around(3 * spread, spread), delay)
        } else {
            let delay = (delay * 2).min(DISCOVER_MAX);
            let spread = Duration::from_secs(1).min(delay / 4);
            (self.around(delay, spread), delay)
        };
        self.state = State::Selecting {
            exchange,
            delay,
            spare: None,
            next: now + self.pause(wait),
        };
    }

    /// SELECTING: the first usable offer is taken, except of a server that has
    /// let us down before: others get until the next DISCOVER to do better.
    pub(super) fn handle_offer(&mut self, reply: &Reply, now: Duration) -> Result<(), Reason> {
        let State::Selecting {
            exchange,
            spare,
            next,
            ..
        } = &mut self.state
        else {
            return Err(Reason::Stray);
        };
        let exchange = *exchange;
        match reply.kind {
            Kind::Offer => {}
            Kind::Ack if reply.is_rapid() => {
                return self.handle_answer(reply, None, exchange.asked, now);
            }
            Kind::Ack | Kind::Nak => return Err(Reason::Stray),
        }
        let offer = Lease::from_reply(reply, now)?;
        self.counters.offers += 1;
        if self.shunned == Some(offer.server) {
            *spare = Some(offer);
            *next = (*next).min(now + PATIENCE);
        } else {
            let spare = spare.take().into_iter().collect();
            self.select(offer, spare, exchange, now);
        }
        Ok(())
    }

    /// REQUESTING: an offer that came too late is kept in case.
    pub(super) fn keep_offer(&mut self, reply: &Reply, now: Duration) -> Result<(), Reason> {
        let State::Requesting { offer, others, .. } = &mut self.state else {
            return Err(Reason::Stray);
        };
        let other = Lease::from_reply(reply, now)?;
        let known = |known: &Lease| known.server == other.server;
        let copy = known(offer) || others.iter().any(known);
        if copy || others.len() == OTHERS_MAX {
            return Err(Reason::Stray);
        }
        others.push_back(other);
        self.counters.offers += 1;
        Ok(())
    }

    /// Takes an offer, in the transaction of the DISCOVER (RFC 2131, section 4.3.2).
    fn select(&mut self, offer: Lease, others: VecDeque<Lease>, exchange: Exchange, now: Duration) {
        self.milestones.offer(now);
        let exchange = Exchange {
            sent: 0,
            ..exchange
        };
        self.state = State::Requesting {
            exchange,
            offer,
            others,
            next: now,
        };
        self.request_again(now);
    }

    pub(super) fn request_again(&mut self, now: Duration) {
        let State::Requesting {
            exchange,
            offer,
            others,
            ..
        } = &mut self.state
        else {
            return;
        };
        let tries = if others.is_empty() {
            REQUESTS
        } else {
            REQUESTS_WITH_CHOICE
        };
        if exchange.sent >= tries {
            self.shunned = Some(offer.server);
            let (exchange, mut others) = (*exchange, std::mem::take(others));
            match others.pop_front() {
                Some(other) => self.select(other, others, exchange, now),
                None => self.state = State::Init { next: now },
            }
            return;
        }
        let (exchange, offer, others) = (*exchange, offer.clone(), std::mem::take(others));
        let request = Request::Select {
            address: offer.prefix.address,
            server: offer.server,
        };
        let exchange = self.send(Destination::EVERYONE, request, exchange, now);
        self.state = State::Requesting {
            next: now + self.backoff(exchange.sent),
            exchange,
            offer,
            others,
        };
    }

    /// INIT-REBOOT: asks whether the lease is still good.
    pub(super) fn reboot(&mut self, lease: Lease, now: Duration) {
        let exchange = self.new_exchange(now);
        self.state = State::Rebooting {
            exchange,
            lease,
            next: self.soon(now),
        };
    }

    pub(super) fn reboot_again(&mut self, now: Duration) {
        let State::Rebooting {
            exchange, lease, ..
        } = &self.state
        else {
            return;
        };
        let (exchange, lease) = (*exchange, lease.clone());
        if exchange.sent >= REBOOTS {
            // RFC 2131, section 3.2: the lease may be used until its end.
            return self.hold(lease, now);
        }
        let request = Request::Reboot {
            address: lease.prefix.address,
        };
        let exchange = self.send(Destination::EVERYONE, request, exchange, now);
        self.state = State::Rebooting {
            next: now + self.backoff(exchange.sent),
            exchange,
            lease,
        };
    }

    /// About 1, 2, 4, 8 s after the first, second, … message.
    fn backoff(&mut self, sent: u32) -> Duration {
        let delay = Duration::from_secs(1 << sent.saturating_sub(1).min(6));
        let delay = self.around(delay, delay / 4);
        self.pause(delay)
    }
}

fn wants_broadcast(exchange: Exchange) -> bool {
    exchange.sent >= UNICAST_TRIES && exchange.sent.is_multiple_of(2)
}
