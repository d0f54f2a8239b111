// SPDX-License-Identifier: Apache-2.0
//! What the kernel reports about IPv4 addresses and routes, as it happens.
//!
//! Looking at a machine again and again misses what was gone for a moment; this
//! does not.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::sys::socket::{
    self, AddressFamily as SocketFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType,
    sockopt,
};

use crate::namespace::Namespace;

/// Enough for all that a thousand interfaces do between two looks.
const RECEIVE_BUFFER: usize = 32 << 20;

/// One report; routes are those of the main table, by what follows `ip route`'s
/// first word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// RTM_NEWADDR: an address is new, or its lifetime is; valid for so many seconds.
    AddressSet(Ipv4Addr, u32),
    /// RTM_DELADDR.
    AddressGone(Ipv4Addr),
    /// RTM_NEWROUTE.
    RouteSet(String),
    /// RTM_DELROUTE.
    RouteGone(String),
}

/// A machine under observation.
#[derive(Debug)]
pub struct Monitor {
    socket: OwnedFd,
    events: RefCell<Vec<Event>>,
}

impl Monitor {
    /// Sees everything from now on.
    ///
    /// # Panics
    /// When the kernel has no netlink.
    pub fn of(namespace: &Namespace) -> Self {
        let socket = namespace
            .enter(subscribe)
            .unwrap_or_else(|e| panic!("monitoring {}: {e}", namespace.name()));
        Self {
            socket,
            events: RefCell::default(),
        }
    }

    /// All that has happened so far.
    ///
    /// # Panics
    /// When something was missed.
    pub fn events(&self) -> Vec<Event> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let flags = MsgFlags::MSG_DONTWAIT;
            match socket::recv(self.socket.as_raw_fd(), &mut buffer, flags) {
                Ok(length) => self.events.borrow_mut().extend(read(&buffer[..length])),
                Err(nix::Error::EAGAIN) => return self.events.borrow().clone(),
                Err(nix::Error::EINTR) => {}
                Err(error) => panic!("monitoring: {error}"),
            }
        }
    }

    /// Those of them that take something away.
    pub fn losses(&self) -> Vec<Event> {
        let mut events = self.events();
        events.retain(|event| matches!(event, Event::AddressGone(_) | Event::RouteGone(_)));
        events
    }

    /// How often this address was set, or its lifetime.
    pub fn times_set(&self, address: Ipv4Addr) -> usize {
        let is_it = |event: &&Event| matches!(event, Event::AddressSet(a, _) if *a == address);
        self.events().iter().filter(is_it).count()
    }
}

fn subscribe() -> io::Result<OwnedFd> {
    let groups = libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV4_ROUTE;
    let socket = socket::socket(
        SocketFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    socket::setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
    socket::bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups as u32))?;
    Ok(socket)
}

/// The events in one datagram, which holds one message or more.
fn read(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(bytes)
            .unwrap_or_else(|e| panic!("a netlink message: {e}"));
        let length = (message.header.length as usize).next_multiple_of(4);
        if let NetlinkPayload::InnerMessage(message) = message.payload {
            events.extend(event(&message));
        }
        bytes = bytes.get(length..).unwrap_or_default();
    }
    events
}

fn event(message: &RouteNetlinkMessage) -> Option<Event> {
    match message {
        RouteNetlinkMessage::NewAddress(message) => {
            let (address, valid) = address(message)?;
            Some(Event::AddressSet(address, valid))
        }
        RouteNetlinkMessage::DelAddress(message) => Some(Event::AddressGone(address(message)?.0)),
        RouteNetlinkMessage::NewRoute(message) => Some(Event::RouteSet(route(message)?)),
        RouteNetlinkMessage::DelRoute(message) => Some(Event::RouteGone(route(message)?)),
        _ => None,
    }
}

fn address(message: &AddressMessage) -> Option<(Ipv4Addr, u32)> {
    let address = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
        _ => None,
    })?;
    let valid = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::CacheInfo(info) => Some(info.ifa_valid),
        _ => None,
    });
    Some((address, valid.unwrap_or(u32::MAX)))
}

fn route(message: &RouteMessage) -> Option<String> {
    let header = &message.header;
    if header.table != RouteHeader::RT_TABLE_MAIN || header.address_family != AddressFamily::Inet {
        return None;
    }
    let destination = message.attributes.iter().find_map(|a| match a {
        RouteAttribute::Destination(RouteAddress::Inet(to)) => Some(*to),
        _ => None,
    });
    Some(match destination {
        Some(to) => format!("{to}/{}", header.destination_prefix_length),
        None => "default".to_owned(),
    })
}
