// SPDX-License-Identifier: Apache-2.0
//! What happens to links and addresses while nobody asks: `ip monitor link address`.

use std::net::IpAddr;

use futures_util::{Stream, StreamExt};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::MulticastGroup;

use super::{Address, Device, LinkError, Result};

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A link appeared or changed.
    Link(Device),
    /// A link is gone.
    LinkGone {
        /// Its index.
        index: u32,
    },
    /// An IPv4 address was taken away, by whomever.
    AddressGone {
        /// The link that had it.
        index: u32,
        /// The address.
        address: IpAddr,
    },
    /// The kernel had to drop events: look at everything again.
    Missed,
}

/// A stream of [`Event`]s.
pub struct Events {
    messages: Box<dyn Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Send + Unpin>,
}

impl Events {
    /// Subscribes to link and IPv4 address changes.
    ///
    /// A socket of its own, so that a burst of events never delays an answer.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn subscribe() -> Result<Events> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr];
        let (connection, _, messages) = rtnetlink::new_multicast_connection(&groups)
            .map_err(|error| LinkError::new("subscribing to link events", error))?;
        tokio::spawn(connection);
        Ok(Events {
            messages: Box::new(messages.map(|(message, _)| message)),
        })
    }

    /// The next event; `None` when the socket is dead.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = event(self.messages.next().await?.payload) {
                return Some(event);
            }
        }
    }
}

fn event(payload: NetlinkPayload<RouteNetlinkMessage>) -> Option<Event> {
    match payload {
        // Bridges repeat the news of their ports in a family of their own.
        NetlinkPayload::InnerMessage(
            RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link),
        ) if link.header.interface_family != AddressFamily::Unspec => None,
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => {
            Device::from_message(&link).map(Event::Link)
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) => Some(Event::LinkGone {
            index: link.header.index,
        }),
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelAddress(message)) => {
            let address = Address::from_attributes(&message)?;
            Some(Event::AddressGone {
                index: address.index,
                address: address.address,
            })
        }
        NetlinkPayload::Overrun(_) => Some(Event::Missed),
        _ => None,
    }
}
