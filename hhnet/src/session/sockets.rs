// SPDX-License-Identifier: Apache-2.0
//! The sockets of a session: open while the machine listens there.

use std::{io, net::Ipv4Addr};

use tracing::warn;

use crate::{
    dhcp::{
        client::{Client, Destination, Listen, Transmit},
        lease::Lease,
        packet,
        socket::{BROADCAST, PortSocket, RawSocket, Received},
    },
    fault,
    link::{Device, Mac},
};

pub(super) struct Sockets {
    device: Device,
    /// For messages before there is an address.
    raw: Option<RawSocket>,
    /// For messages when there is one.
    port: Option<PortSocket>,
    /// For ARP, while somebody may have our address.
    arp: Option<RawSocket>,
    /// The machine on the link that passed on the last reply to us.
    pub(super) neighbor: Option<Mac>,
    /// The last packet that was heard while both are open: the port has its message, too,
    /// and would bring it once more when the packet socket is closed.
    heard: Option<Vec<u8>>,
    /// Why a socket could not be opened, so that it is said once.
    complaint: Option<String>,
}

/// Something that has come in.
pub(super) enum Arrival {
    /// An IPv4 packet, from a raw socket.
    Packet(Received),
    /// A DHCP message, through the stack.
    Message(Vec<u8>),
    /// An ARP packet.
    Arp(Vec<u8>),
}

impl Sockets {
    pub(super) fn new(device: Device, neighbor: Option<Mac>) -> Sockets {
        Sockets {
            device,
            raw: None,
            port: None,
            arp: None,
            neighbor,
            heard: None,
            complaint: None,
        }
    }

    /// Those that are open stay so: they are the interface's, not its name's.
    pub(super) fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.device.name);
    }

    /// Opens the sockets the machine listens on and closes the others.
    pub(super) fn follow(&mut self, client: &Client) {
        let (name, index) = (self.device.name.clone(), self.device.index);
        // Also while replies are heard beside it, this one keeps the kernel
        // from telling servers that nobody is there.
        if client.lease().is_none() {
            self.port = None;
        } else if self.port.is_none() {
            self.port = self.complain("opening port 68", PortSocket::open(&name));
        }
        let raw = match client.listen() {
            Listen::Nothing => false,
            Listen::Link => true,
            // Where another client holds the port, replies are heard beside it.
            Listen::Port => self.port.is_none(),
        };
        if !raw {
            close(&mut self.raw);
        } else if self.raw.is_none() {
            self.raw = self.complain("opening a packet socket", RawSocket::dhcp(index));
        }
        if client.watched().is_none() {
            close(&mut self.arp);
        } else if self.arp.is_none() {
            self.arp = self.complain("opening a packet socket for ARP", RawSocket::arp(index));
        }
    }

    /// Logs a failure, unless that was the last thing to be said.
    fn complain<T>(&mut self, step: &str, outcome: io::Result<T>) -> Option<T> {
        outcome
            .inspect_err(|error| {
                let complaint = format!("{step}: {error}");
                if self.complaint.as_ref() != Some(&complaint) {
                    warn!("{}: {complaint}", self.device.name);
                    self.complaint = Some(complaint);
                }
            })
            .ok()
    }

    /// Waits for what comes next. Nothing is lost when it is cancelled.
    pub(super) async fn next(&self) -> io::Result<Arrival> {
        loop {
            let arrival = tokio::select! {
                packet = receive(self.raw.as_ref()) => Arrival::Packet(packet?),
                message = receive_message(self.port.as_ref()) => Arrival::Message(message?),
                arp = receive(self.arp.as_ref()) => Arrival::Arp(arp?.bytes),
            };
            // The raw socket hears it as well.
            let twice = matches!(arrival, Arrival::Message(_)) && self.raw.is_some();
            if !twice {
                return Ok(arrival);
            }
        }
    }

    /// Whether something that has come in is new, and not what was heard on the packet
    /// socket right before.
    pub(super) fn is_new(&mut self, arrival: &Arrival) -> bool {
        match arrival {
            Arrival::Packet(packet) => {
                self.heard = self.port.as_ref().map(|_| packet.bytes.clone());
                true
            }
            Arrival::Message(message) => {
                let heard = self.heard.take();
                heard.is_none_or(|packet| !packet.ends_with(message))
            }
            Arrival::Arp(_) => true,
        }
    }

    /// Sends a message, from the leased address if there is one.
    ///
    /// # Errors
    /// As of the socket: not fatal, the machine sends again.
    pub(super) async fn send(&self, transmit: &Transmit, lease: Option<&Lease>) -> io::Result<()> {
        fault::step(transmit.what);
        let none = || io::Error::from(io::ErrorKind::NotConnected);
        match transmit.to {
            Destination::Broadcast { source } => {
                let packet = packet::wrap(source, Ipv4Addr::BROADCAST, &transmit.bytes);
                let raw = self.raw.as_ref().ok_or_else(none)?;
                raw.send(&packet, BROADCAST)
            }
            Destination::Neighbors => {
                let arp = self.arp.as_ref().ok_or_else(none)?;
                arp.send(&transmit.bytes, BROADCAST)
            }
            Destination::Server { server } => match &self.port {
                // Without a route, the kernel takes the server for a neighbor
                // (the socket is bound to the link) and asks for it in vain.
                Some(port) if lease.is_some_and(|lease| lease.reaches(server)) => {
                    port.send(server, &transmit.bytes).await
                }
                _ => self.send_past_routes(server, &transmit.bytes, lease),
            },
        }
    }

    /// Sends to a server through whoever passed on its last message, without
    /// asking the routing table or ARP.
    pub(super) fn send_past_routes(
        &self,
        server: Ipv4Addr,
        message: &[u8],
        lease: Option<&Lease>,
    ) -> io::Result<()> {
        let source = lease.map_or(Ipv4Addr::UNSPECIFIED, |lease| lease.prefix.address);
        let packet = packet::wrap(source, server, message);
        let socket = RawSocket::sender(self.device.index)?;
        let sent = socket.send(&packet, self.neighbor.unwrap_or(BROADCAST));
        socket.close();
        sent
    }
}

fn close(socket: &mut Option<RawSocket>) {
    if let Some(socket) = socket.take() {
        socket.close();
    }
}

async fn receive(socket: Option<&RawSocket>) -> io::Result<Received> {
    match socket {
        Some(socket) => socket.receive().await,
        None => std::future::pending().await,
    }
}

async fn receive_message(socket: Option<&PortSocket>) -> io::Result<Vec<u8>> {
    match socket {
        Some(socket) => socket.receive().await,
        None => std::future::pending().await,
    }
}
