// SPDX-License-Identifier: Apache-2.0
//! The states of the machine, and what follows from a state alone.

use std::{collections::VecDeque, time::Duration};

use super::Listen;
use crate::dhcp::lease::Lease;

/// One exchange of messages, under one transaction number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Exchange {
    pub(super) xid: u32,
    /// When the first message left.
    pub(super) began: Duration,
    /// When the last message left: a lease counts from there.
    pub(super) asked: Duration,
    /// `secs` of the last DISCOVER, which a REQUEST for an offer repeats (RFC
    /// 2131, section 3.1, step 3).
    pub(super) secs: u16,
    /// How many have left.
    pub(super) sent: u32,
    /// Whether answers are to be broadcast.
    pub(super) broadcast: bool,
}

#[derive(Debug)]
pub(super) enum State {
    /// No link: nothing to do until it comes.
    NoLink,
    /// Waiting until `next` to begin.
    Init { next: Duration },
    /// Looking for a server.
    Selecting {
        exchange: Exchange,
        /// Delay before the last DISCOVER, once that grows.
        delay: Duration,
        /// The offer of a server that has let us down before: better than none.
        spare: Option<Lease>,
        next: Duration,
    },
    /// Taking an offer.
    Requesting {
        exchange: Exchange,
        offer: Lease,
        /// Offers of other servers, for when this one does not keep its word.
        others: VecDeque<Lease>,
        next: Duration,
    },
    /// Asking whether the lease is still good, after a restart or a time
    /// without link; it is in force meanwhile.
    Rebooting {
        exchange: Exchange,
        lease: Lease,
        next: Duration,
    },
    /// Making sure that nobody else has the address (RFC 5227).
    Probing {
        lease: Lease,
        /// ARP probes sent.
        sent: u32,
        next: Duration,
    },
    /// Holding a lease, nothing to do before `next` (T1).
    Bound { lease: Lease, next: Duration },
    /// Asking the server that gave the lease.
    Renewing {
        exchange: Exchange,
        lease: Lease,
        next: Duration,
    },
    /// Asking any server.
    Rebinding {
        exchange: Exchange,
        lease: Lease,
        next: Duration,
    },
}

impl State {
    /// When something is to be done; `None` for never.
    pub(super) fn next(&self) -> Option<Duration> {
        match self {
            State::NoLink => None,
            State::Bound { lease, .. } if lease.expiry().is_none() => None,
            State::Init { next }
            | State::Selecting { next, .. }
            | State::Requesting { next, .. }
            | State::Rebooting { next, .. }
            | State::Probing { next, .. }
            | State::Bound { next, .. }
            | State::Renewing { next, .. }
            | State::Rebinding { next, .. } => Some(*next),
        }
    }

    /// The exchange that an answer belongs to.
    pub(super) fn exchange(&self) -> Option<Exchange> {
        match self {
            State::NoLink | State::Init { .. } | State::Probing { .. } | State::Bound { .. } => {
                None
            }
            State::Selecting { exchange, .. }
            | State::Requesting { exchange, .. }
            | State::Rebooting { exchange, .. }
            | State::Renewing { exchange, .. }
            | State::Rebinding { exchange, .. } => Some(*exchange),
        }
    }

    /// Where to listen for replies.
    pub(super) fn listen(&self) -> Listen {
        match self {
            State::NoLink => Listen::Nothing,
            State::Init { .. }
            | State::Selecting { .. }
            | State::Requesting { .. }
            | State::Probing { .. } => Listen::Link,
            // Servers may answer by broadcast, and others than the one we know.
            State::Rebooting { .. } | State::Rebinding { .. } => Listen::Link,
            State::Bound { .. } | State::Renewing { .. } => Listen::Port,
        }
    }

    /// The lease in force.
    pub(super) fn lease(&self) -> Option<&Lease> {
        match self {
            State::NoLink
            | State::Init { .. }
            | State::Selecting { .. }
            | State::Requesting { .. }
            | State::Probing { .. } => None,
            State::Rebooting { lease, .. }
            | State::Bound { lease, .. }
            | State::Renewing { lease, .. }
            | State::Rebinding { lease, .. } => Some(lease),
        }
    }

    /// Name of the state, as in the RFC.
    pub(super) fn name(&self) -> &'static str {
        match self {
            State::NoLink => "NO LINK",
            State::Init { .. } => "INIT",
            State::Selecting { .. } => "SELECTING",
            State::Requesting { .. } => "REQUESTING",
            State::Rebooting { .. } => "REBOOTING",
            State::Probing { .. } => "PROBING",
            State::Bound { .. } => "BOUND",
            State::Renewing { .. } => "RENEWING",
            State::Rebinding { .. } => "REBINDING",
        }
    }
}
