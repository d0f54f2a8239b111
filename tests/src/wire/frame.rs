// SPDX-License-Identifier: Apache-2.0
//! What a rule of the wire sees of a frame.

use std::net::Ipv4Addr;

use dhcproto::v4::{CLIENT_PORT, Message, SERVER_PORT};
use dhcproto::{Decodable, Decoder};
use etherparse::{Icmpv4Type, NetSlice, SlicedPacket, TransportSlice};

use crate::dhcp::Kind;

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the server under test to the network.
    Out,
    /// From the network to the server under test.
    In,
}

/// A DHCP message and the address it was sent to.
#[derive(Clone, Debug)]
pub(super) struct Dhcp {
    pub(super) kind: Kind,
    pub(super) destination: Ipv4Addr,
    pub(super) message: Message,
}

/// An IPv4 or ARP frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Where it goes.
    pub way: Way,
    pub(super) broadcast: bool,
    echo: Option<u16>,
    pub(super) dhcp: Option<Dhcp>,
}

impl Frame {
    /// Reads a frame; `None` for protocols whose fate no rule decides.
    pub(super) fn read(way: Way, bytes: &[u8]) -> Option<Self> {
        const IPV4: [u8; 2] = [0x08, 0x00];
        const ARP: [u8; 2] = [0x08, 0x06];
        let ethertype = bytes.get(12..14)?;
        (ethertype == IPV4 || ethertype == ARP).then(|| Self {
            way,
            broadcast: bytes.starts_with(&[0xff; 6]),
            echo: echo(bytes),
            dhcp: dhcp(bytes),
        })
    }

    /// What the DHCP message in it is for, if there is one.
    pub fn kind(&self) -> Option<Kind> {
        self.dhcp.as_ref().map(|dhcp| dhcp.kind)
    }

    /// Whether it is a DHCP message of this kind.
    pub fn is(&self, kind: Kind) -> bool {
        self.kind() == Some(kind)
    }

    /// Whether it is for everybody, by its hardware address.
    pub fn is_broadcast(&self) -> bool {
        self.broadcast
    }

    /// The sequence number of the echo request or reply in it, if there is one.
    pub fn echo(&self) -> Option<u16> {
        self.echo
    }

    /// Whether it is any DHCP message.
    pub fn is_dhcp(&self) -> bool {
        self.dhcp.is_some()
    }
}

fn echo(bytes: &[u8]) -> Option<u16> {
    let packet = SlicedPacket::from_ethernet(bytes).ok()?;
    let Some(TransportSlice::Icmpv4(icmp)) = &packet.transport else {
        return None;
    };
    match icmp.icmp_type() {
        Icmpv4Type::EchoRequest(echo) | Icmpv4Type::EchoReply(echo) => Some(echo.seq),
        _ => None,
    }
}

fn dhcp(bytes: &[u8]) -> Option<Dhcp> {
    let packet = SlicedPacket::from_ethernet(bytes).ok()?;
    let Some(NetSlice::Ipv4(ip)) = &packet.net else {
        return None;
    };
    let Some(TransportSlice::Udp(udp)) = &packet.transport else {
        return None;
    };
    let ports = [SERVER_PORT, CLIENT_PORT];
    if !ports.contains(&udp.destination_port()) || !ports.contains(&udp.source_port()) {
        return None;
    }
    let message = Message::decode(&mut Decoder::new(udp.payload())).ok()?;
    let destination = ip.header().destination_addr();
    Some(Dhcp {
        kind: Kind::of(&message, destination),
        destination,
        message,
    })
}
