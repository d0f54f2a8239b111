// SPDX-License-Identifier: Apache-2.0
//! Holding a lease: BOUND, RENEWING, REBINDING, and its end.

use std::{net::Ipv4Addr, time::Duration};

use super::{Client, Destination, Event, HURRY, Loss, Milestones, Reason, Reply, Request, State};
use crate::dhcp::{
    lease::{Lease, NoLease},
    reply::Kind,
};

/// Delays after a NAK grow up to this, so that a server that always refuses is
/// not asked in a loop.
const NAK_MAX: Duration = Duration::from_secs(60);

impl Client {
    /// An answer to a REQUEST made at `asked`, of `server` where only one was asked.
    pub(super) fn handle_answer(
        &mut self,
        reply: &Reply,
        server: Option<Ipv4Addr>,
        asked: Duration,
        now: Duration,
    ) -> Result<(), Reason> {
        // An ACK and a NAK name their server (RFC 2131, table 3).
        let sender = reply.server().ok_or(NoLease::Server)?;
        if server.is_some_and(|asked| asked != sender) {
            return Err(Reason::OtherServer);
        }
        match reply.kind {
            Kind::Offer => Err(Reason::Stray),
            Kind::Nak => {
                self.refused(now);
                Ok(())
            }
            Kind::Ack => {
                // The address may be another than we asked for: the fabric's
                // server moves a client like that.
                let lease = Lease::from_reply(reply, asked)?;
                if lease.expiry().is_some_and(|expiry| expiry <= now) {
                    return Err(Reason::Expired);
                }
                self.acknowledged(lease, now);
                Ok(())
            }
        }
    }

    fn acknowledged(&mut self, mut lease: Lease, now: Duration) {
        self.counters.acks += 1;
        if matches!(self.state, State::Renewing { .. } | State::Rebinding { .. }) {
            self.counters.renewals += 1;
        }
        self.milestones.ack(now);
        // Renewed without a relay: it is still there for the next broadcast.
        let known = self.lease().filter(|held| held.server == lease.server);
        lease.relay = lease.relay.or(known.and_then(|held| held.relay));
        self.nak_delay = Duration::ZERO;
        self.shunned = None;
        let held = self.lease().map(|held| held.prefix.address);
        if self.probe && held != Some(lease.prefix.address) {
            if held.is_some() {
                self.events.push_back(Event::Lost(Loss::Moved));
            }
            self.start_probing(lease, now);
        } else {
            self.bind(lease, now);
        }
    }

    /// Has the lease in force from now on.
    pub(super) fn bind(&mut self, lease: Lease, now: Duration) {
        let address = lease.prefix.address;
        if self.last.is_some_and(|last| last != address) {
            self.counters.changes += 1;
        }
        self.last = Some(address);
        self.hold(lease, now);
    }

    /// BOUND, until T1.
    pub(super) fn hold(&mut self, lease: Lease, now: Duration) {
        // RFC 2131, section 4.4.5: fuzz around T1, so that machines switched on
        // together do not renew together.
        let fuzz = (lease.times.renew / 25).min(Duration::from_secs(1));
        let next = self.around(lease.since + lease.times.renew, fuzz).max(now);
        if self.lease() != Some(&lease) {
            self.events
                .push_back(Event::Leased(Box::new(lease.clone())));
        }
        self.state = State::Bound { lease, next };
    }

    /// NAK.
    fn refused(&mut self, now: Duration) {
        self.counters.naks += 1;
        if let State::Requesting { offer, .. } = &self.state {
            self.shunned = Some(offer.server);
        }
        let next = now + self.nak_delay;
        self.nak_delay = (self.nak_delay * 2).clamp(Duration::from_secs(1), NAK_MAX);
        self.not_before = next;
        self.lose(Loss::Refused, next);
        self.handle_timeout(now);
    }

    /// Gives up the lease, if there is one, and begins again at `next`.
    pub(super) fn lose(&mut self, why: Loss, next: Duration) {
        if self.lease().is_some() {
            if matches!(why, Loss::Expired | Loss::Refused) {
                self.counters.failed_renewals += 1;
            }
            self.milestones = Milestones::begin(next, self.link_up);
            self.events.push_back(Event::Lost(why));
        }
        self.announce = None;
        self.state = if self.link_up {
            State::Init { next }
        } else {
            State::NoLink
        };
    }

    /// Asks for more time: the server that gave the lease before T2, anyone after.
    pub(super) fn extend(&mut self, now: Duration) {
        let Some(lease) = self.lease().cloned() else {
            return;
        };
        let open = self.state.exchange();
        let exchange = open.unwrap_or_else(|| self.new_exchange(now));
        let (address, server) = (lease.prefix.address, lease.server);
        let rebind = lease.since + lease.times.rebind;
        let renewing = now < rebind;
        let (to, end) = if renewing {
            (Destination::Server { server }, Some(rebind))
        } else {
            (Destination::Broadcast { source: address }, lease.expiry())
        };
        let exchange = self.send(to, Request::Extend { address }, exchange, now);
        let next = self.next_try(&lease, end, now);
        self.state = if renewing {
            State::Renewing {
                exchange,
                lease,
                next,
            }
        } else {
            State::Rebinding {
                exchange,
                lease,
                next,
            }
        };
    }

    /// RFC 2131, section 4.4.5: after half of the time that is left until
    /// `end`, but not under a minute; scaled down for leases shorter than that.
    fn next_try(&mut self, lease: &Lease, end: Option<Duration>, now: Duration) -> Duration {
        let (least, most) = (Duration::from_millis(500), Duration::from_secs(60));
        let floor = (lease.times.renew / 10).clamp(least, most);
        let half = end.map_or(floor, |end| end.saturating_sub(now) / 2);
        let wait = self.around(half.max(floor), floor / 10);
        end.map_or(now + wait, |end| end.min(now + wait))
    }

    /// Begins anew, as if there had never been a lease: what networkd makes of
    /// `networkctl reconfigure`. A server may have another address for us now.
    pub fn start_anew(&mut self, now: Duration) {
        self.nak_delay = Duration::ZERO;
        self.not_before = Duration::ZERO;
        self.shunned = None;
        self.hurry = now + HURRY;
        self.lose(Loss::GivenBack, now);
        self.handle_timeout(now);
    }

    /// A message that gives the lease back, for a client that is about to end or
    /// to begin anew: no answer comes to it (RFC 2131, section 4.4.6).
    pub fn release(&mut self, now: Duration) {
        let Some(lease) = self.lease() else { return };
        let (address, server) = (lease.prefix.address, lease.server);
        let exchange = self.new_exchange(now);
        let request = Request::Release { address, server };
        self.send(Destination::Server { server }, request, exchange, now);
    }
}
