// SPDX-License-Identifier: Apache-2.0
//! IPv4 routes.

use std::net::Ipv4Addr;

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope},
};
use rtnetlink::RouteMessageBuilder;
use serde::{Deserialize, Serialize};

use super::{Links, New, Result, address::METRIC, device::Device};
use crate::cli::Prefix;

/// A route through a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Where it leads.
    pub to: Prefix,
    /// The next step.
    pub via: RouteTo,
}

/// The next step of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouteTo {
    /// The destination is on the link itself.
    Link,
    /// A gateway. Where it lies outside the leased subnet, a route of scope
    /// link to it must be there before, else the kernel calls the next hop
    /// invalid.
    Gateway(Ipv4Addr),
}

impl Links {
    /// `ip route append TO [via GATEWAY] dev DEVICE proto dhcp [scope link] src SOURCE metric 1024`
    ///
    /// Replacing would take away the route of the same metric to the same place
    /// through another device, whoever made it: the kernel looks at no more
    /// than that (`fib_table_insert` in net/ipv4/fib_trie.c).
    pub async fn lease_route(&self, device: &Device, route: Route, source: Ipv4Addr) -> Result<()> {
        let message = leased(device, route, source).build();
        let step = format!("adding the route to {} on {}", route.to, device.name);
        let added = self.add(step, RouteNetlinkMessage::NewRoute(message), New::Append);
        match added.await {
            // This very route is there already.
            Err(error) if error.errno() == Some(libc::EEXIST) => Ok(()),
            other => other,
        }
    }

    /// Removes what [`Links::lease_route`] added; no error when it is gone already.
    pub async fn remove_leased_route(
        &self,
        device: &Device,
        route: Route,
        source: Ipv4Addr,
    ) -> Result<()> {
        let message = leased(device, route, source).build();
        let step = format!("removing the route to {} on {}", route.to, device.name);
        self.take_away(step, RouteNetlinkMessage::DelRoute(message))
            .await
    }

    /// The routes that leases have set through a device:
    /// `ip -4 route show dev DEVICE proto dhcp`
    pub async fn leased_routes(&self, device: &Device) -> Result<Vec<Route>> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        let step = format!("listing the routes through {}", device.name);
        let dump = self.dump(step, RouteNetlinkMessage::GetRoute(message));
        let through = |message: &RouteNetlinkMessage| match message {
            RouteNetlinkMessage::NewRoute(message) => Route::leased_from(message),
            _ => None,
        };
        let found = dump.await?.iter().filter_map(through).collect::<Vec<_>>();
        let ours = found
            .into_iter()
            .filter(|(index, _)| *index == device.index);
        Ok(ours.map(|(_, route)| route).collect())
    }

    /// `ip route add default via GATEWAY dev DEVICE`
    pub async fn add_default_route(&self, device: &Device, gateway: Ipv4Addr) -> Result<()> {
        let message = default_route(device, gateway);
        let step = format!("adding the default route via {gateway} on {}", device.name);
        self.add(step, RouteNetlinkMessage::NewRoute(message), New::Exclusive)
            .await
    }

    /// Whether there is one: `ip -4 route show default via GATEWAY dev DEVICE`
    pub async fn has_default_route(&self, device: &Device, gateway: Ipv4Addr) -> Result<bool> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        let step = format!("listing the routes through {}", device.name);
        let dump = self.dump(step, RouteNetlinkMessage::GetRoute(message));
        let via = RouteAttribute::Gateway(RouteAddress::Inet(gateway));
        let is_it = |message: &RouteNetlinkMessage| match message {
            RouteNetlinkMessage::NewRoute(route) => {
                let has = |attribute: &RouteAttribute| route.attributes.contains(attribute);
                let is_default = route.header.destination_prefix_length == 0;
                is_default && has(&via) && has(&RouteAttribute::Oif(device.index))
            }
            _ => false,
        };
        Ok(dump.await?.iter().any(is_it))
    }

    /// `ip route del default via GATEWAY dev DEVICE`; no error when it is gone already.
    pub async fn remove_default_route(&self, device: &Device, gateway: Ipv4Addr) -> Result<()> {
        let message = default_route(device, gateway);
        let step = format!(
            "removing the default route via {gateway} on {}",
            device.name
        );
        self.take_away(step, RouteNetlinkMessage::DelRoute(message))
            .await
    }
}

impl Route {
    /// Reads an IPv4 route that was made for DHCP, and the link it leads
    /// through; `None` for any other.
    pub(super) fn leased_from(message: &RouteMessage) -> Option<(u32, Route)> {
        let header = &message.header;
        if header.protocol != RouteProtocol::Dhcp || header.address_family != AddressFamily::Inet {
            return None;
        }
        let (mut index, mut via) = (None, RouteTo::Link);
        let mut address = Ipv4Addr::UNSPECIFIED;
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Oif(oif) => index = Some(*oif),
                RouteAttribute::Destination(RouteAddress::Inet(to)) => address = *to,
                RouteAttribute::Gateway(RouteAddress::Inet(gateway)) => {
                    via = RouteTo::Gateway(*gateway);
                }
                _ => {}
            }
        }
        let len = header.destination_prefix_length;
        let to = Prefix { address, len };
        Some((index?, Route { to, via }))
    }
}

fn default_route(device: &Device, gateway: Ipv4Addr) -> RouteMessage {
    RouteMessageBuilder::<Ipv4Addr>::new()
        .output_interface(device.index)
        .gateway(gateway)
        .protocol(RouteProtocol::Boot)
        .build()
}

fn leased(device: &Device, route: Route, source: Ipv4Addr) -> RouteMessageBuilder<Ipv4Addr> {
    let builder = RouteMessageBuilder::<Ipv4Addr>::new()
        .output_interface(device.index)
        .destination_prefix(route.to.address, route.to.len)
        .protocol(RouteProtocol::Dhcp)
        .pref_source(source)
        .priority(METRIC);
    match route.via {
        RouteTo::Link => builder.scope(RouteScope::Link),
        RouteTo::Gateway(gateway) => builder.gateway(gateway),
    }
}
