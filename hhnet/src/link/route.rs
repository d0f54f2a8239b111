// SPDX-License-Identifier: Apache-2.0
//! IPv4 routes.

use std::net::Ipv4Addr;

use netlink_packet_route::{
    RouteNetlinkMessage,
    route::{RouteMessage, RouteProtocol, RouteScope},
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
        match self
            .ask(step, RouteNetlinkMessage::DelRoute(message), 0)
            .await
        {
            Err(error) if error.is_gone() => Ok(()),
            other => other,
        }
    }

    /// `ip route add default via GATEWAY dev DEVICE`
    pub async fn add_default_route(&self, device: &Device, gateway: Ipv4Addr) -> Result<()> {
        let message = default_route(device, gateway);
        let step = format!("adding the default route via {gateway} on {}", device.name);
        self.add(step, RouteNetlinkMessage::NewRoute(message), New::Exclusive)
            .await
    }

    /// `ip route del default via GATEWAY dev DEVICE`; no error when it is gone already.
    pub async fn remove_default_route(&self, device: &Device, gateway: Ipv4Addr) -> Result<()> {
        let message = default_route(device, gateway);
        let step = format!(
            "removing the default route via {gateway} on {}",
            device.name
        );
        match self
            .ask(step, RouteNetlinkMessage::DelRoute(message), 0)
            .await
        {
            Err(error) if error.is_gone() => Ok(()),
            other => other,
        }
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
