// SPDX-License-Identifier: Apache-2.0
//! The task of a session: everything the machine wants done in the world.

use std::{io, net::Ipv4Addr, time::Duration};

use tokio::sync::{broadcast, mpsc, watch};
use tracing::{debug, info, warn};

use super::{
    News, Order, Report, Settings,
    record::Record,
    sockets::{Arrival, Sockets},
};
use crate::{
    clock::{self, BootTimer},
    dhcp::{
        arp::Arp,
        client::{Client, Destination, Event, Transmit},
        lease::Lease,
        packet, reply,
    },
    host::{Host, Servers},
    link::{Device, Links},
};

pub(super) struct Driver {
    pub(super) links: Links,
    pub(super) host: Host,
    pub(super) device: Device,
    pub(super) settings: Settings,
    pub(super) client: Client,
    pub(super) link_up: bool,
    pub(super) sockets: Sockets,
    timer: BootTimer,
    /// The lease whose address, routes and MTU are in force.
    pub(super) applied: Option<Lease>,
    /// The servers that others were told of, and what came of it.
    pub(super) told: Option<(Servers, Vec<String>)>,
    /// Somebody may have changed what is in force: set all of it again.
    pub(super) stale: bool,
    /// When to apply the lease again, after a failure.
    pub(super) retry: Option<Duration>,
    /// Why the kernel refused it, so that it is said once.
    pub(super) refusal: Option<String>,
    /// The MTU of the interface without a lease.
    pub(super) own_mtu: u32,
    report: watch::Sender<Report>,
    news: broadcast::Sender<News>,
}

/// What a session waits for.
enum Happening {
    Order(Option<Order>),
    Arrival(io::Result<Arrival>),
    Timeout(io::Result<()>),
}

impl Driver {
    pub(super) fn new(
        (links, host): (Links, Host),
        device: Device,
        settings: Settings,
        client: Client,
        held: Option<Record>,
        (report, news): (watch::Sender<Report>, broadcast::Sender<News>),
    ) -> io::Result<Driver> {
        let neighbor = held.as_ref().and_then(|held| held.neighbor);
        Ok(Driver {
            links,
            host,
            sockets: Sockets::new(device.clone(), neighbor),
            own_mtu: held.as_ref().map_or(device.mtu, |held| held.mtu),
            device,
            settings,
            client,
            link_up: false,
            timer: BootTimer::new()?,
            // Set by the agent before this one, or half of it.
            stale: held.is_some(),
            applied: held.map(|held| held.lease),
            told: None,
            retry: None,
            refusal: None,
            report,
            news,
        })
    }

    pub(super) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        loop {
            self.settle().await;
            let deadline = self.deadline();
            let happening = tokio::select! {
                order = orders.recv() => Happening::Order(order),
                arrival = self.sockets.next() => Happening::Arrival(arrival),
                timeout = self.timer.until(deadline) => Happening::Timeout(timeout),
            };
            match happening {
                Happening::Order(None) => return,
                Happening::Order(Some(Order::End)) => return self.end().await,
                Happening::Order(Some(order)) => self.obey(order).await,
                Happening::Arrival(Ok(arrival)) => {
                    if self.sockets.is_new(&arrival) {
                        self.hear(&arrival);
                    }
                }
                Happening::Arrival(Err(error)) => {
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
            Order::Renamed(name) => self.rename(name).await,
            Order::PathChanged => self.client.handle_path_change(clock::now()),
            Order::AddressGone(address) => {
                let ours = |lease: &Lease| lease.prefix.address == address;
                if self.applied.as_ref().is_some_and(ours) && self.is_missing(address).await {
                    self.put_back(&address);
                }
            }
            Order::RouteGone(to) => {
                let ours = |lease: &Lease| lease.routes.iter().any(|route| route.to == to);
                if self.applied.as_ref().is_some_and(ours) && self.lacks_routes().await {
                    self.put_back(&format_args!("the route to {to}"));
                }
            }
            Order::StartAnew => {
                info!("{}: to be configured anew", self.device.name);
                self.give_back();
                self.client.start_anew(clock::now());
            }
            Order::TellServers => {
                self.told = None;
                if let Some(lease) = self.applied.clone() {
                    self.tell_servers(&lease).await;
                }
            }
            Order::End => {}
        }
    }

    fn hear(&mut self, arrival: &Arrival) {
        match arrival {
            Arrival::Packet(packet) => match packet::unwrap(&packet.bytes, packet.checksum) {
                Ok((_, message)) => {
                    if self.hear_message(message) {
                        self.sockets.neighbor = packet.from;
                    }
                }
                Err(reason) => self.client.note_drop(reason.into()),
            },
            Arrival::Message(message) => {
                self.hear_message(message);
            }
            Arrival::Arp(bytes) => {
                if let Some(arp) = Arp::decode(bytes) {
                    self.client.handle_arp(&arp, clock::now());
                }
            }
        }
    }

    /// Whether it was the server of our lease that spoke.
    fn hear_message(&mut self, bytes: &[u8]) -> bool {
        match reply::decode(bytes, self.client.identity()) {
            Ok(reply) => {
                let (kind, yiaddr, server) = (reply.kind, reply.yiaddr, reply.server());
                let heard = self.answers();
                self.client.handle_reply(&reply, clock::now());
                // What was of no use, as a flood of it may be, is only counted.
                if self.answers() > heard {
                    let (name, server) = (&self.device.name, reply.server());
                    let server = server.unwrap_or(Ipv4Addr::UNSPECIFIED);
                    info!("{name}: {kind} of {yiaddr} from {server}");
                    self.publish(News::Heard {
                        kind,
                        address: yiaddr,
                        server,
                    });
                }
                let lease = self.client.lease();
                lease.is_some_and(|lease| Some(lease.server) == server)
            }
            Err(reason) => {
                self.client.note_drop(reason.into());
                false
            }
        }
    }

    /// How many messages of servers were of use.
    fn answers(&self) -> u64 {
        let counters = self.client.counters();
        counters.offers + counters.acks + counters.naks
    }

    /// Does everything the machine wants done, then shows the outcome.
    async fn settle(&mut self) {
        while let Some(event) = self.client.poll_event() {
            self.tell(&event);
            self.retry = None;
        }
        while let Some(reason) = self.client.poll_first_drop() {
            let name = &self.device.name;
            info!("{name}: a packet was dropped, further ones silently: {reason}");
            self.publish(News::Dropped(reason));
        }
        if self.retry.is_none_or(|retry| retry <= clock::now()) {
            self.apply_lease().await;
        }
        if self.applied.is_some() && self.applied.as_ref() == self.client.lease() {
            self.client.handle_applied(clock::now());
        }
        // First of all the news: a command may wait for it.
        self.report.send_replace(Report {
            state: self.client.state(),
            lease: self.applied.clone(),
            counters: self.client.counters().clone(),
            milestones: *self.client.milestones(),
            remarks: self
                .told
                .iter()
                .flat_map(|(_, said)| said.clone())
                .collect(),
        });
        self.sockets.follow(&self.client);
        while let Some(transmit) = self.client.poll_transmit() {
            info!("{}: {} sent", self.device.name, transmit.what);
            self.publish(News::Sent(transmit.what));
            if let Err(error) = self.sockets.send(&transmit, self.client.lease()).await {
                debug!("{}: sending: {error}", self.device.name);
            }
        }
    }

    /// Tells who waits for the lease; mostly nobody does.
    fn publish(&self, news: News) {
        let _ = self.news.send(news);
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

    fn deadline(&self) -> Option<Duration> {
        [self.client.poll_timeout(), self.retry]
            .into_iter()
            .flatten()
            .min()
    }

    /// Gives the lease back and takes away what it has set.
    async fn end(mut self) {
        self.give_back();
        if let Err(error) = self.change_to(None).await {
            warn!("{}: {error}", self.device.name);
        }
        self.tell_host(None).await;
    }

    /// Tells the server that the lease is not needed any more. The message goes
    /// past the routing table, because nothing waits for ARP any more.
    fn give_back(&mut self) {
        let lease = self.client.lease().cloned();
        self.client.release(clock::now());
        while let Some(Transmit { to, bytes, .. }) = self.client.poll_transmit() {
            if let Destination::Server { server } = to
                && let Err(error) = self
                    .sockets
                    .send_past_routes(server, &bytes, lease.as_ref())
            {
                debug!("{}: releasing: {error}", self.device.name);
            }
        }
    }
}
