// SPDX-License-Identifier: Apache-2.0
//! What passes on the wire of a session, told while somebody waits for its lease.

use std::{fmt, net::Ipv4Addr};

use crate::dhcp::{dropped::Reason, reply::Kind};

/// As many are kept for a listener that is slow; older ones are lost to him.
pub(super) const KEPT: usize = 64;

/// Something that was sent or has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// A message of ours, by the name of its type.
    Sent(&'static str),
    /// A server's message that was of use.
    Heard {
        /// What it says.
        kind: Kind,
        /// The address it is about.
        address: Ipv4Addr,
        /// Who has said it.
        server: Ipv4Addr,
    },
    /// Something was not used, for the first time for this reason.
    Dropped(Reason),
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            News::Sent(what) => write!(f, "{what} sent"),
            News::Heard {
                kind: Kind::Nak,
                server,
                ..
            } => write!(f, "NAK from {server}"),
            News::Heard {
                kind,
                address,
                server,
            } => write!(f, "{kind} of {address} from {server}"),
            News::Dropped(reason) => write!(f, "an answer was of no use: {reason}"),
        }
    }
}
