// SPDX-License-Identifier: Apache-2.0
//! Messages on their way out, and the pauses between them.

use std::time::Duration;

use rand::Rng;

use super::{
    Client,
    output::{Destination, Transmit},
    state::Exchange,
};
use crate::dhcp::request::{Header, Request, encode};

/// However often the link changes, broadcasts are at least this far apart.
const GAP: Duration = Duration::from_millis(200);

impl Client {
    /// Sends a message of an exchange, and counts it there.
    pub(super) fn send(
        &mut self,
        to: Destination,
        request: Request,
        mut exchange: Exchange,
        now: Duration,
    ) -> Exchange {
        if !matches!(request, Request::Select { .. }) {
            // Some relays take a zero for an error.
            let elapsed = now.saturating_sub(exchange.began).as_secs();
            exchange.secs = elapsed.clamp(1, u16::MAX.into()) as u16;
        }
        let header = Header {
            xid: exchange.xid,
            secs: exchange.secs,
            broadcast: exchange.broadcast,
        };
        let what = request.name();
        match request {
            Request::Discover => self.counters.discovers += 1,
            Request::Select { .. } | Request::Reboot { .. } | Request::Extend { .. } => {
                self.counters.requests += 1;
            }
            Request::Release { .. } | Request::Decline { .. } => {}
        }
        if matches!(to, Destination::Broadcast { .. }) {
            self.spoke = Some(now);
        }
        self.copies.asked(request, exchange.xid);
        match encode(&self.who, request, header) {
            Ok(bytes) => self.out.push_back(Transmit { to, what, bytes }),
            Err(error) => tracing::error!("encoding {request:?}: {error}"),
        }
        exchange.asked = now;
        exchange.sent += 1;
        exchange
    }

    pub(super) fn new_exchange(&mut self, now: Duration) -> Exchange {
        Exchange {
            xid: self.rng.random(),
            began: now,
            asked: now,
            secs: 1,
            sent: 0,
            broadcast: false,
        }
    }

    /// Now, unless a broadcast has just left.
    pub(super) fn soon(&self, now: Duration) -> Duration {
        self.spoke.map_or(now, |spoke| now.max(spoke + GAP))
    }

    /// The pause before a message is repeated: `usual`, or a short one right
    /// after the way to the servers has opened.
    pub(super) fn pause(&mut self, usual: Duration) -> Duration {
        match self.quick.checked_sub(1) {
            Some(left) => {
                self.quick = left;
                usual.min(self.around(GAP + GAP / 4, GAP / 4))
            }
            None => usual,
        }
    }

    /// A moment at most `spread` away from `middle`.
    pub(super) fn around(&mut self, middle: Duration, spread: Duration) -> Duration {
        let offset = spread.mul_f64(self.rng.random_range(0.0..=2.0));
        middle.saturating_sub(spread) + offset
    }
}
