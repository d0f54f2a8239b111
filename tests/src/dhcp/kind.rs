// SPDX-License-Identifier: Apache-2.0
//! What a DHCP message is for, which its type alone does not say.

use std::net::Ipv4Addr;

use dhcproto::v4::{Message, MessageType, OptionCode};

/// What a message is for (RFC 2131, 4.3.2 for the kinds of REQUEST).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// DISCOVER.
    Discover,
    /// REQUEST of an offer: with a server identifier.
    Select,
    /// REQUEST after a reboot: with an address, without a server identifier.
    Reboot,
    /// REQUEST with ciaddr, to the server.
    Renew,
    /// REQUEST with ciaddr, to everybody.
    Rebind,
    /// RELEASE.
    Release,
    /// DECLINE.
    Decline,
    /// OFFER.
    Offer,
    /// ACK.
    Ack,
    /// NAK.
    Nak,
    /// INFORM and the rest.
    Other,
}

impl Kind {
    /// The kind of a message that was sent to `destination`.
    pub fn of(message: &Message, destination: Ipv4Addr) -> Self {
        let Some(kind) = message.opts().msg_type() else {
            return Self::Other;
        };
        match kind {
            MessageType::Discover => Self::Discover,
            MessageType::Request => Self::of_request(message, destination),
            MessageType::Release => Self::Release,
            MessageType::Decline => Self::Decline,
            MessageType::Offer => Self::Offer,
            MessageType::Ack => Self::Ack,
            MessageType::Nak => Self::Nak,
            _ => Self::Other,
        }
    }

    fn of_request(message: &Message, destination: Ipv4Addr) -> Self {
        if message.opts().contains(OptionCode::ServerIdentifier) {
            Self::Select
        } else if message.ciaddr().is_unspecified() {
            Self::Reboot
        } else if destination.is_broadcast() {
            Self::Rebind
        } else {
            Self::Renew
        }
    }
}
