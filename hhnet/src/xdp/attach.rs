// SPDX-License-Identifier: Apache-2.0
//! Programs on links, and where they are.

use aya::{Pod, maps::Array};
use hhnet_ebpf::{member::Interface, names};
use tracing::info;

use super::{
    Mode, Programs, Wanted, XdpError,
    hook::{self, Hook},
    report::Direction,
};
use crate::fault;

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

/// What tells copies of a frame that an interface gets from others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Situation {
    /// Its MAC address: frames from it are our own, sent back.
    pub mac: Option<[u8; 6]>,
    /// Whether bonding does not use it now, and drops what it receives.
    pub is_inactive: bool,
}

impl Programs {
    /// Starts counting what `name`, interface number `ifindex`, receives. Does
    /// nothing if that is done already.
    ///
    /// # Errors
    /// If the driver (or a program of somebody else's) does not let us attach in
    /// the wanted mode, or if as many interfaces are counted as there are slots for.
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
        if !self.attachments.iter().any(|a| a.ifindex == ifindex) {
            self.set_interface(ifindex, Interface::new(slot, None))
                .map_err(set)?;
        }
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
                    self.set_interface(ifindex, Interface::NONE).map_err(set)?;
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
            fault::step("attaching a program");
            match hook::put(&mut self.ebpf, link, direction, mode) {
                Ok(hook) => {
                    return Ok((mode, hook, (!refused.is_empty()).then(|| why(&refused))));
                }
                Err(reason) => refused.push((mode, reason)),
            }
        }
        Err(why(&refused))
    }

    /// Takes the programs off the interface. What they counted stays readable, until
    /// another interface takes its place.
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
        fault::step("detaching programs");
        self.leave(ifindex);
        detached.into_iter().for_each(|a| drop(a.hook));
        self.set_interface(ifindex, Interface::NONE)
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

    fn set_interface(&mut self, ifindex: u32, value: Interface) -> Result<(), XdpError> {
        self.set(names::INTERFACES, ifindex, value.0)
    }

    /// Tells the programs in what situation an interface is. Does nothing if it has
    /// none of them.
    ///
    /// # Errors
    /// If the kernel refuses to change a map.
    pub fn set_situation(&mut self, ifindex: u32, situation: Situation) -> Result<(), XdpError> {
        let has_program = self.attachments.iter().any(|a| a.ifindex == ifindex);
        let slot = self.slots.iter().position(|slot| slot.ifindex == ifindex);
        let (true, Some(slot)) = (has_program, slot) else {
            return Ok(());
        };
        self.set_interface(ifindex, Interface::new(slot as u8, situation.mac))?;
        let bit = 1 << slot;
        let inactive = if situation.is_inactive {
            self.inactive | bit
        } else {
            self.inactive & !bit
        };
        if inactive != self.inactive {
            self.set(names::INACTIVE, 0, inactive)?;
            self.inactive = inactive;
        }
        Ok(())
    }

    pub(super) fn set<V: Pod>(&mut self, name: &str, index: u32, value: V) -> Result<(), XdpError> {
        let map = self
            .ebpf
            .map_mut(name)
            .ok_or_else(|| XdpError::missing("map", name))?;
        Array::<_, V>::try_from(map)
            .and_then(|mut array| array.set(index, value, 0))
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
