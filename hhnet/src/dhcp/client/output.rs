// SPDX-License-Identifier: Apache-2.0
//! What comes out of the machine.

use std::net::Ipv4Addr;

use serde::Serialize;

use crate::dhcp::{dropped::Dropped, lease::Lease};

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where to.
    pub to: Destination,
    /// What it is: the name of its message type, or ARP.
    pub what: &'static str,
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
    /// To everybody on the link, as an ARP packet.
    Neighbors,
}

impl Destination {
    /// For a client that has no address yet.
    pub const EVERYONE: Destination = Destination::Broadcast {
        source: Ipv4Addr::UNSPECIFIED,
    };
}

/// What the owner of the interface must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The lease to have in force from now on, instead of any other.
    Leased(Box<Lease>),
    /// There is no lease any more: take the address away.
    Lost(Loss),
    /// Somebody else uses our address, which is defended.
    Conflict(Ipv4Addr),
}

/// Why a lease was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// Nobody renewed it in time.
    #[error("expired")]
    Expired,
    /// Somebody on this machine wants another one.
    #[error("given back, to begin anew")]
    GivenBack,
    /// The server has moved us to another address, which is probed first.
    #[error("replaced by the server")]
    Moved,
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
    /// ACKs that brought or prolonged a lease.
    pub acks: u64,
    /// NAKs meant for us.
    pub naks: u64,
    /// OFFERs that came more often than they were asked for.
    pub duplicate_offers: u64,
    /// ACKs likewise.
    pub duplicate_acks: u64,
    /// ACKs that prolonged a lease.
    pub renewals: u64,
    /// Leases that ended, or were refused, because they could not be prolonged.
    pub failed_renewals: u64,
    /// Times an ACK brought another address than the one held before.
    pub changes: u64,
    /// Times somebody else had our address.
    pub conflicts: u64,
    /// Packets and messages that came and were not used.
    pub dropped: Dropped,
}
