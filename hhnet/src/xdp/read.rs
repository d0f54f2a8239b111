// SPDX-License-Identifier: Apache-2.0
//! The maps, read.

use std::{net::IpAddr, time::Duration};

use aya::{
    Pod,
    maps::{MapError, PerCpuArray, PerCpuHashMap, PerCpuValues},
};
use hhnet_ebpf::{
    flow::{Attributes, Count, Counts, KeyV4, KeyV6},
    member::MemberCounters,
    names,
};

use super::{
    Programs, XdpError,
    report::{Direction, Flow, Member, Transport},
};

impl Programs {
    /// All flows in the tables, in no order.
    ///
    /// # Errors
    /// If the kernel refuses to read a map.
    pub fn flows(&self) -> Result<Vec<Flow>, XdpError> {
        let now = monotonic_now();
        let mut flows = Vec::new();
        self.each_flow(names::FLOWS_V4, |key: KeyV4, counts| {
            let (source, destination) = key.addresses();
            let addresses = (source.into(), destination.into());
            flows.push(self.flow(addresses, key.attributes(), counts, now));
        })?;
        self.each_flow(names::FLOWS_V6, |key: KeyV6, counts| {
            let (source, destination) = key.addresses();
            let addresses = (source.into(), destination.into());
            flows.push(self.flow(addresses, key.attributes(), counts, now));
        })?;
        Ok(flows)
    }

    /// The counters of every member that was ever attached.
    ///
    /// # Errors
    /// If the kernel refuses to read the map.
    pub fn members(&self) -> Result<Vec<Member>, XdpError> {
        let name = names::MEMBERS;
        let map = self
            .ebpf
            .map(name)
            .ok_or_else(|| XdpError::missing("map", name))?;
        let failed = |error: MapError| XdpError::new(format!("reading eBPF map {name}"), &error);
        let counters = PerCpuArray::<_, MemberCounters>::try_from(map).map_err(failed)?;
        let read = |(index, slot): (usize, &super::attach::Slot)| {
            let cpus = counters.get(&(index as u32), 0).map_err(failed)?;
            let attachment = self.attachments.iter().find(|a| a.ifindex == slot.ifindex);
            let mode = attachment.map(|attachment| attachment.mode);
            Ok(Member::new(&slot.name, mode, &sum(cpus.iter())))
        };
        self.slots.iter().enumerate().map(read).collect()
    }

    fn each_flow<K: Pod>(
        &self,
        name: &str,
        mut each: impl FnMut(K, Counts),
    ) -> Result<(), XdpError> {
        let map = self
            .ebpf
            .map(name)
            .ok_or_else(|| XdpError::missing("map", name))?;
        let failed = |error: MapError| XdpError::new(format!("reading eBPF map {name}"), &error);
        let map = PerCpuHashMap::<_, K, Counts>::try_from(map).map_err(failed)?;
        for key in map.keys() {
            let key = key.map_err(failed)?;
            match map.get(&key, 0) {
                Ok(cpus) => each(key, merge(&cpus)),
                Err(MapError::KeyNotFound) => {} // evicted meanwhile
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    fn flow(
        &self,
        (source, destination): (IpAddr, IpAddr),
        attributes: Attributes,
        counts: Counts,
        now: u64,
    ) -> Flow {
        let slot = self.slots.get(usize::from(attributes.member()));
        let ago = |then: u64| Duration::from_nanos(now.saturating_sub(then)).as_millis() as u64;
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
            age_ms: ago(counts.first),
            idle_ms: ago(counts.last),
        }
    }
}

fn merge(cpus: &PerCpuValues<Counts>) -> Counts {
    let seen = || cpus.iter().filter(|counts| counts.count.packets > 0);
    Counts {
        count: add(seen().map(|counts| counts.count)),
        first: seen().map(|counts| counts.first).min().unwrap_or_default(),
        last: seen().map(|counts| counts.last).max().unwrap_or_default(),
    }
}

fn add(counts: impl Iterator<Item = Count>) -> Count {
    counts.fold(Count::default(), |sum, count| Count {
        packets: sum.packets + count.packets,
        bytes: sum.bytes + count.bytes,
    })
}

fn sum<'a>(cpus: impl Iterator<Item = &'a MemberCounters> + Clone) -> MemberCounters {
    MemberCounters {
        kinds: std::array::from_fn(|kind| add(cpus.clone().map(|cpu| cpu.kinds[kind]))),
        uncounted: add(cpus.clone().map(|cpu| cpu.uncounted)),
        double_tagged: cpus.clone().map(|cpu| cpu.double_tagged).sum(),
        later_fragments: cpus.map(|cpu| cpu.later_fragments).sum(),
    }
}

/// `CLOCK_MONOTONIC` in nanoseconds, the clock of `bpf_ktime_get_ns`.
fn monotonic_now() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid timespec; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
