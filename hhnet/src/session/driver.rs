// SPDX-License-Identifier: Apache-2.0
//! The task of a session: everything the machine wants done in the world.

use std::{io, net::Ipv4Addr, time::Duration};

use tokio::sync::{mpsc, watch};
use tracing::{debug, info, warn};

use super::{
    Order, Report, Settings,
    apply::Change,
    record::{self, Record},
};
use crate::{
    clock::{self, BootTimer},
    dhcp::{
        arp::Arp,
        client::{Client, Destination, Event, Listen, Transmit},
        lease::Lease,
        packet, reply,
        socket::{BROADCAST, PortSocket, RawSocket, Received},
    },
    host::resolver,
    link::{Device, Links, Mac},
};

/// How long after a failure a lease is applied again.
const RETRY: Duration = Duration::from_secs(1);
/// How long an address that somebody removed stays away: whoever flushes an
/// interface often takes it down right after.
const GRACE: Duration = Duration::from_millis(300);

pub(super) struct Driver {
    links: Links,
    device: Device,
    settings: Settings,
    client: Client,
    link_up: bool,
    /// For messages before there is an address.
    raw: Option<RawSocket>,
    /// For messages when there is one.
    port: Option<PortSocket>,
    /// For ARP, while somebody may have our address.
    arp: Option<RawSocket>,
    /// Why a socket could not be opened, so that it is said once.
    complaint: Option<String>,
    /// The machine on the link the last DHCP message came from.
    neighbor: Option<Mac>,
    timer: BootTimer,
    /// The lease whose address, routes and MTU are in force.
    applied: Option<Lease>,
    /// Somebody may have changed what is in force: set all of it again.
    stale: bool,
    /// When to apply the lease again, after a failure.
    retry: Option<Duration>,
    report: watch::Sender<Report>,
}

/// What a session waits for.
enum Happening {
    Order(Option<Order>),
    Packet(io::Result<Received>),
    Message(io::Result<Vec<u8>>),
    Arp(io::Result<Received>),
    Timeout(io::Result<()>),
}

impl Driver {
    pub(super) fn new(
        links: Links,
        device: Device,
        settings: Settings,
        client: Client,
        report: watch::Sender<Report>,
    ) -> io::Result<Driver> {
        Ok(Driver {
            links,
            device,
            settings,
            client,
            link_up: false,
            raw: None,
            port: None,
            arp: None,
            complaint: None,
            neighbor: None,
            timer: BootTimer::new()?,
            applied: None,
            stale: false,
            retry: None,
            report,
        })
    }

    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            self.settle().await;
            let happening = tokio::select! {
                order = orders.recv() => Happening::Order(order),
                packet = next_packet(self.raw.as_ref()) => Happening::Packet(packet),
                message = next_message(self.port.as_ref()) => Happening::Message(message),
                arp = next_packet(self.arp.as_ref()) => Happening::Arp(arp),
                timeout = self.timer.until(self.deadline()) => Happening::Timeout(timeout),
            };
            match happening {
                Happening::Order(None) => return,
                Happening::Order(Some(Order::End)) => return self.end().await,
                Happening::Order(Some(order)) => self.obey(order).await,
                Happening::Packet(Ok(packet)) => self.hear_packet(&packet),
                Happening::Message(Ok(bytes)) if self.raw.is_none() => self.hear(&bytes),
                Happening::Message(Ok(_)) => {}
                Happening::Arp(Ok(packet)) => {
                    if let Some(arp) = Arp::decode(&packet.bytes) {
                        self.client.handle_arp(&arp, clock::now());
                    }
                }
                Happening::Packet(Err(error))
                | Happening::Message(Err(error))
                | Happening::Arp(Err(error)) => {
                    debug!("{}: receiving: {error}", self.device.name);
                }
                Happening::Timeout(outcome) => {
                    if let Err(error) = outcome {
                        warn!("{}: timer: {error}", self.device.name);
                    }
                    self.client.handle_timeout(clock::now());
                }
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Link { up } => {
                self.client.handle_link(up, clock::now());
                // The kernel has dropped the routes of a link that was down.
                self.stale |= up && !self.link_up && self.applied.is_some();
                self.link_up = up;
            }
            Order::PathChanged => self.client.handle_path_change(clock::now()),
            Order::AddressGone(address) => {
                let ours = |lease: &Lease| lease.prefix.address == address;
                if self.applied.as_ref().is_some_and(ours) && self.is_missing(address).await {
                    warn!("{}: somebody removed {address}", self.device.name);
                    self.stale = true;
                    self.retry = Some(clock::now() + GRACE);
                }
            }
            Order::End => {}
        }
    }

    fn hear_packet(&mut self, packet: &Received) {
        match packet::unwrap(&packet.bytes, packet.checksum) {
            Ok((_, message)) => {
                self.neighbor = packet.from;
                self.hear(message);
            }
            Err(reason) => self.client.note_drop(reason.into()),
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        match reply::decode(bytes, self.client.identity()) {
            Ok(reply) => {
                debug!(
                    "{}: {:?} of {} from {:?}",
                    self.device.name,
                    reply.kind,
                    reply.yiaddr,
                    reply.server()
                );
                self.client.handle_reply(&reply, clock::now());
            }
            Err(reason) => self.client.note_drop(reason.into()),
        }
    }

    /// Does everything the machine wants done, then shows the outcome.
    async fn settle(&mut self) {
        while let Some(event) = self.client.poll_event() {
            self.tell(&event);
            self.retry = None;
        }
        if self.retry.is_none_or(|retry| retry <= clock::now()) {
            self.apply_lease().await;
        }
        // First of all the news: a command may wait for it.
        self.report.send_replace(Report {
            state: self.client.state(),
            lease: self.applied.clone(),
            counters: self.client.counters().clone(),
        });
        self.open_sockets();
        while let Some(transmit) = self.client.poll_transmit() {
            if let Err(error) = self.send(&transmit).await {
                // Not fatal: the machine sends again.
                debug!("{}: sending: {error}", self.device.name);
            }
        }
    }

    fn tell(&self, event: &Event) {
        let name = &self.device.name;
        match event {
            Event::Leased(lease) => {
                let same = |old: &Lease| old.prefix == lease.prefix;
                let verb = if self.applied.as_ref().is_some_and(same) {
                    "renewed"
                } else {
                    "leased"
                };
                let time = match lease.times.lease {
                    Some(time) => format!("{} s", time.as_secs()),
                    None => "ever".into(),
                };
                let (prefix, server) = (lease.prefix, lease.server);
                info!("{name}: {verb} {prefix} from {server} for {time}");
            }
            Event::Lost(why) => info!("{name}: lease lost: {why}"),
            Event::Conflict(address) => warn!("{name}: another machine uses {address}"),
        }
    }

    /// Makes the kernel agree with the machine.
    async fn apply_lease(&mut self) {
        let wanted = self.client.lease().cloned();
        if wanted == self.applied && !self.stale {
            return;
        }
        // Nothing is set on a link that is down: whoever has taken it down may
        // have flushed it, too, and it is set again when it comes back.
        if wanted.is_some() && !self.link_up {
            self.retry = None;
            return;
        }
        let change = Change {
            old: self.applied.as_ref(),
            new: wanted.as_ref(),
            all: self.stale,
        };
        match self.links.apply(&self.device, change, clock::now()).await {
            Ok(()) => {
                self.tell_host(wanted.as_ref());
                self.applied = wanted;
                self.stale = false;
                self.retry = None;
            }
            Err(error) => {
                warn!("{}: {error}", self.device.name);
                self.retry = Some(clock::now() + RETRY);
            }
        }
    }

    /// Keeps the resolver and the file of the lease, each worth a warning at most.
    fn tell_host(&self, lease: Option<&Lease>) {
        if let Err(error) = resolver::set(&self.device.name, lease) {
            warn!("{}: name servers: {error}", self.device.name);
        }
        let Some(lease) = lease else {
            return record::forget(&self.device.name);
        };
        let record = Record {
            interface: self.device.name.clone(),
            index: self.device.index,
            settings: self.settings,
            lease: lease.clone(),
        };
        if let Err(error) = record.save() {
            warn!("{}: recording the lease: {error}", self.device.name);
        }
    }

    fn deadline(&self) -> Option<Duration> {
        [self.client.poll_timeout(), self.retry]
            .into_iter()
            .flatten()
            .min()
    }

    /// Opens the sockets the machine listens on and closes the others.
    fn open_sockets(&mut self) {
        let listen = self.client.listen();
        // Also while replies are heard beside it, it keeps the kernel from
        // telling servers that nobody is there.
        if self.client.lease().is_none() {
            self.port = None;
        } else if self.port.is_none() {
            self.port = self.complain("opening port 68", PortSocket::open(&self.device.name));
        }
        // Where another client holds the port, replies are heard beside it.
        let raw = listen == Listen::Link || listen == Listen::Port && self.port.is_none();
        if !raw {
            close(&mut self.raw);
        } else if self.raw.is_none() {
            let opened = RawSocket::dhcp(self.device.index);
            self.raw = self.complain("opening a packet socket", opened);
        }
        if self.client.watched().is_none() {
            close(&mut self.arp);
        } else if self.arp.is_none() {
            let opened = RawSocket::arp(self.device.index);
            self.arp = self.complain("opening a packet socket for ARP", opened);
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

    async fn send(&self, transmit: &Transmit) -> io::Result<()> {
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
                Some(port) => match port.send(server, &transmit.bytes).await {
                    // No route to a server beyond the subnet: the way its last
                    // message came is as good.
                    Err(error) if error.kind() == io::ErrorKind::NetworkUnreachable => {
                        self.send_past_routes(server, &transmit.bytes)
                    }
                    other => other,
                },
                None => self.send_past_routes(server, &transmit.bytes),
            },
        }
    }

    /// Sends to a server through whoever passed on its last message, without
    /// asking the routing table or ARP.
    fn send_past_routes(&self, server: Ipv4Addr, message: &[u8]) -> io::Result<()> {
        let source = self
            .client
            .lease()
            .map_or(Ipv4Addr::UNSPECIFIED, |lease| lease.prefix.address);
        let packet = packet::wrap(source, server, message);
        let socket = RawSocket::sender(self.device.index)?;
        let sent = socket.send(&packet, self.neighbor.unwrap_or(BROADCAST));
        socket.close();
        sent
    }

    /// Gives the lease back and takes away what it has set. The message goes
    /// past the routing table, because nothing waits for ARP any more.
    async fn end(mut self) {
        self.client.release(clock::now());
        while let Some(Transmit { to, bytes }) = self.client.poll_transmit() {
            if let Destination::Server { server } = to
                && let Err(error) = self.send_past_routes(server, &bytes)
            {
                debug!("{}: releasing: {error}", self.device.name);
            }
        }
        let change = Change {
            old: self.applied.as_ref(),
            new: None,
            all: false,
        };
        if let Err(error) = self.links.apply(&self.device, change, clock::now()).await {
            warn!("{}: {error}", self.device.name);
        }
        self.tell_host(None);
    }

    async fn is_missing(&self, address: Ipv4Addr) -> bool {
        self.links.addresses().await.is_ok_and(|all| {
            !all.iter()
                .any(|a| a.index == self.device.index && a.address == address)
        })
    }
}

fn close(socket: &mut Option<RawSocket>) {
    if let Some(socket) = socket.take() {
        socket.close();
    }
}

async fn next_packet(socket: Option<&RawSocket>) -> io::Result<Received> {
    match socket {
        Some(socket) => socket.receive().await,
        None => std::future::pending().await,
    }
}

async fn next_message(socket: Option<&PortSocket>) -> io::Result<Vec<u8>> {
    match socket {
        Some(socket) => socket.receive().await,
        None => std::future::pending().await,
    }
}
