// SPDX-License-Identifier: Apache-2.0
//! One leased interface: the DHCP machine between its sockets, its timer and
//! the kernel. A session is a task; the agent speaks to it by [`Order`]s and
//! looks at its [`Report`].
//!
//! ```text
//! identity   who we are to servers
//! driver     the task: machine, timer and sockets
//! news       what has passed on the wire, for who waits
//! enforce    kernel and host made to agree with the machine
//! sockets    the open ones
//! apply      a lease -> address, routes, MTU
//! record     the lease on disk, for the next agent if this one is killed
//! ```

mod apply;
mod driver;
mod enforce;
mod identity;
mod news;
pub mod record;
mod sockets;

use std::{fmt, io, net::Ipv4Addr, time::Duration};

use rand::TryRngCore;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{broadcast, mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

pub use self::news::News;
use self::{driver::Driver, record::Record};
use crate::{
    cli::{ClientId, Exposure, LeaseFlags, Prefix, Xdp},
    clock,
    dhcp::{
        client::{Client, Counters, Milestones},
        lease::Lease,
    },
    host::Host,
    link::{Address, Device, Links},
};

/// How long a session may take to end.
const PARTING: Duration = Duration::from_secs(1);

/// Forgets what is kept outside of an interface that is no longer leased: its
/// record, its name and time servers. The record goes last: whoever comes after an agent
/// that was killed meanwhile knows by it that there are servers.
pub async fn forget(host: &Host, interface: &str, index: u32) {
    if let Some(failure) = host.revert_servers(interface, index).await {
        tracing::warn!("{failure}");
    }
    record::forget(interface);
}

/// What the agent tells a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// The interface works, or does so no longer.
    Link {
        /// Administratively up, with carrier.
        up: bool,
    },
    /// The interface has another name.
    Renamed(String),
    /// A bond below has gained a usable member.
    PathChanged,
    /// An address was taken from the interface.
    AddressGone(Ipv4Addr),
    /// A leased route through the interface was taken away.
    RouteGone(Prefix),
    /// Somebody wants the interface to be configured from the beginning.
    StartAnew,
    /// Those who were told the lease's servers may have forgotten them.
    TellServers,
    /// Give the lease back, take away what it has set, and end.
    End,
}

/// How a session was asked to behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What identifies us to servers.
    pub client_id: ClientId,
    /// Whether addresses are probed for before they are used.
    pub arp_probe: bool,
    /// Programs on the devices below; kept here for the next agent.
    pub xdp: Xdp,
    /// Where metrics are served, if the command said so; kept likewise.
    #[serde(default)]
    pub metrics: Option<Exposure>,
}

impl From<&LeaseFlags> for Settings {
    fn from(flags: &LeaseFlags) -> Self {
        Settings {
            client_id: flags.client_id,
            arp_probe: flags.arp_probe,
            xdp: flags.xdp,
            metrics: flags.metrics,
        }
    }
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
    /// How long the way to the lease took, step by step.
    pub milestones: Milestones,
    /// What of the lease is not in force, for the user to know.
    pub remarks: Vec<String>,
}

/// Why there is no lease, in one line.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counters {
            discovers,
            offers,
            acks,
            naks,
            conflicts,
            dropped,
            ..
        } = &self.counters;
        write!(
            f,
            "{discovers} DISCOVERs sent, {offers} OFFERs, {acks} ACKs and {naks} NAKs received"
        )?;
        if *conflicts > 0 {
            write!(f, ", {conflicts} addresses in use by other machines")?;
        }
        for (reason, count) in dropped.iter().filter(|(_, count)| *count > 0) {
            write!(f, ", {count} ignored ({})", reason.replace('_', " "))?;
        }
        Ok(())
    }
}

/// A running session. Dropping it ends the task and leaves everything as it
/// is; [`Session::end`] takes it away.
pub struct Session {
    /// The interface as it was when the session began, but for its name.
    pub device: Device,
    /// When the session began, since boot.
    pub began: Duration,
    /// What it shows of itself, always the newest.
    pub report: watch::Receiver<Report>,
    news: broadcast::Sender<News>,
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
}

impl Session {
    /// Starts leasing an address for `device`; with a lease from an earlier
    /// agent, that one is confirmed first.
    ///
    /// # Errors
    /// When there is no timer, or the interface has no hardware address.
    pub fn start(
        links: Links,
        host: Host,
        device: Device,
        settings: Settings,
        held: Option<Record>,
    ) -> io::Result<Session> {
        let seed = rand::rngs::OsRng.try_next_u64().map_err(io::Error::other)?;
        let mut client = Client::new(identity::of(&device, settings.client_id)?, seed);
        if settings.arp_probe {
            client = client.with_probes();
        }
        if let Some(held) = &held {
            client = client.resume(held.lease.clone(), clock::now());
        }
        let (orders, inbox) = mpsc::unbounded_channel();
        let (sender, report) = watch::channel(Report::default());
        let (news, _) = broadcast::channel(news::KEPT);
        let world = (links, host);
        let told = (sender, news.clone());
        let driver = Driver::new(world, device.clone(), settings, client, held, told)?;
        let task = tokio::spawn(driver.run(inbox));
        let session = Session {
            report,
            news,
            orders,
            task,
            device,
            began: clock::now(),
        };
        session.order(Order::Link {
            up: session.device.up && session.device.carrier,
        });
        Ok(session)
    }

    /// What passes on the wire from now on.
    pub fn listen(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// Goes on with an interface that somebody has given another name.
    pub fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.device.name);
        self.order(Order::Renamed(name.to_owned()));
    }

    /// Tells the session something; one that has ended does not mind.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    /// Ends sessions: leases are given back to their servers, which nobody
    /// waits for, and addresses and routes removed.
    pub async fn end(sessions: Vec<Session>, links: &Links, host: &Host) {
        for session in &sessions {
            session.order(Order::End);
        }
        for mut session in sessions {
            if timeout(PARTING, &mut session.task).await.is_err() {
                session.abort(links, host).await;
            }
        }
    }

    /// Does what the session should have done: it may wait for somebody who does not hear
    /// of the lease's servers.
    async fn abort(&mut self, links: &Links, host: &Host) {
        self.task.abort();
        let _ = (&mut self.task).await;
        // Written down before anything of it is set.
        let mut records = record::load().into_iter();
        if let Some(record) = records.find(|record| record.index == self.device.index) {
            let address = Address::of(&self.device, record.lease.prefix);
            if let Err(error) = links.remove_address(&address).await {
                tracing::warn!("{error}");
            }
        }
        forget(host, &self.device.name, self.device.index).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
    }
}
