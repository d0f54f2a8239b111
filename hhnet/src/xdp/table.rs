// SPDX-License-Identifier: Apache-2.0
//! The flow caches' size, and a view of their memory.

use std::{marker::PhantomData, num::NonZeroUsize, os::fd::AsFd as _, ptr::NonNull};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};
use hhnet_ebpf::cache::{Bucket, Entry, Key, Record, WAYS};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

use super::XdpError;

/// How many buckets each CPU has in the two flow caches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    cpus: u32,
    pub(super) v4: u32,
    pub(super) v6: u32,
}

impl Geometry {
    /// IPv4 flows of one CPU; there is room for a quarter as many IPv6 flows.
    /// Together that is 6 MiB.
    pub(super) const FLOWS_PER_CPU: u32 = 65_536;
    /// IPv4 flows of all CPUs, so that a machine with many does not give its
    /// memory to a table: 16 MiB, and 8 MiB for IPv6.
    const FLOWS: u32 = 262_144;

    /// Room for about `flows` IPv4 flows on each of `cpus`, rounded down to
    /// what the hash can address; unless that is given, as many as are usual.
    pub(super) fn new(cpus: u32, flows: Option<u32>) -> Self {
        let usual = Self::FLOWS_PER_CPU.min(Self::FLOWS / cpus.max(1));
        let flows = flows.unwrap_or(usual).max(4 * WAYS as u32);
        let v4 = 1 << (flows / WAYS as u32).ilog2();
        Self {
            cpus,
            v4,
            v6: v4 / 4,
        }
    }

    /// Entries of the array that holds every CPU's `buckets`.
    pub(super) fn entries(&self, buckets: u32) -> u32 {
        self.cpus * buckets
    }
}

/// A flow cache of all CPUs: the array called `name`, which has `buckets` entries.
#[derive(Debug)]
pub(super) struct Table<K> {
    name: &'static str,
    buckets: u32,
    keys: PhantomData<fn() -> K>,
}

impl<K: Key + PartialEq> Table<K> {
    pub(super) fn new(name: &'static str, buckets: u32) -> Self {
        Self {
            name,
            buckets,
            keys: PhantomData,
        }
    }

    /// The flows of all CPUs; one that several CPUs saw comes several times.
    ///
    /// The memory is mapped for as long as it is read: mapped for good, it would
    /// count as the agent's own.
    pub(super) fn records(
        &self,
        ebpf: &Ebpf,
    ) -> Result<impl Iterator<Item = Record<K>> + use<K>, XdpError> {
        let memory = self.map(ebpf, ProtFlags::PROT_READ)?;
        let records = (0..self.entries()).filter_map(move |index| {
            // All of it: of a field alone the closure would capture no more than
            // the address, and the memory would be unmapped before it is read.
            let memory = &memory;
            let first = memory.address.cast::<Entry<K>>();
            // SAFETY: inside the mapping, which lives as long as this closure.
            unsafe { Entry::read(first.add(index).as_ptr()) }
        });
        Ok(records.filter(|record| !record.key.attributes().is_nobodys()))
    }

    /// Forgets the flows of a member that no program counts for.
    pub(super) fn disown(&self, ebpf: &Ebpf, member: u8) -> Result<(), XdpError> {
        // Otherwise it is only read, and nothing of ours can write to it.
        let memory = self.map(ebpf, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE)?;
        let first = memory.address.cast::<Entry<K>>();
        for index in 0..self.entries() {
            // SAFETY: inside the mapping.
            unsafe { Entry::disown(first.add(index).as_ptr(), member) };
        }
        Ok(())
    }

    fn entries(&self) -> usize {
        self.buckets as usize * WAYS
    }

    fn map(&self, ebpf: &Ebpf, flags: ProtFlags) -> Result<Memory, XdpError> {
        let Some(Map::Array(map)) = ebpf.map(self.name) else {
            return Err(XdpError::missing("array", self.name));
        };
        let length = NonZeroUsize::new(self.buckets as usize * size_of::<Bucket<K>>());
        let length = length.ok_or_else(|| XdpError::because(self.name, "no buckets"))?;
        Memory::map(map, self.name, length, flags)
    }
}

/// A map's memory.
#[derive(Debug)]
struct Memory {
    address: NonNull<libc::c_void>,
    length: NonZeroUsize,
}

impl Memory {
    fn map(
        map: &MapData,
        name: &str,
        length: NonZeroUsize,
        flags: ProtFlags,
    ) -> Result<Self, XdpError> {
        let fd = map.fd().as_fd();
        // SAFETY: a new mapping where the kernel chooses; of an array's memory,
        // which the kernel keeps as long as it is mapped.
        let mapped = unsafe { mmap(None, length, flags, MapFlags::MAP_SHARED, fd, 0) };
        let address =
            mapped.map_err(|error| XdpError::new(format!("mapping eBPF map {name}"), &error))?;
        Ok(Self { address, length })
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping made by `map`; nothing that reads it outlives `self`.
        let result = unsafe { munmap(self.address, self.length.get()) };
        debug_assert_eq!(result, Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let size = |cpus, flows| {
            let geometry = Geometry::new(cpus, flows);
            (geometry.v4, geometry.v6)
        };
        assert_eq!(size(2, None), (16_384, 4_096));
        assert_eq!(size(4, None), (16_384, 4_096));
        assert_eq!(size(128, None), (512, 128));
        assert_eq!(size(2, Some(1_000)), (128, 32));
        assert_eq!(size(2, Some(0)), (4, 1));
        assert_eq!(Geometry::new(3, Some(1_000)).entries(128), 384);
    }
}
