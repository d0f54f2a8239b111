// SPDX-License-Identifier: Apache-2.0
//! The rest of the machine: whoever else configures links, resolves names and
//! keeps the time. Each is told where it runs, and missed where it does not.
//!
//! ```text
//! bus               systemd's services, by D-Bus
//! networkd          leaves our links as they are, and tells when it is asked to
//!                   configure one anew
//! network_manager   leaves our links alone
//! resolved, resolv_conf   name servers
//! timesyncd         time servers
//! ```

mod bus;
mod network_manager;
mod networkd;
pub mod resolv_conf;
mod resolved;
mod servers;
mod timesyncd;
mod wait;

use std::{path::Path, time::Duration};

use tracing::{debug, info};

use self::{
    bus::{Bus, HostError, NETWORK_MANAGER, NETWORKD, RESOLVED, Service, TIMESYNCD},
    networkd::watch::Watch,
    wait::Looks,
};
pub use self::{networkd::files::Role, servers::Servers};
use crate::link::Device;

/// There where systemd is the init (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";
/// How long networkd may take to know a link that has just been made.
const ACQUAINTANCE: Duration = Duration::from_secs(1);

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
        if !handover.new.is_empty()
            && let Some(bus) = self.running(&NETWORKD).await
        {
            handover.note(networkd::reload(bus).await);
        }
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
        if any
            && let Some(bus) = self.running(&NETWORKD).await
            && let Err(error) = networkd::reload(bus).await
        {
            tracing::warn!("{error}");
        }
    }

    /// Forgets everything that others were told of our links, before they are
    /// removed. Returns what could not be done.
    pub async fn forget_links(&self) -> Vec<String> {
        let (_, failures) = networkd::remove_all();
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

    /// Has networkd begin from the beginning, once our links are gone: as the
    /// shell script does, and for the same reason. Ports come up again, and lose
    /// what was set on them by hand.
    pub async fn restart_networkd(&self) -> Option<String> {
        let bus = self.running(&NETWORKD).await?;
        let error = networkd::restart(bus).await.err()?;
        // Better than nothing: at least it reads its files again.
        let reloaded = networkd::reload(bus).await;
        Some(reloaded.err().unwrap_or(error).to_string())
    }

    /// Puts the servers of a lease in force. All who want to know them know them
    /// when this returns, or are too slow. Returns what the user should know.
    pub async fn set_servers(&self, device: &Device, servers: &Servers) -> Vec<String> {
        let index = i32::try_from(device.index).unwrap_or_default();
        let networkd = self.running(&NETWORKD).await;
        let mut remarks = Vec::new();
        if let Some(bus) = networkd {
            let told = self.introduce(bus, index, servers).await;
            remarks.extend(told.err().map(warning));
        }
        let (names, time) = tokio::join!(
            self.set_name_servers(device, index, servers, networkd.is_some()),
            self.set_time_servers(device.index, servers, networkd.is_some()),
        );
        remarks.extend(names.into_iter().chain(time).map(warning));
        remarks
    }

    async fn introduce(&self, bus: &Bus, index: i32, servers: &Servers) -> Result<(), HostError> {
        let mut looks = Looks::within(ACQUAINTANCE);
        let mut outcome = Ok(());
        while looks.again().await {
            outcome = networkd::set_servers(bus, index, servers).await;
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    async fn set_name_servers(
        &self,
        device: &Device,
        index: i32,
        servers: &Servers,
        by_networkd: bool,
    ) -> Option<String> {
        let at = |reason: String| format!("{}: name servers: {reason}", device.name);
        let resolved = self.running(&RESOLVED).await;
        if let Some(bus) = resolved {
            match servers.dns.first() {
                Some(first) if by_networkd => {
                    if !resolved::heard_of(*first).await {
                        info!("{}", at("systemd-resolved has not heard of them".into()));
                    }
                }
                _ if by_networkd => {}
                _ => {
                    if let Err(error) = resolved::set(bus, index, servers).await {
                        return Some(at(error.to_string()));
                    }
                }
            }
        }
        match resolv_conf::set(&device.name, Some(servers)) {
            Err(error) => Some(at(error.to_string())),
            Ok(Some(link)) if resolved.is_none() && !servers.dns.is_empty() => Some(at(format!(
                "set nowhere: {link}, and systemd-resolved does not run"
            ))),
            Ok(_) => None,
        }
    }

    async fn set_time_servers(
        &self,
        index: u32,
        servers: &Servers,
        by_networkd: bool,
    ) -> Option<String> {
        let bus = self.running(&TIMESYNCD).await?;
        if by_networkd {
            if let Some(first) = servers.ntp.first()
                && !timesyncd::heard_of(bus, *first).await
            {
                info!("systemd-timesyncd has not heard of {first}");
            }
            return None;
        }
        let all = self.ntp.change(index, servers.ntp_on_bus());
        timesyncd::set(bus, &all)
            .await
            .err()
            .map(|error| error.to_string())
    }

    /// Takes the servers of a link back; one that is gone has taken them along.
    pub async fn revert_servers(&self, name: &str, index: u32) -> Option<String> {
        let id = i32::try_from(index).unwrap_or_default();
        if let Some(bus) = self.running(&NETWORKD).await {
            log(networkd::revert_servers(bus, id).await);
        } else {
            if let Some(bus) = self.running(&RESOLVED).await {
                log(resolved::revert(bus, id).await);
            }
            if self.ntp.has(index)
                && let Some(bus) = self.running(&TIMESYNCD).await
            {
                log(timesyncd::set(bus, &self.ntp.change(index, Vec::new())).await);
            }
        }
        let file = resolv_conf::set(name, None);
        file.err()
            .map(|error| format!("{name}: name servers: {error}"))
    }
}

fn log(outcome: Result<(), HostError>) {
    if let Err(error) = outcome {
        debug!("taking servers back: {error}");
    }
}
