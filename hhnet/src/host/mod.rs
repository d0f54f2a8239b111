// SPDX-License-Identifier: Apache-2.0
//! The rest of the machine: whoever else configures links, resolves names and
//! keeps the time. Each is told where it runs, and missed where it does not.
//!
//! ```text
//! apply             a lease's servers, to all who want to know them
//! bus               systemd's services, by D-Bus
//! networkd          leaves our links as they are, and tells when it is asked to
//!                   configure one anew
//! network_manager   leaves our links alone
//! resolved, resolv_conf   name servers
//! timesyncd         time servers
//! systemctl         systemd itself, where there is no bus
//! unit, sandbox     the agent as a service, and what that may do
//! ```

mod apply;
mod bus;
mod network_manager;
mod networkd;
pub mod resolv_conf;
mod resolved;
mod sandbox;
mod servers;
mod systemctl;
mod timesyncd;
pub mod unit;
mod wait;

use std::path::Path;

use tracing::info;

use self::{
    bus::{Bus, HostError, NETWORK_MANAGER, NETWORKD, Service},
    networkd::watch::Watch,
};
pub use self::{networkd::files::Role, servers::Servers};
use crate::link::Device;

/// There where systemd is the init (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// Something that others have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants a link to be configured from the beginning.
    Reconfigured {
        /// The link.
        index: u32,
    },
    /// A service has started, and knows nothing of what its predecessor was told.
    ServiceCame,
}

/// What has come of handing links over.
#[derive(Debug, Default)]
pub struct Handover {
    /// Links that nobody was told of before.
    pub new: Vec<String>,
    /// What the user should know.
    pub remarks: Vec<String>,
}

impl Handover {
    fn note(&mut self, outcome: Result<(), HostError>) {
        self.remarks.extend(outcome.err().map(warning));
    }
}

fn warning(reason: impl std::fmt::Display) -> String {
    format!("warning: {reason}")
}

/// Whoever else is at work on this machine.
#[derive(Debug, Clone)]
pub struct Host {
    bus: Option<Bus>,
    is_booted: bool,
    ntp: timesyncd::AllLinks,
}

impl Host {
    /// Looks around. A machine without systemd is fine.
    pub async fn find() -> Host {
        Host {
            bus: Bus::connect().await,
            is_booted: Path::new(BOOTED).is_dir(),
            ntp: timesyncd::AllLinks::default(),
        }
    }

    /// Tells what others do from now on; `settled` are links known for longer.
    pub async fn follow(&self, settled: &[u32], tell: impl Fn(Event) + Send + 'static) {
        let Some(bus) = &self.bus else { return };
        match Watch::begin(bus).await {
            Ok(mut watch) => {
                settled.iter().for_each(|index| watch.is_settled(*index));
                tokio::spawn(watch.follow(tell));
            }
            Err(error) => tracing::warn!("{error}"),
        }
    }

    async fn running(&self, service: &Service) -> Option<&Bus> {
        let bus = self.bus.as_ref()?;
        bus.has(service).await.then_some(bus)
    }

    /// Has others leave links alone, which may not exist yet: whoever takes every
    /// link he sees must know before he sees them.
    pub async fn take_over(&self, links: &[(&str, Role)]) -> Handover {
        let mut handover = Handover::default();
        let (plain, odd): (Vec<(&str, Role)>, Vec<_>) = links
            .iter()
            .partition(|(link, _)| networkd::files::is_plain(link));
        for (link, _) in odd {
            let reason = format!("{link}: a name that others cannot be told to leave alone");
            handover.remarks.push(warning(reason));
        }
        if self.is_booted {
            self.tell_networkd(&plain, &mut handover).await;
        }
        if let Some(bus) = self.running(&NETWORK_MANAGER).await {
            let names: Vec<&str> = plain.iter().map(|(link, _)| *link).collect();
            match network_manager::leave_alone(bus, &names).await {
                Ok(true) => {
                    let names = names.join(", ");
                    let remark = format!("NetworkManager leaves {names} alone until hhnet cleanup");
                    handover.remarks.push(remark);
                }
                Ok(false) => {}
                Err(error) => handover.note(Err(error)),
            }
        }
        handover
    }

    /// Files are written although networkd may not run: it may start later.
    async fn tell_networkd(&self, links: &[(&str, Role)], handover: &mut Handover) {
        for (link, role) in links {
            match networkd::write(link, *role) {
                Ok(true) => handover.new.push((*link).to_owned()),
                Ok(false) => {}
                // One line for what has one reason.
                Err(error) => return handover.note(Err(error)),
            }
        }
        if !handover.new.is_empty() {
            handover.note(self.reload_networkd().await);
        }
    }

    async fn reload_networkd(&self) -> Result<(), HostError> {
        match self.running(&NETWORKD).await {
            Some(bus) => networkd::reload(bus).await,
            None if self.has_no_bus() => networkd::reload_without_bus().await,
            None => Ok(()),
        }
    }

    /// Whether there is systemd, and no bus to ask it by.
    fn has_no_bus(&self) -> bool {
        self.bus.is_none() && self.is_booted
    }

    /// Gives links back that were taken over in vain.
    pub async fn give_back(&self, links: &[String]) {
        let mut any = false;
        for link in links {
            match networkd::remove(link) {
                Ok(removed) => any |= removed,
                Err(error) => tracing::warn!("{error}"),
            }
        }
        if any && let Err(error) = self.reload_networkd().await {
            tracing::warn!("{error}");
        }
    }

    /// Forgets everything that others were told of our links, before they are
    /// removed. Returns what could not be done.
    pub async fn forget_links(&self) -> Vec<String> {
        let failures = networkd::remove_all();
        let mut failures: Vec<String> = failures.iter().map(HostError::to_string).collect();
        match network_manager::remove() {
            Ok(true) => {
                if let Some(bus) = self.running(&NETWORK_MANAGER).await {
                    let reloaded = network_manager::reload(bus).await;
                    failures.extend(reloaded.err().map(|error| error.to_string()));
                }
            }
            Ok(false) => {}
            Err(error) => failures.push(error.to_string()),
        }
        failures
    }

    /// Gives networkd its ports back, once our links are gone: it reads its files
    /// again, and ports that somebody has set addresses on by hand are configured
    /// from the beginning, by which these go.
    ///
    /// The shell script restarts networkd for that, which takes longer, and takes
    /// addresses from links that are nobody's business, of dummy devices too.
    pub async fn hand_back(&self, ports: &[Device]) -> Vec<String> {
        let mut failures = Vec::new();
        if let Err(error) = self.reload_networkd().await {
            failures.push(error.to_string());
        }
        let Some(bus) = self.running(&NETWORKD).await else {
            return failures;
        };
        for port in ports {
            match networkd::clear_by_hand(bus, port.index).await {
                Ok(false) => {}
                Ok(true) => info!("{}: addresses set by hand are gone", port.name),
                // Of a port that is not networkd's.
                Err(error) => info!("{}: {error}", port.name),
            }
        }
        failures
    }
}
