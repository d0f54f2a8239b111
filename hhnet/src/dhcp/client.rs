// SPDX-License-Identifier: Apache-2.0
//! The client's machine, RFC 2131 figure 5, without sockets and clocks.
//!
//! ```text
//!            DISCOVER                REQUEST               (T1) unicast
//!   INIT ───────────▶ SELECTING ───────────▶ REQUESTING ─┐  REQUEST
//!    ▲                    ▲  OFFER             │  ACK    ▼
//!    │ link up            └────────────────────┘       BOUND ──▶ RENEWING
//!    │                      NAK, no answer             ▲   ▲        │ (T2)
//!    │                                             ACK │   │ ACK    ▼ broadcast
//!    └───────────────────────────────── NAK, expiry ───┴───┴──── REBINDING
//! ```
//! What happens is told by `handle_*`, what is to be done is asked by `poll_*`,
//! and the time of the next `handle_timeout` by [`Client::poll_timeout`]. All
//! data of a state lives in its variant, so that no state can see another's.

use std::{collections::VecDeque, net::Ipv4Addr, time::Duration};

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde::Serialize;

use super::{
    lease::{Lease, NoLease},
    message::{Identity, Kind, Reply, Request, encode},
};

/// For this long after the link or the aggregation has changed, DISCOVERs go
/// out about every second: 802.3ad bonds and fallback ports have carrier
/// seconds before frames pass, and RFC backoff would sleep through that moment.
const HURRY: Duration = Duration::from_secs(12);
/// RFC 2131, section 4.1: retransmission delays double up to 64 s.
const DISCOVER_MAX: Duration = Duration::from_secs(64);
/// REQUESTs for an offer before a new DISCOVER.
const REQUESTS: u32 = 4;
/// Delays after a NAK grow up to this, so that a server that always refuses is
/// not asked in a loop.
const NAK_MAX: Duration = Duration::from_secs(60);

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: Destination,
    /// The encoded message.
    pub bytes: Vec<u8>,
}

/// Where a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// To all servers and relays on the link, from `source`, by a raw socket.
    Broadcast {
        /// Unspecified as long as there is no address.
        source: Ipv4Addr,
    },
    /// To one server, through the routing table.
    Server {
        /// The server (option 54).
        server: Ipv4Addr,
    },
}

/// What the owner of the interface must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The lease to have in force from now on, instead of any other.
    Leased(Lease),
    /// There is no lease any more: take the address away.
    Lost(Loss),
}

/// Why a lease was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// Nobody renewed it in time.
    #[error("expired")]
    Expired,
    /// The server refused to renew it.
    #[error("refused by the server")]
    Refused,
}

/// Where replies are expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Nowhere: there is nothing to hear.
    Nothing,
    /// On the link, before or beside an address.
    Link,
    /// On UDP port 68, through the stack.
    Port,
}

/// What the client has done and met, for people and for metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// DISCOVERs sent.
    pub discovers: u64,
    /// REQUESTs sent, renewals included.
    pub requests: u64,
    /// Usable OFFERs.
    pub offers: u64,
    /// OFFERs and ACKs without address, server or lease time.
    pub empty: u64,
    /// ACKs that brought or prolonged a lease.
    pub acks: u64,
    /// NAKs meant for us.
    pub naks: u64,
    /// Replies that fit no open question: copies, late ones, other servers'.
    pub stray: u64,
}

#[derive(Debug)]
enum State {
    /// No link: nothing to do until it comes.
    NoLink,
    /// Waiting until `next` to begin.
    Init { next: Duration },
    /// Looking for a server.
    Selecting {
        xid: u32,
        began: Duration,
        delay: Duration,
        next: Duration,
    },
    /// Taking an offer.
    Requesting {
        xid: u32,
        began: Duration,
        offer: Lease,
        sent: u32,
        asked: Duration,
        next: Duration,
    },
    /// Holding a lease, nothing to do before `next` (T1).
    Bound { lease: Lease, next: Duration },
    /// Asking the server that gave the lease.
    Renewing {
        lease: Lease,
        xid: u32,
        began: Duration,
        asked: Duration,
        next: Duration,
    },
    /// Asking any server.
    Rebinding {
        lease: Lease,
        xid: u32,
        began: Duration,
        asked: Duration,
        next: Duration,
    },
}

/// A DHCP client for one interface.
#[derive(Debug)]
pub struct Client {
    who: Identity,
    rng: SmallRng,
    state: State,
    link_up: bool,
    /// Until when DISCOVERs are repeated quickly.
    hurry: Duration,
    /// Delay before the next DISCOVER after a NAK; zero after an ACK.
    nak_delay: Duration,
    counters: Counters,
    out: VecDeque<Transmit>,
    events: VecDeque<Event>,
}

impl Client {
    /// A client that waits for its link. `seed` makes its random choices.
    pub fn new(who: Identity, seed: u64) -> Client {
        Client {
            who,
            rng: SmallRng::seed_from_u64(seed),
            state: State::NoLink,
            link_up: false,
            hurry: Duration::ZERO,
            nak_delay: Duration::ZERO,
            counters: Counters::default(),
            out: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// The link has come or gone. A lease is kept either way: it is the
    /// server's promise, not the cable's.
    pub fn handle_link(&mut self, up: bool, now: Duration) {
        self.link_up = up;
        match (&self.state, up) {
            (State::NoLink, true) => {
                self.hurry = now + HURRY;
                self.state = State::Init { next: now };
                self.handle_timeout(now);
            }
            (State::Init { .. } | State::Selecting { .. } | State::Requesting { .. }, false) => {
                self.state = State::NoLink;
            }
            (State::NoLink, false)
            | (State::Init { .. } | State::Selecting { .. } | State::Requesting { .. }, true)
            | (State::Bound { .. } | State::Renewing { .. } | State::Rebinding { .. }, _) => {}
        }
    }

    /// The way to the servers may have opened: a member of the bond below has
    /// joined the aggregate. A client still looking asks at once.
    pub fn handle_path_change(&mut self, now: Duration) {
        if let State::Selecting { next, .. } = &mut self.state {
            self.hurry = now + HURRY;
            *next = now;
            self.handle_timeout(now);
        }
    }

    /// A server has spoken.
    pub fn handle_reply(&mut self, reply: &Reply, now: Duration) {
        match &self.state {
            State::Selecting { xid, began, .. }
                if reply.xid == *xid && reply.kind == Kind::Offer =>
            {
                let began = *began;
                match self.read(reply, now) {
                    Some(offer) => self.request(offer, began, now),
                    None => self.counters.empty += 1,
                }
            }
            State::Requesting {
                xid, offer, asked, ..
            } if reply.xid == *xid => {
                let (server, asked) = (offer.server, *asked);
                self.handle_answer(reply, Some(server), asked, now);
            }
            State::Renewing {
                lease, xid, asked, ..
            } if reply.xid == *xid => {
                let (server, asked) = (lease.server, *asked);
                self.handle_answer(reply, Some(server), asked, now);
            }
            State::Rebinding { xid, asked, .. } if reply.xid == *xid => {
                let asked = *asked;
                self.handle_answer(reply, None, asked, now);
            }
            State::NoLink
            | State::Init { .. }
            | State::Selecting { .. }
            | State::Requesting { .. }
            | State::Bound { .. }
            | State::Renewing { .. }
            | State::Rebinding { .. } => self.counters.stray += 1,
        }
    }

    /// An answer to a REQUEST made at `asked`, of `server` where only one was asked.
    fn handle_answer(
        &mut self,
        reply: &Reply,
        server: Option<Ipv4Addr>,
        asked: Duration,
        now: Duration,
    ) {
        let foreign = server.is_some() && reply.server().is_some() && reply.server() != server;
        match reply.kind {
            Kind::Ack if !foreign => match self.read(reply, asked) {
                // The address may be another than we asked for: the fabric's
                // server moves a client like that.
                Some(lease) if lease.expiry().is_none_or(|expiry| expiry > now) => {
                    self.bind(lease, now);
                }
                // It was on its way for longer than the lease lasts.
                Some(_) => self.counters.stray += 1,
                None => self.counters.empty += 1,
            },
            Kind::Nak if !foreign => self.refused(now),
            Kind::Offer | Kind::Ack | Kind::Nak => self.counters.stray += 1,
        }
    }

    fn read(&self, reply: &Reply, since: Duration) -> Option<Lease> {
        let lease: Result<Lease, NoLease> = Lease::from_reply(reply, since);
        lease
            .inspect_err(|reason| tracing::debug!("ignoring {:?}: {reason}", reply.kind))
            .ok()
    }

    fn bind(&mut self, lease: Lease, now: Duration) {
        self.counters.acks += 1;
        self.nak_delay = Duration::ZERO;
        // RFC 2131, section 4.4.5: fuzz around T1, so that machines switched on
        // together do not renew together.
        let fuzz = (lease.times.renew / 25).min(Duration::from_secs(1));
        let next = self.around(lease.since + lease.times.renew, fuzz).max(now);
        self.events.push_back(Event::Leased(lease.clone()));
        self.state = State::Bound { lease, next };
    }

    fn refused(&mut self, now: Duration) {
        self.counters.naks += 1;
        let next = now + self.nak_delay;
        self.nak_delay = (self.nak_delay * 2).clamp(Duration::from_secs(1), NAK_MAX);
        self.lose(Loss::Refused, next);
        self.handle_timeout(now);
    }

    /// Gives up the lease, if there is one, and begins again at `next`.
    fn lose(&mut self, why: Loss, next: Duration) {
        if self.lease().is_some() {
            self.events.push_back(Event::Lost(why));
        }
        self.state = if self.link_up {
            State::Init { next }
        } else {
            State::NoLink
        };
    }

    /// Time has passed; nothing happens before the time of [`Client::poll_timeout`].
    pub fn handle_timeout(&mut self, now: Duration) {
        while self.poll_timeout().is_some_and(|next| next <= now) {
            self.step(now);
        }
    }

    /// Does what is due.
    fn step(&mut self, now: Duration) {
        if self
            .lease()
            .and_then(Lease::expiry)
            .is_some_and(|expiry| expiry <= now)
        {
            self.hurry = now + HURRY;
            return self.lose(Loss::Expired, now);
        }
        match &self.state {
            State::NoLink => {}
            State::Init { .. } => {
                let xid = self.rng.random();
                self.discover(xid, now, Duration::from_secs(1), now);
            }
            State::Selecting {
                xid, began, delay, ..
            } => {
                let (xid, began, delay) = (*xid, *began, *delay);
                self.discover(xid, began, delay, now);
            }
            State::Requesting {
                sent: REQUESTS.., ..
            } => self.state = State::Init { next: now },
            State::Requesting {
                xid,
                began,
                offer,
                sent,
                ..
            } => {
                let (xid, began, offer, sent) = (*xid, *began, offer.clone(), *sent);
                self.send_select(xid, began, offer, sent, now);
            }
            State::Bound { lease, .. } => {
                let lease = lease.clone();
                let xid = self.rng.random();
                self.extend(lease, xid, now, now);
            }
            State::Renewing {
                lease, xid, began, ..
            }
            | State::Rebinding {
                lease, xid, began, ..
            } => {
                let (lease, xid, began) = (lease.clone(), *xid, *began);
                self.extend(lease, xid, began, now);
            }
        }
    }

    fn discover(&mut self, xid: u32, began: Duration, delay: Duration, now: Duration) {
        self.counters.discovers += 1;
        self.send(
            Destination::Broadcast {
                source: Ipv4Addr::UNSPECIFIED,
            },
            Request::Discover,
            xid,
            began,
            now,
        );
        let (wait, delay) = if now < self.hurry {
            // 0.5 to 1 s.
            (
                self.around(Duration::from_millis(750), Duration::from_millis(250)),
                delay,
            )
        } else {
            let delay = (delay * 2).min(DISCOVER_MAX);
            (
                self.around(delay, Duration::from_secs(1).min(delay / 4)),
                delay,
            )
        };
        self.state = State::Selecting {
            xid,
            began,
            delay,
            next: now + wait,
        };
    }

    /// Takes an offer, in a transaction of the same number (RFC 2131, section 4.3.2).
    fn request(&mut self, offer: Lease, began: Duration, now: Duration) {
        let State::Selecting { xid, .. } = self.state else {
            return;
        };
        self.counters.offers += 1;
        self.send_select(xid, began, offer, 0, now);
    }

    fn send_select(&mut self, xid: u32, began: Duration, offer: Lease, sent: u32, now: Duration) {
        let request = Request::Select {
            address: offer.prefix.address,
            server: offer.server,
        };
        let everyone = Destination::Broadcast {
            source: Ipv4Addr::UNSPECIFIED,
        };
        self.counters.requests += 1;
        self.send(everyone, request, xid, began, now);
        // About 1, 2, 4, 8 s.
        let delay = Duration::from_secs(1 << sent);
        let next = now + self.around(delay, delay / 4);
        self.state = State::Requesting {
            xid,
            began,
            offer,
            sent: sent + 1,
            asked: now,
            next,
        };
    }

    /// Asks for more time: the server that gave the lease before T2, anyone after.
    fn extend(&mut self, lease: Lease, xid: u32, began: Duration, now: Duration) {
        let address = lease.prefix.address;
        let rebind = lease.since + lease.times.rebind;
        let renewing = now < rebind;
        let to = if renewing {
            Destination::Server {
                server: lease.server,
            }
        } else {
            Destination::Broadcast { source: address }
        };
        self.counters.requests += 1;
        self.send(to, Request::Extend { address }, xid, began, now);
        // RFC 2131, section 4.4.5: half of the time that is left, but not under
        // a minute; scaled down for leases that are shorter than that.
        let end = if renewing {
            Some(rebind)
        } else {
            lease.expiry()
        };
        let floor =
            (lease.times.renew / 10).clamp(Duration::from_millis(500), Duration::from_secs(60));
        let half = end.map_or(floor, |end| end.saturating_sub(now) / 2);
        let wait = self.around(half.max(floor), floor / 10);
        let next = end.map_or(now + wait, |end| end.min(now + wait));
        // The last request counts: a lease runs from the message that got it.
        self.state = match renewing {
            true => State::Renewing {
                lease,
                xid,
                began,
                asked: now,
                next,
            },
            false => State::Rebinding {
                lease,
                xid,
                began,
                asked: now,
                next,
            },
        };
    }

    fn send(
        &mut self,
        to: Destination,
        request: Request,
        xid: u32,
        began: Duration,
        now: Duration,
    ) {
        // Some relays take a zero for an error.
        let secs = now
            .saturating_sub(began)
            .as_secs()
            .clamp(1, u16::MAX.into()) as u16;
        match encode(&self.who, request, xid, secs) {
            Ok(bytes) => self.out.push_back(Transmit { to, bytes }),
            Err(error) => tracing::error!("encoding {request:?}: {error}"),
        }
    }

    /// A moment at most `spread` away from `middle`.
    fn around(&mut self, middle: Duration, spread: Duration) -> Duration {
        let offset = spread.mul_f64(self.rng.random_range(0.0..=2.0));
        middle.saturating_sub(spread) + offset
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.out.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call [`Client::handle_timeout`]; `None` while there is no link
    /// and no lease, and with a lease for ever.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let next = match &self.state {
            State::NoLink => return None,
            State::Bound { lease, .. } if lease.expiry().is_none() => return None,
            State::Init { next }
            | State::Selecting { next, .. }
            | State::Requesting { next, .. }
            | State::Bound { next, .. }
            | State::Renewing { next, .. }
            | State::Rebinding { next, .. } => *next,
        };
        Some(
            self.lease()
                .and_then(Lease::expiry)
                .map_or(next, |expiry| next.min(expiry)),
        )
    }

    /// Where to listen for replies.
    pub fn listen(&self) -> Listen {
        match &self.state {
            State::NoLink => Listen::Nothing,
            State::Init { .. } | State::Selecting { .. } | State::Requesting { .. } => Listen::Link,
            // A rebinding client hears also servers that answer by broadcast.
            State::Rebinding { .. } => Listen::Link,
            State::Bound { .. } | State::Renewing { .. } => Listen::Port,
        }
    }

    /// The lease in force.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::NoLink
            | State::Init { .. }
            | State::Selecting { .. }
            | State::Requesting { .. } => None,
            State::Bound { lease, .. }
            | State::Renewing { lease, .. }
            | State::Rebinding { lease, .. } => Some(lease),
        }
    }

    /// Name of the state, as in the RFC.
    pub fn state(&self) -> &'static str {
        match &self.state {
            State::NoLink => "NO LINK",
            State::Init { .. } => "INIT",
            State::Selecting { .. } => "SELECTING",
            State::Requesting { .. } => "REQUESTING",
            State::Bound { .. } => "BOUND",
            State::Renewing { .. } => "RENEWING",
            State::Rebinding { .. } => "REBINDING",
        }
    }

    /// What was done and met so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
