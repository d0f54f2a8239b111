// SPDX-License-Identifier: Apache-2.0
//! Where a packet goes first: routes and neighbours, as the kernel has them now.

use std::{collections::HashMap, net::IpAddr};

use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteType, RouteVia},
};

use super::{Device, Links, Mac, Result};

/// Hardware addresses by link and address.
pub type Neighbours = HashMap<(u32, IpAddr), Mac>;

/// Who on the link gets a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextHop {
    /// Everybody: a broadcast.
    All,
    /// A gateway, or the destination itself.
    One(IpAddr),
}

impl Links {
    /// The hardware addresses that are known: `ip neigh show`.
    pub async fn neighbours(&self) -> Result<Neighbours> {
        let request = RouteNetlinkMessage::GetNeighbour(NeighbourMessage::default());
        let dump = self.dump("listing neighbours".into(), request).await?;
        Ok(dump.iter().filter_map(neighbour).collect())
    }

    /// Who gets a packet that leaves through `device`; `None` if nobody does:
    /// `ip route get DESTINATION from SOURCE oif DEVICE`
    pub async fn next_hop(
        &self,
        device: &Device,
        source: IpAddr,
        destination: IpAddr,
    ) -> Result<Option<NextHop>> {
        let mut message = RouteMessage::default();
        let header = &mut message.header;
        (header.address_family, header.destination_prefix_length) = match destination {
            IpAddr::V4(_) => (AddressFamily::Inet, 32),
            IpAddr::V6(_) => (AddressFamily::Inet6, 128),
        };
        header.source_prefix_length = header.destination_prefix_length;
        message.attributes = vec![
            RouteAttribute::Destination(destination.into()),
            RouteAttribute::Source(source.into()),
            RouteAttribute::Oif(device.index),
        ];
        let step = format!("looking for the way to {destination}");
        let request = RouteNetlinkMessage::GetRoute(message);
        let answers = self.collect(step, request, 0).await?;
        let through = |answer: &RouteNetlinkMessage| match answer {
            RouteNetlinkMessage::NewRoute(route) => next_hop(route, device, destination),
            _ => None,
        };
        Ok(answers.iter().find_map(through))
    }
}

fn neighbour(message: &RouteNetlinkMessage) -> Option<((u32, IpAddr), Mac)> {
    let RouteNetlinkMessage::NewNeighbour(message) = message else {
        return None;
    };
    // As `NUD_VALID`: others have no address, or one that did not answer.
    let valid = matches!(
        message.header.state,
        NeighbourState::Reachable
            | NeighbourState::Stale
            | NeighbourState::Delay
            | NeighbourState::Probe
            | NeighbourState::Permanent
            | NeighbourState::Noarp
    );
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => {
                address = Some(IpAddr::V4(*v4));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => {
                address = Some(IpAddr::V6(*v6));
            }
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = bytes.as_slice().try_into().ok(),
            _ => {}
        }
    }
    valid.then_some(((message.header.ifindex, address?), mac?))
}

fn next_hop(route: &RouteMessage, device: &Device, destination: IpAddr) -> Option<NextHop> {
    let mut hop = match route.header.kind {
        RouteType::Unicast => NextHop::One(destination),
        RouteType::Broadcast => NextHop::All,
        _ => return None,
    };
    let mut through = None;
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(index) => through = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet(v4))
            | RouteAttribute::Via(RouteVia::Inet(v4)) => hop = NextHop::One((*v4).into()),
            RouteAttribute::Gateway(RouteAddress::Inet6(v6))
            | RouteAttribute::Via(RouteVia::Inet6(v6)) => hop = NextHop::One((*v6).into()),
            _ => {}
        }
    }
    (through == Some(device.index)).then_some(hop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATEWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 1, 1));
    const FAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    fn vlan() -> Device {
        Device {
            index: 5,
            ..Device::default()
        }
    }

    fn route(kind: RouteType, attributes: Vec<RouteAttribute>) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.kind = kind;
        message.attributes = attributes;
        message
    }

    #[test]
    fn the_gateway_if_there_is_one_and_everybody_for_a_broadcast() {
        let through = |kind, attributes| next_hop(&route(kind, attributes), &vlan(), FAR);
        let out = || RouteAttribute::Oif(5);
        let via = || RouteAttribute::Gateway(GATEWAY.into());
        assert_eq!(
            through(RouteType::Unicast, vec![out(), via()]),
            Some(NextHop::One(GATEWAY))
        );
        assert_eq!(
            through(RouteType::Unicast, vec![out()]),
            Some(NextHop::One(FAR))
        );
        assert_eq!(
            through(RouteType::Broadcast, vec![out()]),
            Some(NextHop::All)
        );
        let elsewhere = vec![RouteAttribute::Oif(6), via()];
        assert_eq!(through(RouteType::Unicast, elsewhere), None);
        assert_eq!(through(RouteType::Unreachable, vec![out()]), None);
    }

    #[test]
    fn neighbours_that_did_not_answer_have_no_address() {
        let mut message = NeighbourMessage::default();
        message.header.ifindex = 5;
        let mac = vec![0xb6, 0x0d, 0x1c, 0x4f, 0x2a, 0x93];
        message.attributes = vec![
            NeighbourAttribute::Destination(NeighbourAddress::Inet([10, 0, 1, 1].into())),
            NeighbourAttribute::LinkLayerAddress(mac),
        ];
        for (state, known) in [
            (NeighbourState::Stale, true),
            (NeighbourState::Failed, false),
        ] {
            message.header.state = state;
            let found = neighbour(&RouteNetlinkMessage::NewNeighbour(message.clone()));
            assert_eq!(found.is_some_and(|(key, _)| key == (5, GATEWAY)), known);
        }
    }
}
