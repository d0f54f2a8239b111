// SPDX-License-Identifier: Apache-2.0
//! One leased interface: the DHCP machine between its sockets, its timer and
//! the kernel. A session is a task; the agent speaks to it by [`Order`]s and
//! looks at its [`Report`].

mod apply;

use std::{io, net::Ipv4Addr, time::Duration};

use nix::unistd::gethostname;
use rand::TryRngCore;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tracing::{debug, info, warn};

use self::apply::Change;
use crate::{
    clock::{self, BootTimer},
    dhcp::{
        client::{Client, Counters, Destination, Event, Listen, Transmit},
        lease::Lease,
        message::{self, Identity},
        packet::{self, Checksum},
        socket::{LinkSocket, PortSocket},
    },
    link::{Device, Links},
};

/// How long after a failure a lease is applied again.
const RETRY: Duration = Duration::from_secs(1);

/// What the agent tells a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The interface works, or does so no longer.
    Link {
        /// Administratively up, with carrier.
        up: bool,
    },
    /// A bond below has gained a usable member.
    PathChanged,
    /// An address was taken from the interface.
    AddressGone(Ipv4Addr),
}

/// What a session shows of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// State of the machine, as in the RFC.
    pub state: &'static str,
    /// The lease in force: its address, routes and MTU are set.
    pub lease: Option<Lease>,
    /// What happened so far.
    pub counters: Counters,
}

/// A running session. Dropping it ends the task; nothing is lost by that at
/// any of its await points, because the interface is removed right after.
pub struct Session {
    /// The interface as it was when the session began.
    pub device: Device,
    /// What it shows of itself, always the newest.
    pub report: watch::Receiver<Report>,
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl Session {
    /// Starts leasing an address for `device`.
    ///
    /// # Errors
    /// When there is no timer, or the interface has no hardware address.
    pub fn start(links: Links, device: Device) -> io::Result<Session> {
        let no_address = || io::Error::other(format!("{} has no hardware address", device.name));
        let who = Identity {
            mac: device.mac.ok_or_else(no_address)?,
            hostname: hostname(),
            max_message: device.mtu.clamp(576, 1500) as u16,
        };
        let seed = rand::rngs::OsRng.try_next_u64().map_err(io::Error::other)?;
        let (orders, inbox) = mpsc::unbounded_channel();
        let (sender, report) = watch::channel(Report::default());
        let driver = Driver {
            links,
            device: device.clone(),
            client: Client::new(who, seed),
            link_socket: None,
            port_socket: None,
            timer: BootTimer::new()?,
            applied: None,
            stale: false,
            retry: None,
            report: sender,
        };
        let task = tokio::spawn(driver.run(inbox));
        let session = Session {
            report,
            orders,
            task,
            device,
        };
        session.order(Order::Link {
            up: session.device.up && session.device.carrier,
        });
        Ok(session)
    }

    /// Tells the session something; one that has ended does not mind.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Our host name, unless it is one nobody chose.
fn hostname() -> Option<String> {
    let name = gethostname().ok()?.into_string().ok()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    let chosen = !name.is_empty() && name != "localhost" && name != "(none)";
    (chosen && name.len() <= 255 && name.chars().all(plain)).then_some(name)
}

struct Driver {
    links: Links,
    device: Device,
    client: Client,
    link_socket: Option<LinkSocket>,
    port_socket: Option<PortSocket>,
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
    Packet(io::Result<(Vec<u8>, Checksum)>),
    Message(io::Result<Vec<u8>>),
    Timeout(io::Result<()>),
}

impl Driver {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            self.settle().await;
            let happening = tokio::select! {
                order = orders.recv() => Happening::Order(order),
                packet = next_packet(self.link_socket.as_ref()) => Happening::Packet(packet),
                message = next_message(self.port_socket.as_ref()) => Happening::Message(message),
                timeout = self.timer.until(self.deadline()) => Happening::Timeout(timeout),
            };
            match happening {
                Happening::Order(None) => return,
                Happening::Order(Some(order)) => self.obey(order).await,
                Happening::Packet(Ok((bytes, checksum))) => self.hear_packet(&bytes, checksum),
                Happening::Message(Ok(bytes)) => self.hear(&bytes),
                Happening::Packet(Err(error)) | Happening::Message(Err(error)) => {
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
                self.stale |= up;
            }
            Order::PathChanged => self.client.handle_path_change(clock::now()),
            Order::AddressGone(address) => {
                let ours = self
                    .applied
                    .as_ref()
                    .is_some_and(|l| l.prefix.address == address);
                if ours && self.is_missing(address).await {
                    warn!("{}: somebody removed {address}", self.device.name);
                    self.stale = true;
                }
            }
        }
    }

    fn hear_packet(&mut self, packet: &[u8], checksum: Checksum) {
        match packet::unwrap(packet, checksum) {
            Ok((_, message)) => self.hear(message),
            Err(reason) => debug!("{}: dropping a packet: {reason}", self.device.name),
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let Some(mac) = self.device.mac else { return };
        match message::decode(bytes, mac) {
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
            Err(reason) => debug!("{}: dropping a message: {reason}", self.device.name),
        }
    }

    /// Does everything the machine wants done, then shows the outcome.
    async fn settle(&mut self) {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Leased(lease) => {
                    info!(
                        "{}: leased {} from {}",
                        self.device.name, lease.prefix, lease.server
                    );
                }
                Event::Lost(why) => info!("{}: lease lost: {why}", self.device.name),
            }
            self.retry = None;
        }
        if self.retry.is_none_or(|retry| retry <= clock::now()) {
            self.apply_lease().await;
        }
        self.open_sockets();
        while let Some(transmit) = self.client.poll_transmit() {
            if let Err(error) = self.send(&transmit).await {
                // Not fatal: the machine sends again.
                debug!("{}: sending: {error}", self.device.name);
            }
        }
        self.report.send_replace(Report {
            state: self.client.state(),
            lease: self.applied.clone(),
            counters: self.client.counters().clone(),
        });
    }

    /// Makes the kernel agree with the machine.
    async fn apply_lease(&mut self) {
        let wanted = self.client.lease().cloned();
        if wanted == self.applied && !self.stale {
            return;
        }
        let change = Change {
            old: self.applied.as_ref(),
            new: wanted.as_ref(),
            all: self.stale,
        };
        match self.links.apply(&self.device, change, clock::now()).await {
            Ok(()) => {
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

    fn deadline(&self) -> Option<Duration> {
        [self.client.poll_timeout(), self.retry]
            .into_iter()
            .flatten()
            .min()
    }

    /// Opens the socket the machine listens on and closes the other.
    fn open_sockets(&mut self) {
        let listen = self.client.listen();
        if listen != Listen::Link {
            self.link_socket = None;
        } else if self.link_socket.is_none() {
            self.link_socket = LinkSocket::open(self.device.index)
                .inspect_err(|error| {
                    warn!("{}: opening a packet socket: {error}", self.device.name)
                })
                .ok();
        }
        if listen != Listen::Port {
            self.port_socket = None;
        } else if self.port_socket.is_none() {
            self.port_socket = PortSocket::open(&self.device.name)
                .inspect_err(|error| warn!("{}: opening port 68: {error}", self.device.name))
                .ok();
        }
    }

    async fn send(&self, transmit: &Transmit) -> io::Result<()> {
        let none = || io::Error::from(io::ErrorKind::NotConnected);
        match transmit.to {
            Destination::Broadcast { source } => {
                let packet = packet::wrap(source, Ipv4Addr::BROADCAST, &transmit.bytes);
                self.link_socket.as_ref().ok_or_else(none)?.send(&packet)
            }
            Destination::Server { server } => {
                let socket = self.port_socket.as_ref().ok_or_else(none)?;
                socket.send(server, &transmit.bytes).await
            }
        }
    }

    async fn is_missing(&self, address: Ipv4Addr) -> bool {
        self.links.addresses().await.is_ok_and(|all| {
            !all.iter()
                .any(|a| a.index == self.device.index && a.address == address)
        })
    }
}

async fn next_packet(socket: Option<&LinkSocket>) -> io::Result<(Vec<u8>, Checksum)> {
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
