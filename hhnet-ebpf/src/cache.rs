// SPDX-License-Identifier: Apache-2.0
//! The flow cache: buckets of four flows in an array, one part of it per CPU.
//!
//! Finding a flow is a hash and a few loads in the program itself, where a hash
//! map of the kernel costs a call and, when full, a search for a victim. Only
//! its own CPU writes a part, so nothing is locked and no count is lost: a flow
//! that has to make room is handed out first.

use core::ptr;
#[cfg(not(target_arch = "bpf"))]
use core::sync::atomic::{AtomicU64, Ordering};

use crate::{
    flow::{Attributes, Copies, Count, Counts, KeyV4, KeyV6},
    mix::mix,
};

/// Flows in a bucket.
pub const WAYS: usize = 4;

/// Keys of the cache. All-zero is no key.
pub trait Key: Copy {
    /// A well mixed number, the same for equal keys, whichever member and
    /// direction they are of.
    fn digest(&self) -> u64;

    /// Where the flow of that digest is to be found: side by side for all members.
    #[inline(always)]
    fn place(&self, digest: u64) -> u64 {
        digest.wrapping_add(self.attributes().origin())
    }

    /// Equality without a call of `memcmp`, which eBPF does not have.
    fn is(&self, other: &Self) -> bool;

    /// Everything but the addresses.
    fn attributes(&self) -> Attributes;
}

impl Key for KeyV4 {
    #[inline(always)]
    fn digest(&self) -> u64 {
        let Self([addresses, attributes]) = *self;
        mix(mix(addresses) ^ Attributes(attributes).anywhere())
    }

    #[inline(always)]
    fn is(&self, other: &Self) -> bool {
        let (a, b) = (&self.0, &other.0);
        (a[0] ^ b[0]) | (a[1] ^ b[1]) == 0
    }

    #[inline(always)]
    fn attributes(&self) -> Attributes {
        Self::attributes(*self)
    }
}

impl Key for KeyV6 {
    #[inline(always)]
    fn digest(&self) -> u64 {
        let Self([s0, s1, d0, d1, attributes]) = *self;
        mix(mix(mix(mix(mix(s0) ^ s1) ^ d0) ^ d1) ^ Attributes(attributes).anywhere())
    }

    #[inline(always)]
    fn is(&self, other: &Self) -> bool {
        let (a, b) = (&self.0, &other.0);
        (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) == 0
    }

    #[inline(always)]
    fn attributes(&self) -> Attributes {
        Self::attributes(*self)
    }
}

/// A flow and its counts; also what is handed out when it must make room.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record<K> {
    /// The flow.
    pub key: K,
    /// What was counted of it.
    pub counts: Counts,
}

/// What is to be counted of a flow.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// A frame, or those it will be cut into.
    pub frames: Count,
    /// The same as copies, if they are.
    pub copies: Copies,
    /// When, in `CLOCK_MONOTONIC` nanoseconds.
    pub now: u64,
}

/// A record at the start of a cache line. Without packets it is empty.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry<K> {
    record: Record<K>,
}

/// The flows whose hash leads to the same place.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket<K> {
    entries: [Entry<K>; WAYS],
}

impl<K: Key> Bucket<K> {
    /// Counts `seen`. If the flow is new and the bucket full, the flow seen longest
    /// ago makes room, after `evict` has had it.
    #[inline(always)]
    pub fn count(&mut self, key: &K, seen: &Seen, evict: impl FnOnce(&Record<K>)) {
        for entry in &mut self.entries {
            if entry.record.key.is(key) {
                let counts = &mut entry.record.counts;
                counts.count.add(seen.frames);
                counts.last = seen.now;
                if seen.copies.are_there() {
                    counts.copies.add(seen.copies);
                }
                return;
            }
        }
        let entry = self.oldest();
        if entry.record.counts.count.packets != 0 {
            evict(&entry.record);
        }
        entry.record.replace(key, seen);
    }

    /// An empty entry (its time is 0), else the one that was idle for longest.
    #[inline(always)]
    fn oldest(&mut self) -> &mut Entry<K> {
        let mut oldest = 0;
        for way in 1..WAYS {
            if self.entries[way].record.counts.last < self.entries[oldest].record.counts.last {
                oldest = way;
            }
        }
        &mut self.entries[oldest]
    }
}

impl<K: Copy> Record<K> {
    /// In an order that lets [`Entry::read`] notice: no packets first,
    /// packets last.
    #[inline(always)]
    fn replace(&mut self, key: &K, seen: &Seen) {
        let counts = &mut self.counts;
        store(&mut counts.count.packets, 0);
        store(&mut self.key, *key);
        counts.count.bytes = seen.frames.bytes;
        counts.copies = seen.copies;
        counts.first = seen.now;
        counts.last = seen.now;
        store(&mut counts.count.packets, seen.frames.packets);
    }
}

impl<K: Copy + PartialEq> Entry<K> {
    /// Copies the record out while an eBPF program may be writing it: `None` if
    /// the entry is empty or being replaced.
    ///
    /// # Safety
    /// `entry` must point to an entry in memory that stays mapped.
    pub unsafe fn read(entry: *const Self) -> Option<Record<K>> {
        // SAFETY: readable by the caller's word; volatile, because the memory
        // changes under us.
        let (record, key) = unsafe {
            let record = &raw const (*entry).record;
            (
                ptr::read_volatile(record),
                ptr::read_volatile(&raw const (*record).key),
            )
        };
        (record.counts.count.packets != 0 && record.key == key).then_some(record)
    }

    /// Makes the flow nobody's if it is of `member`, which no program counts for
    /// any more. One word changes at once, and only if it still is that flow's: an
    /// eBPF program that gives the entry to another at this moment prevails.
    ///
    /// # Safety
    /// `entry` must point to an entry in writable memory that stays mapped.
    #[cfg(not(target_arch = "bpf"))]
    pub unsafe fn disown(entry: *mut Self, member: u8)
    where
        K: Key,
    {
        // SAFETY: readable by the caller's word.
        let Some(record) = (unsafe { Self::read(entry) }) else {
            return;
        };
        let attributes = record.key.attributes();
        if attributes.member() == member {
            // SAFETY: the last word of a key, which is an array of words.
            let word = unsafe {
                let key = &raw mut (*entry).record.key;
                AtomicU64::from_ptr(key.cast::<u64>().add(size_of::<K>() / 8 - 1))
            };
            let (old, new) = (attributes.0, attributes.disowned().0);
            let _ = word.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed);
        }
    }
}

/// A store the compiler does not move.
#[inline(always)]
fn store<T>(place: &mut T, value: T) {
    // SAFETY: `place` is a reference.
    unsafe { ptr::write_volatile(place, value) };
}

// SAFETY: `repr(C)` of u64 fields, so no padding; any bit pattern is valid.
#[cfg(feature = "user")]
unsafe impl<K: aya::Pod> aya::Pod for Record<K> {}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn key(number: u64) -> KeyV4 {
        KeyV4([number, 1 << 55])
    }

    fn one(bytes: u64, now: u64) -> Seen {
        Seen {
            frames: Count { packets: 1, bytes },
            copies: Copies::default(),
            now,
        }
    }

    #[test]
    fn the_flow_idle_for_longest_makes_room() {
        let mut bucket = Bucket::default();
        let evicted = |bucket: &mut Bucket<KeyV4>, number, now| {
            let mut evicted = None;
            bucket.count(&key(number), &one(10, now), |record| {
                evicted = Some(*record)
            });
            evicted
        };
        for (number, now) in [(1, 1), (2, 2), (3, 3), (4, 4), (1, 5)] {
            assert_eq!(evicted(&mut bucket, number, now), None);
        }
        let out = evicted(&mut bucket, 5, 6).expect("no room for a fifth");
        assert_eq!(
            (out.key, out.counts.count.packets, out.counts.last),
            (key(2), 1, 2)
        );
        let out = evicted(&mut bucket, 2, 7).expect("no room");
        assert_eq!(out.key, key(3));
        let records = bucket.entries.map(|entry| entry.record);
        let first = records
            .iter()
            .find(|record| record.key == key(1))
            .expect("flow 1");
        assert_eq!(
            (first.counts.count.packets, first.counts.count.bytes),
            (2, 20)
        );
        assert_eq!((first.counts.first, first.counts.last), (1, 5));
    }

    #[test]
    fn a_disowned_flow_is_nobodys_and_not_found_again() {
        let of = |slot: u64| KeyV4([7, slot << 56 | 1 << 55]);
        let mut bucket = Bucket::default();
        let count = |bucket: &mut Bucket<KeyV4>, slot, now| {
            bucket.count(&of(slot), &one(10, now), |_| panic!("there is room"));
        };
        count(&mut bucket, 1, 1);
        count(&mut bucket, 2, 2);
        for entry in &mut bucket.entries {
            // SAFETY: a reference to an entry.
            unsafe { Entry::disown(entry, 1) };
        }
        count(&mut bucket, 1, 3);
        let found = bucket.entries.map(|entry| {
            let Record { key, counts } = entry.record;
            let owner = (!key.attributes().is_nobodys()).then(|| key.attributes().member());
            (owner, counts.count.packets)
        });
        assert_eq!(found, [(None, 1), (Some(2), 1), (Some(1), 1), (Some(0), 0)]);
    }

    #[test]
    fn entries_are_cache_lines() {
        assert_eq!(size_of::<Bucket<KeyV4>>(), 4 * 64);
        assert_eq!(size_of::<Bucket<KeyV6>>(), 4 * 128);
    }

    #[test]
    fn hashes_spread_neighbouring_flows() {
        let mut buckets = [0_u32; 1024];
        for port in 0..4096_u64 {
            let key = KeyV4([0x0a00_010a_0a00_0101, 6 << 32 | port << 16 | 443]);
            let hash = key.place(key.digest());
            buckets[hash as usize % 1024] += 1;
        }
        // Poisson with mean 4: more than 15 in one of 1024 has a chance of 1 in 200.
        assert!(
            buckets.iter().max() < Some(&16),
            "{:?}",
            buckets.iter().max()
        );
    }

    proptest! {
        #[test]
        fn nothing_is_lost(frames in proptest::collection::vec((0..12_u64, 60..1500_u64), 0..500)) {
            let mut bucket = Bucket::default();
            let mut expected: HashMap<KeyV4, (u64, u64)> = HashMap::new();
            let mut counted: HashMap<KeyV4, (u64, u64)> = HashMap::new();
            let mut add = |record: &Record<KeyV4>| {
                let count = counted.entry(record.key).or_default();
                *count = (count.0 + record.counts.count.packets, count.1 + record.counts.count.bytes);
            };
            for (now, (number, bytes)) in frames.into_iter().enumerate() {
                let count = expected.entry(key(number)).or_default();
                *count = (count.0 + 1, count.1 + bytes);
                bucket.count(&key(number), &one(bytes, now as u64 + 1), &mut add);
            }
            for entry in &bucket.entries {
                // SAFETY: a reference to an entry.
                if let Some(record) = unsafe { Entry::read(entry) } {
                    add(&record);
                }
            }
            prop_assert_eq!(counted, expected);
        }
    }
}
