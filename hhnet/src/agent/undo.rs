// SPDX-License-Identifier: Apache-2.0
//! A verb that fails leaves the machine as it found it, except for what others
//! have come to rely on meanwhile.

use tracing::warn;

use super::{Agent, connection::Reply, steps::Steps};
use crate::{
    host::Handover,
    journal::{self, Before},
    link::{Address, Device, LinkError},
};

/// What a verb has done so far, in order, to be undone in reverse.
#[derive(Debug, Default)]
pub(super) struct Undo {
    pub(super) generation: u64,
    /// Links that were made. Removed by index, which is never given twice.
    pub(super) created: Vec<Device>,
    /// Links that were changed, as they were, and whether the journal had no
    /// entry of them before.
    pub(super) touched: Vec<(Before, bool)>,
    /// The MTU that was set on them, if any was.
    pub(super) mtu: Option<u32>,
    /// VLANs that the kernel has made smaller together with their parent.
    pub(super) shrunk: Vec<Device>,
    /// A point-to-point link that was written into the journal.
    pub(super) noted: Option<journal::P2p>,
    /// Its address, once that was added.
    pub(super) address: Option<Address>,
    /// Links that others were told to leave alone, and what the user should know
    /// of that.
    pub(super) handover: Handover,
    /// What it took.
    pub(super) steps: Steps,
}

impl Agent {
    pub(super) fn undo_log(&self) -> Undo {
        Undo {
            generation: self.generation,
            ..Undo::default()
        }
    }

    /// Takes back what a failed verb has done. Errors are only logged: the
    /// caller gets the reason of the failure, not of its aftermath.
    pub(super) async fn undo(&mut self, undo: Undo, reply: &Reply) {
        if let Some(address) = &undo.address {
            log(self.links.remove_address(address).await);
        }
        if let Some(entry) = &undo.noted {
            self.journal.forget_p2p(entry);
        }
        let mut kept = Vec::new();
        for device in undo.created.iter().rev() {
            match self.user_of(device) {
                Some(user) => {
                    reply.complain(format_args!("{} stays: {user} needs it", device.name));
                    kept.push(device.index);
                }
                None => log(self.links.remove(device).await),
            }
        }
        for (before, new) in undo.touched.iter().rev() {
            match self.links.device(&before.name).await {
                Ok(Some(device)) if device.master.is_some_and(|bond| kept.contains(&bond)) => {}
                Ok(Some(device)) if self.is_used(&device) => {
                    // The link stays as the others need it; ours goes.
                    if undo.mtu == Some(device.mtu) && device.mtu != before.mtu {
                        log(self.links.set_mtu(&device, before.mtu).await);
                    }
                }
                Ok(Some(device)) => {
                    self.stop_counting_on(&device).await;
                    log(self.links.restore(&device, before).await);
                    if *new {
                        self.journal.forget(&before.name);
                    }
                }
                Ok(None) if *new => self.journal.forget(&before.name),
                Ok(None) => {}
                Err(error) => warn!("{error}"),
            }
        }
        for device in &undo.shrunk {
            log(self.links.set_mtu(device, device.mtu).await);
        }
        self.give_back(undo.handover.new).await;
    }

    /// Others may have their way with links again, but for those still in use.
    async fn give_back(&self, mut links: Vec<String>) {
        let all = self.links.devices().await.unwrap_or_default();
        let is_used = |name: &String| {
            let device = all.iter().find(|device| device.name == *name);
            device.is_some_and(|device| self.is_used(device) || device.master.is_some())
        };
        links.retain(|name| !is_used(name));
        self.host.give_back(&links).await;
    }

    /// The interface of a session above `device`.
    fn user_of(&self, device: &Device) -> Option<&str> {
        let above = |s: &&crate::session::Session| s.device.lower == Some(device.index);
        let user = self.sessions.iter().find(above)?;
        Some(user.device.name.as_str())
    }

    /// Whether another verb's work depends on a link.
    pub(super) fn is_used(&self, device: &Device) -> bool {
        let leased = self.sessions.iter().any(|s| s.device.index == device.index);
        let p2p = self.journal.p2p.iter().any(|p| p.interface == device.name);
        leased || p2p || self.user_of(device).is_some()
    }
}

/// Logs what could not be undone.
pub(super) fn log(outcome: Result<(), LinkError>) {
    if let Err(error) = outcome {
        warn!("undoing: {error}");
    }
}
