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
    ///
    /// What others have come to rely on stays for as long as they do: it goes when
    /// they fail, too.
    pub(super) async fn undo(&mut self, undo: Undo, reply: &Reply) {
        let newest = self.left.len();
        self.left.push(undo);
        // From the newest on: what a verb has made may be on what one before it has.
        for place in (0..=newest).rev() {
            let undo = self.left.remove(place);
            let Some(stays) = self.take_back(undo).await else {
                continue;
            };
            self.left.insert(place, stays);
            if place == newest {
                self.complain_of_left(place, reply);
            }
        }
    }

    fn complain_of_left(&self, place: usize, reply: &Reply) {
        for device in &self.left[place].created {
            let name = &device.name;
            match self.user_of(device) {
                Some(user) => reply.complain(format_args!("{name} stays: {user} needs it")),
                None => reply.complain(format_args!("{name} stays: it is in use")),
            }
        }
    }

    /// Takes back what nobody needs; the rest, if there is any.
    async fn take_back(&mut self, undo: Undo) -> Option<Undo> {
        if let Some(address) = &undo.address {
            log(self.links.remove_address(address).await);
        }
        if let Some(entry) = &undo.noted {
            self.journal.forget_p2p(entry);
        }
        let mut kept: Vec<Device> = Vec::new();
        for device in undo.created.into_iter().rev() {
            let is_below = kept.iter().any(|upper| upper.lower == Some(device.index));
            if is_below || self.is_used(&device) {
                kept.insert(0, device);
            } else {
                log(self.links.remove(&device).await);
            }
        }
        let mut carriers = Vec::new();
        for (before, new) in undo.touched.into_iter().rev() {
            if self.carries(&before, &kept).await {
                carriers.insert(0, (before, new));
            } else {
                self.put_back(&before, new, undo.mtu).await;
            }
        }
        let mut shrunk = undo.shrunk;
        // Those are not larger than what carries them.
        if carriers.is_empty() {
            for device in shrunk.drain(..) {
                log(self.links.set_mtu(&device, device.mtu).await);
            }
        }
        let handover = Handover {
            new: self.give_back(undo.handover.new).await,
            remarks: Vec::new(),
        };
        (!kept.is_empty()).then(|| Undo {
            created: kept,
            touched: carriers,
            mtu: undo.mtu,
            shrunk,
            handover,
            ..self.undo_log()
        })
    }

    /// Somebody has removed a link by hand: what was below it stays until cleanup, as it
    /// does below any other.
    pub(super) fn forget_left(&mut self, index: u32) {
        for undo in &mut self.left {
            undo.created.retain(|device| device.index != index);
        }
        self.left.retain(|undo| !undo.created.is_empty());
    }

    /// Whether a link is a member, or the lower device, of one of `uppers`.
    async fn carries(&self, link: &Before, uppers: &[Device]) -> bool {
        let Ok(Some(device)) = self.links.device(&link.name).await else {
            return false;
        };
        let is_on = |upper: &Device| {
            device.master == Some(upper.index) || upper.lower == Some(device.index)
        };
        uppers.iter().any(is_on)
    }

    /// Gives a link back what a verb has changed of it, the MTU that is `set` perhaps;
    /// `new` is whether the journal knows it by that verb only.
    async fn put_back(&mut self, before: &Before, new: bool, set: Option<u32>) {
        match self.links.device(&before.name).await {
            // Of another bond than ours, which is gone.
            Ok(Some(device)) if device.master.is_some() => {}
            Ok(Some(device)) if self.is_used(&device) => {
                // The link stays as the others need it; ours goes.
                if set == Some(device.mtu) && device.mtu != before.mtu {
                    log(self.links.set_mtu(&device, before.mtu).await);
                }
            }
            Ok(Some(device)) => {
                self.stop_counting_on(&device).await;
                // Nobody needs it any more, so it gets what it had before anybody did.
                let first = self.journal.before(&before.name).unwrap_or(before);
                log(self.links.restore(&device, first).await);
                self.journal.forget(&before.name);
            }
            Ok(None) if new => self.journal.forget(&before.name),
            Ok(None) => {}
            Err(error) => warn!("{error}"),
        }
    }

    /// Others may have their way with links again, but for those still in use, which
    /// are returned.
    async fn give_back(&self, links: Vec<String>) -> Vec<String> {
        let all = self.links.devices().await.unwrap_or_default();
        let is_used = |name: &String| {
            let device = all.iter().find(|device| device.name == *name);
            device.is_some_and(|device| self.is_used(device) || device.master.is_some())
        };
        let (used, free): (Vec<_>, Vec<_>) = links.into_iter().partition(is_used);
        self.host.give_back(&free).await;
        used
    }

    /// The link above `device` that a session is on, or that a failed verb has left.
    fn user_of(&self, device: &Device) -> Option<&str> {
        let leased = self.sessions.iter().map(|session| &session.device);
        let left = self.left.iter().flat_map(|undo| &undo.created);
        let mut uppers = leased.chain(left);
        let user = uppers.find(|upper| upper.lower == Some(device.index))?;
        Some(user.name.as_str())
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
