// SPDX-License-Identifier: Apache-2.0
//! Programs on links, and where they are.

use aya::maps::Array;
use hhnet_ebpf::{
    member::{MAX_INTERFACES, MAX_MEMBERS},
    names,
};
use tracing::info;

use super::{
    Mode, Programs, Wanted, XdpError,
    hook::{self, Hook},
    report::Direction,
};

/// A program on a link; dropping it takes the program off.
#[derive(Debug)]
pub struct Attachment {
    /// The interface.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// Which frames it counts.
    pub direction: Direction,
    /// The mode that worked.
    pub mode: Mode,
    /// Why not one that was tried before.
    pub fallback_reason: Option<String>,
    hook: Hook,
}

/// The interface a member slot stands for. Slots are never given to another
/// interface, so that flows keep the name they were counted under.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) ifindex: u32,
}

impl Programs {
    /// Starts counting what `name`, interface number `ifindex`, receives. Does
    /// nothing if that is done already.
    ///
    /// # Errors
    /// If the driver (or a program of somebody else's) does not let us attach in
    /// the wanted mode, or after [`MAX_MEMBERS`] different interfaces.
    pub fn attach(&mut self, name: &str, ifindex: u32, wanted: Wanted) -> Result<Mode, XdpError> {
        let step = format!("attaching the XDP program to {name}");
        self.attach_to((name, ifindex), Direction::In, wanted)
            .map_err(|reason| XdpError::because(step, reason))
    }

    /// Starts counting what the interface sends. Does nothing if that is done
    /// already.
    ///
    /// # Errors
    /// If the kernel has neither tcx nor a clsact on the interface, or as for
    /// [`attach`](Self::attach).
    pub fn attach_egress(
        &mut self,
        name: &str,
        ifindex: u32,
        wanted: Wanted,
    ) -> Result<Mode, XdpError> {
        let step = format!("attaching the classifier of sent frames to {name}");
        self.attach_to((name, ifindex), Direction::Out, wanted)
            .map_err(|reason| XdpError::because(step, reason))
    }

    fn attach_to(
        &mut self,
        link: (&str, u32),
        direction: Direction,
        wanted: Wanted,
    ) -> Result<Mode, String> {
        let (name, ifindex) = link;
        let same = |a: &&Attachment| (a.ifindex, a.direction) == (ifindex, direction);
        if let Some(attachment) = self.attachments.iter().find(same) {
            return Ok(attachment.mode);
        }
        let slot = self.slot_of(name, ifindex)?;
        let set = |error: XdpError| error.to_string();
        self.set_slot(ifindex, slot + 1).map_err(set)?;
        match self.climb(link, direction, wanted) {
            Ok((mode, hook, fallback_reason)) => {
                let reason = fallback_reason.as_deref();
                info!(interface = name, %direction, %mode, reason, "program attached");
                self.attachments.push(Attachment {
                    name: name.to_owned(),
                    ifindex,
                    direction,
                    mode,
                    fallback_reason,
                    hook,
                });
                Ok(mode)
            }
            Err(reason) => {
                if !self.attachments.iter().any(|a| a.ifindex == ifindex) {
                    self.set_slot(ifindex, 0).map_err(set)?;
                }
                Err(reason)
            }
        }
    }

    /// Tries one mode after the other; with the one that worked comes why the
    /// others did not.
    fn climb(
        &mut self,
        link: (&str, u32),
        direction: Direction,
        wanted: Wanted,
    ) -> Result<(Mode, Hook, Option<String>), String> {
        let mut refused: Vec<(Mode, String)> = Vec::new();
        for &mode in wanted.ladder(direction) {
            match hook::put(&mut self.ebpf, link, direction, mode) {
                Ok(hook) => {
                    return Ok((mode, hook, (!refused.is_empty()).then(|| why(&refused))));
                }
                Err(reason) => refused.push((mode, reason)),
            }
        }
        Err(why(&refused))
    }

    /// Takes the programs off the interface. What they counted stays readable.
    ///
    /// # Errors
    /// If no program of ours is on it, or the kernel refuses.
    pub fn detach(&mut self, ifindex: u32) -> Result<(), XdpError> {
        let ours = |attachment: &mut Attachment| attachment.ifindex == ifindex;
        let detached: Vec<_> = self.attachments.extract_if(.., ours).collect();
        let Some(Attachment { name, .. }) = detached.first() else {
            let step = format!("detaching the XDP program from interface {ifindex}");
            return Err(XdpError::because(step, "none attached by this process"));
        };
        info!(interface = name, "programs detached");
        detached.into_iter().for_each(|a| drop(a.hook));
        self.set_slot(ifindex, 0)
    }

    /// Takes all programs off, last attached first, going on after errors.
    pub fn detach_all(&mut self) -> Vec<XdpError> {
        let mut failures = Vec::new();
        while let Some(last) = self.attachments.last() {
            failures.extend(self.detach(last.ifindex).err());
        }
        failures
    }

    /// Where programs are attached, in the order of attaching.
    pub fn attachments(&self) -> impl Iterator<Item = &Attachment> {
        self.attachments.iter()
    }

    fn slot_of(&mut self, name: &str, ifindex: u32) -> Result<u32, String> {
        if ifindex >= MAX_INTERFACES {
            return Err(format!(
                "interface index {ifindex} is not below {MAX_INTERFACES}"
            ));
        }
        let slot = Slot {
            name: name.to_owned(),
            ifindex,
        };
        if let Some(position) = self.slots.iter().position(|s| *s == slot) {
            return Ok(position as u32);
        }
        if self.slots.len() >= MAX_MEMBERS as usize {
            return Err(format!("{MAX_MEMBERS} interfaces were counted already"));
        }
        self.slots.push(slot);
        Ok(self.slots.len() as u32 - 1)
    }

    fn set_slot(&mut self, ifindex: u32, value: u32) -> Result<(), XdpError> {
        let name = names::SLOT_OF_INTERFACE;
        let map = self
            .ebpf
            .map_mut(name)
            .ok_or_else(|| XdpError::missing("map", name))?;
        Array::<_, u32>::try_from(map)
            .and_then(|mut slots| slots.set(ifindex, value, 0))
            .map_err(|error| XdpError::new(format!("writing eBPF map {name}"), &error))
    }
}

/// Refusals in one line; a single one needs no name.
fn why(refused: &[(Mode, String)]) -> String {
    match refused {
        [(_, reason)] => reason.clone(),
        several => {
            let each = several
                .iter()
                .map(|(mode, reason)| format!("{mode}: {reason}"));
            each.collect::<Vec<_>>().join("; ")
        }
    }
}
