// SPDX-License-Identifier: Apache-2.0
//! Member slots: small numbers that stand for interfaces in the maps.

use std::sync::PoisonError;

use aya::{
    Pod,
    maps::{MapError, PerCpuArray, PerCpuValues},
    util::nr_cpus,
};
use hhnet_ebpf::{
    copies::CopyCounters,
    member::{self, MAX_INTERFACES, MAX_MEMBERS, MemberCounters},
    names,
};
use tracing::info;

use super::{Programs, XdpError, evicted};

/// The interface a member slot stands for. It keeps its slot after its programs
/// were taken off, so that flows keep the name they were counted under, until
/// another interface needs one and all are taken.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) ifindex: u32,
    /// Grows with each interface that is left.
    pub(super) left: u64,
    /// For each slot, how many of the frames that came here again had come first
    /// to an interface that had that slot before.
    pub(super) earlier_originals: [u64; MAX_MEMBERS as usize],
}

impl Programs {
    /// The slot of an interface: its own, a new one, or that of the interface
    /// that was left longest ago, of which nothing is known from then on.
    pub(super) fn slot_of(&mut self, name: &str, ifindex: u32) -> Result<u8, String> {
        if ifindex >= MAX_INTERFACES {
            return Err(format!(
                "interface index {ifindex} is not below {MAX_INTERFACES}"
            ));
        }
        let same = |s: &Slot| s.ifindex == ifindex && s.name == name;
        if let Some(position) = self.slots.iter().position(same) {
            return Ok(position as u8);
        }
        let slot = Slot {
            name: name.to_owned(),
            ifindex,
            left: 0,
            earlier_originals: [0; MAX_MEMBERS as usize],
        };
        if self.slots.len() < MAX_MEMBERS as usize {
            self.slots.push(slot);
            return Ok((self.slots.len() - 1) as u8);
        }
        let number = self.oldest_left();
        let number = number.ok_or_else(|| format!("{MAX_MEMBERS} interfaces are counted"))?;
        self.forget(number).map_err(|error| error.to_string())?;
        let old = std::mem::replace(&mut self.slots[usize::from(number)], slot);
        info!(interface = name, "counted in the place of {}", old.name);
        Ok(number)
    }

    /// Goes on counting on an interface under another name.
    pub fn rename(&mut self, ifindex: u32, name: &str) {
        let slots = self.slots.iter_mut().filter(|s| s.ifindex == ifindex);
        slots.for_each(|slot| name.clone_into(&mut slot.name));
        let attached = self.attachments.iter_mut();
        let attached = attached.filter(|a| a.ifindex == ifindex);
        attached.for_each(|attachment| name.clone_into(&mut attachment.name));
    }

    /// Remembers which interface was left last.
    pub(super) fn leave(&mut self, ifindex: u32) {
        let latest = self.slots.iter().map(|slot| slot.left).max();
        let these = self.slots.iter_mut().filter(|s| s.ifindex == ifindex);
        these.for_each(|slot| slot.left = latest.unwrap_or_default() + 1);
    }

    fn oldest_left(&self) -> Option<u8> {
        let is_left = |slot: &Slot| !self.attachments.iter().any(|a| a.ifindex == slot.ifindex);
        let slots = self.slots.iter().enumerate();
        let left = slots.filter(|(_, slot)| is_left(slot));
        let oldest = left.min_by_key(|(_, slot)| slot.left);
        oldest.map(|(number, _)| number as u8)
    }

    /// Forgets all that was counted in a slot that no program counts in.
    fn forget(&mut self, slot: u8) -> Result<(), XdpError> {
        self.flows_v4.disown(&self.ebpf, slot)?;
        self.flows_v6.disown(&self.ebpf, slot)?;
        // What made room before that is in the ring, which this reads.
        evicted::lock(&self.evicted).archive.forget(slot);
        for is_egress in [false, true] {
            let index = member::counters(slot, is_egress);
            self.zero::<MemberCounters>(names::MEMBERS, index)?;
        }
        self.zero::<CopyCounters>(names::COPIES, slot.into())?;
        self.set_originals_aside(slot)?;
        let mut examples = self.examples.lock().unwrap_or_else(PoisonError::into_inner);
        examples.forget(slot);
        drop(examples);
        let inactive = self.inactive & !(1 << slot);
        self.set(names::INACTIVE, 0, inactive)?;
        self.inactive = inactive;
        Ok(())
    }

    /// What other members have counted of frames that came first to the interface
    /// of a slot: set aside rather than set to zero, because they go on counting.
    fn set_originals_aside(&mut self, slot: u8) -> Result<(), XdpError> {
        let originals = {
            let counters = self.per_cpu::<CopyCounters>(names::COPIES)?;
            let of = |number| -> Result<u64, XdpError> {
                let cpus = counters(number)?;
                Ok(cpus
                    .iter()
                    .map(|cpu| cpu.originals[usize::from(slot)])
                    .sum())
            };
            let members = 0..self.slots.len() as u32;
            members.map(of).collect::<Result<Vec<_>, _>>()?
        };
        for (other, originals) in self.slots.iter_mut().zip(originals) {
            other.earlier_originals[usize::from(slot)] = originals;
        }
        Ok(())
    }

    fn zero<V: Pod + Default>(&mut self, name: &str, index: u32) -> Result<(), XdpError> {
        let map = self
            .ebpf
            .map_mut(name)
            .ok_or_else(|| XdpError::missing("map", name))?;
        let failed = |error: MapError| XdpError::new(format!("writing eBPF map {name}"), &error);
        let cpus = nr_cpus();
        let cpus =
            cpus.map_err(|(path, error)| XdpError::new(format!("reading {path}"), &error))?;
        let zeros = PerCpuValues::try_from(vec![V::default(); cpus]);
        let zeros = zeros.map_err(|error| failed(error.into()))?;
        let mut array = PerCpuArray::<_, V>::try_from(map).map_err(failed)?;
        array.set(index, zeros, 0).map_err(failed)
    }
}
