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

/// A flow cache in this process's address space.
#[derive(Debug)]
pub(super) struct Table<K> {
    memory: Memory,
    entries: usize,
    keys: PhantomData<K>,
}

// SAFETY: the memory is only read, in a way that allows for other writers.
unsafe impl<K> Send for Table<K> {}
// SAFETY: as above.
unsafe impl<K> Sync for Table<K> {}

impl<K: Key + PartialEq> Table<K> {
    /// Maps the array called `name`, which has `buckets` entries.
    pub(super) fn new(ebpf: &Ebpf, name: &str, buckets: u32) -> Result<Self, XdpError> {
        let Some(Map::Array(map)) = ebpf.map(name) else {
            return Err(XdpError::missing("array", name));
        };
        let entries = buckets as usize * WAYS;
        let length = NonZeroUsize::new(buckets as usize * size_of::<Bucket<K>>());
        let length = length.ok_or_else(|| XdpError::because(name, "no buckets"))?;
        let memory = Memory::map(map, name, length, ProtFlags::PROT_READ)?;
        Ok(Self {
            memory,
            entries,
            keys: PhantomData,
        })
    }

    /// The flows of all CPUs; one that several CPUs saw comes several times.
    pub(super) fn records(&self) -> impl Iterator<Item = Record<K>> {
        let first = self.memory.address.cast::<Entry<K>>();
        let records = (0..self.entries).filter_map(move |index| {
            // SAFETY: inside the mapping, which lives as long as `self`.
            unsafe { Entry::read(first.add(index).as_ptr()) }
        });
        records.filter(|record| !record.key.attributes().is_nobodys())
    }

    /// Forgets the flows of a member that no program counts for.
    pub(super) fn disown(&self, ebpf: &Ebpf, name: &str, member: u8) -> Result<(), XdpError> {
        let Some(Map::Array(map)) = ebpf.map(name) else {
            return Err(XdpError::missing("array", name));
        };
        // Otherwise it is only read, and nothing of ours can write to it.
        let flags = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let memory = Memory::map(map, name, self.memory.length, flags)?;
        let first = memory.address.cast::<Entry<K>>();
        for index in 0..self.entries {
            // SAFETY: inside the mapping, which is as long as the other one.
            unsafe { Entry::disown(first.add(index).as_ptr(), member) };
        }
        Ok(())
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
