// SPDX-License-Identifier: Apache-2.0
//! What happens to links and addresses while nobody asks: `ip monitor link address`.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::{Stream, StreamExt};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rtnetlink::MulticastGroup;

use super::{Address, Device, LinkError, Result, Route};
use crate::cli::Prefix;

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
        address: Ipv4Addr,
    },
    /// A route made for DHCP was taken away, by whomever.
    RouteGone {
        /// The link it led through.
        index: u32,
        /// Where it led to.
        to: Prefix,
    },
    /// The kernel had to drop events: look at everything again.
    Missed,
}

/// A stream of [`Event`]s.
pub struct Events {
    messages: Box<dyn Stream<Item = NetlinkMessage<RouteNetlinkMessage>> + Send + Unpin>,
}

impl Events {
    /// Subscribes to changes of links, IPv4 addresses and IPv4 routes.
    ///
    /// A socket of its own, so that a burst of events never delays an answer.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn subscribe() -> Result<Events> {
        let groups = [
            MulticastGroup::Link,
            MulticastGroup::Ipv4Ifaddr,
            MulticastGroup::Ipv4Route,
        ];
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
            let gone = Address::from_attributes(&message)?;
            match gone.address {
                IpAddr::V4(address) => Some(Event::AddressGone {
                    index: gone.index,
                    address,
                }),
                IpAddr::V6(_) => None,
            }
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelRoute(message)) => {
            let (index, route) = Route::leased_from(&message)?;
            Some(Event::RouteGone {
                index,
                to: route.to,
            })
        }
        NetlinkPayload::Overrun(_) => Some(Event::Missed),
        _ => None,
    }
}
