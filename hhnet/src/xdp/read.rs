// SPDX-License-Identifier: Apache-2.0
//! What was counted, from the maps.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use aya::{
    Pod,
    maps::{MapError, PerCpuArray, PerCpuValues},
};
use hhnet_ebpf::{
    flow::{Attributes, Counts},
    member::{self, MemberCounters},
    names,
};
use nix::time::{ClockId, clock_gettime};

use super::{
    Programs, XdpError,
    attach::Attachment,
    evicted::{self, Key, Unlisted},
    report::{Direction, Flow, Member, Transport},
    slots::Slot,
};

impl Programs {
    /// All flows: those in the tables, and those that had to make room and are
    /// still listed, in no order. One that is making room right now is missing.
    ///
    /// # Errors
    /// If a table or the clock cannot be read.
    pub fn flows(&self) -> Result<Vec<Flow>, XdpError> {
        let mut flows: HashMap<Key, Counts> = evicted::lock(&self.evicted).archive.flows.clone();
        for record in self.flows_v4.records(&self.ebpf)? {
            evicted::merge(
                flows.entry(Key::V4(record.key)).or_default(),
                &record.counts,
            );
        }
        for record in self.flows_v6.records(&self.ebpf)? {
            evicted::merge(
                flows.entry(Key::V6(record.key)).or_default(),
                &record.counts,
            );
        }
        // The clock of `bpf_ktime_get_ns`.
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC)
            .map_err(|error| XdpError::new("reading the clock", &error))?
            .into();
        Ok(flows
            .iter()
            .map(|(key, counts)| flow(&self.slots, key, counts, now))
            .collect())
    }

    /// What is in the tables, as it is: a flow that several CPUs saw comes several
    /// times, and one that had to make room not at all.
    ///
    /// # Errors
    /// If a table cannot be mapped.
    pub fn records(&self) -> Result<impl Iterator<Item = (Attributes, Counts)> + use<>, XdpError> {
        let v4 = self.flows_v4.records(&self.ebpf)?;
        let v6 = self.flows_v6.records(&self.ebpf)?;
        Ok(v4
            .map(|record| (record.key.attributes(), record.counts))
            .chain(v6.map(|record| (record.key.attributes(), record.counts))))
    }

    /// Reads a per-CPU array: what the CPUs have at an index.
    pub(super) fn per_cpu<V: Pod>(
        &self,
        name: &'static str,
    ) -> Result<impl Fn(u32) -> Result<PerCpuValues<V>, XdpError>, XdpError> {
        let map = self
            .ebpf
            .map(name)
            .ok_or_else(|| XdpError::missing("map", name))?;
        let failed =
            move |error: MapError| XdpError::new(format!("reading eBPF map {name}"), &error);
        let array = PerCpuArray::<_, V>::try_from(map).map_err(failed)?;
        Ok(move |index| array.get(&index, 0).map_err(failed))
    }

    /// The counters of every member that was ever attached: of all for what they
    /// received, then of those whose sent frames are counted.
    ///
    /// # Errors
    /// If the kernel refuses to read the map.
    pub fn members(&self) -> Result<Vec<Member>, XdpError> {
        let counters = self.per_cpu::<MemberCounters>(names::MEMBERS)?;
        let unlisted = evicted::lock(&self.evicted).archive.unlisted;
        let read = |(number, slot): (usize, &Slot), direction: Direction| {
            let index = member::counters(number as u8, direction == Direction::Out);
            let cpus = counters(index)?;
            let counters = sum(cpus.iter());
            let here = |a: &&Attachment| (a.ifindex, a.direction) == (slot.ifindex, direction);
            let mode = self.attachments.iter().find(here).map(|a| a.mode);
            if direction == Direction::Out && mode.is_none() && counters == Default::default() {
                return Ok(None);
            }
            let Unlisted { flows, count } = unlisted[index as usize];
            let mut member = Member::new(&slot.name, direction, mode, &counters);
            member.ifindex = slot.ifindex;
            (member.unlisted, member.unlisted_flows) = (count.into(), flows);
            Ok(Some(member))
        };
        let slots = || self.slots.iter().enumerate();
        let received = slots().map(|slot| read(slot, Direction::In));
        let sent = slots().map(|slot| read(slot, Direction::Out));
        received.chain(sent).filter_map(Result::transpose).collect()
    }
}

fn flow(slots: &[Slot], key: &Key, counts: &Counts, now: Duration) -> Flow {
    let (source, destination): (IpAddr, IpAddr) = match key {
        Key::V4(key) => key.addresses().into_ips(),
        Key::V6(key) => key.addresses().into_ips(),
    };
    let attributes = key.attributes();
    let slot = slots.get(usize::from(attributes.member()));
    let ago = |then| now.saturating_sub(Duration::from_nanos(then)).as_millis() as u64;
    Flow {
        member: slot.map_or_else(String::new, |slot| slot.name.clone()),
        direction: if attributes.is_egress() {
            Direction::Out
        } else {
            Direction::In
        },
        vlan: attributes.vlan(),
        protocol: attributes.protocol(),
        source,
        destination,
        transport: Transport::new(attributes),
        packets: counts.count.packets,
        bytes: counts.count.bytes,
        duplicates: counts.copies.into(),
        age_ms: ago(counts.first),
        idle_ms: ago(counts.last),
        expected: None,
        rate: None,
    }
}

/// Two addresses of one family as two of any.
trait IntoIps {
    fn into_ips(self) -> (IpAddr, IpAddr);
}

impl<A: Into<IpAddr>> IntoIps for (A, A) {
    fn into_ips(self) -> (IpAddr, IpAddr) {
        (self.0.into(), self.1.into())
    }
}

fn sum<'a>(cpus: impl Iterator<Item = &'a MemberCounters>) -> MemberCounters {
    cpus.fold(MemberCounters::default(), |mut sum, cpu| {
        for (into, count) in sum.kinds.iter_mut().zip(cpu.kinds) {
            into.add(count);
        }
        sum.lost.add(cpu.lost);
        sum.lost_flows += cpu.lost_flows;
        sum.double_tagged += cpu.double_tagged;
        sum.later_fragments += cpu.later_fragments;
        sum
    })
}
