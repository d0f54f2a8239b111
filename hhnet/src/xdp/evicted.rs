// SPDX-License-Identifier: Apache-2.0
//! Flows that had to make room in their cache, kept here with what was counted.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use aya::{
    Ebpf, Pod,
    maps::{MapData, RingBuf},
};
use hhnet_ebpf::{
    cache::Record,
    flow::{Attributes, Count, Counts, KeyV4, KeyV6},
    member::{self, MAX_COUNTERS},
    names,
};

use super::XdpError;

/// The key of a flow of either sort.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    V4(KeyV4),
    V6(KeyV6),
}

impl Key {
    pub(super) fn attributes(&self) -> Attributes {
        match self {
            Self::V4(key) => key.attributes(),
            Self::V6(key) => key.attributes(),
        }
    }
}

/// What the same flow counted in several places, put together.
pub(super) fn merge(into: &mut Counts, counts: &Counts) {
    if into.count.packets == 0 || counts.first < into.first {
        into.first = counts.first;
    }
    into.last = into.last.max(counts.last);
    into.count.add(counts.count);
    into.copies = into.copies.merged(counts.copies);
}

/// Flows listed before the smaller half of them is only summed up: with their
/// hash table some 10 MiB.
const MAX_LISTED: usize = 65_536;

/// Records read at one go: about what the ring buffer holds. More come only
/// while we read, and reading must end.
const MAX_READ: usize = 32_768;

/// The evicted flows, bounded.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) flows: HashMap<Key, Counts>,
    /// Per member and direction: flows not listed any more.
    pub(super) unlisted: [Unlisted; MAX_COUNTERS as usize],
}

/// The sum of some flows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unlisted {
    pub(super) flows: u64,
    pub(super) count: Count,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            flows: HashMap::new(),
            unlisted: [Unlisted::default(); MAX_COUNTERS as usize],
        }
    }
}

impl Archive {
    fn add(&mut self, key: Key, counts: &Counts) {
        if self.flows.len() >= MAX_LISTED && !self.flows.contains_key(&key) {
            self.sum_up_smaller_half();
        }
        merge(self.flows.entry(key).or_default(), counts);
    }

    /// Forgets the flows of a member.
    pub(super) fn forget(&mut self, member: u8) {
        self.flows
            .retain(|key, _| key.attributes().member() != member);
        for is_egress in [false, true] {
            let index = member::counters(member, is_egress) as usize;
            self.unlisted[index] = Unlisted::default();
        }
    }

    fn sum_up_smaller_half(&mut self) {
        let mut flows: Vec<_> = self.flows.drain().collect();
        let half = flows.len() / 2;
        flows.select_nth_unstable_by_key(half, |(_, counts)| counts.count.bytes);
        self.flows = flows.split_off(half).into_iter().collect();
        for (key, counts) in flows {
            let index = key.attributes().counters() as usize;
            if let Some(unlisted) = self.unlisted.get_mut(index) {
                unlisted.flows += 1;
                unlisted.count.add(counts.count);
            }
        }
    }
}

/// The ring buffer and what was read from it.
pub(super) struct Evicted {
    pub(super) ring: RingBuf<MapData>,
    pub(super) archive: Archive,
}

/// Shared by the reader of flows and the task that keeps the ring from filling.
pub(super) type Shared = Arc<Mutex<Evicted>>;

impl Evicted {
    pub(super) fn new(ebpf: &mut Ebpf) -> Result<Shared, XdpError> {
        let name = names::EVICTED;
        let map = ebpf
            .take_map(name)
            .ok_or_else(|| XdpError::missing("map", name))?;
        let ring = RingBuf::try_from(map)
            .map_err(|error| XdpError::new(format!("mapping eBPF map {name}"), &error))?;
        Ok(Arc::new(Mutex::new(Self {
            ring,
            archive: Archive::default(),
        })))
    }

    /// Reads what is in the ring now.
    pub(super) fn read(&mut self) {
        for _ in 0..MAX_READ {
            let Some(item) = self.ring.next() else { return };
            let (key, counts) = if let Some(Record { key, counts }) = record(&item) {
                (Key::V4(key), counts)
            } else if let Some(Record { key, counts }) = record(&item) {
                (Key::V6(key), counts)
            } else {
                continue;
            };
            if !key.attributes().is_nobodys() {
                self.archive.add(key, &counts);
            }
        }
    }
}

/// The archive after reading the ring, and the lock on it.
pub(super) fn lock(shared: &Shared) -> std::sync::MutexGuard<'_, Evicted> {
    // A panic elsewhere leaves whole records behind.
    let mut evicted = shared.lock().unwrap_or_else(PoisonError::into_inner);
    evicted.read();
    evicted
}

fn record<K: Pod>(bytes: &[u8]) -> Option<Record<K>> {
    if bytes.len() != size_of::<Record<K>>() {
        return None;
    }
    // SAFETY: as many bytes as the record has, and any bytes make one.
    Some(unsafe { bytes.as_ptr().cast::<Record<K>>().read_unaligned() })
}

#[cfg(test)]
mod tests {
    use hhnet_ebpf::flow::Copies;

    use super::*;

    fn counts(bytes: u64, first: u64, last: u64) -> Counts {
        Counts {
            count: Count { packets: 1, bytes },
            copies: Copies {
                same: 1,
                cross: 2,
                answered: 0,
                delay: 7,
            },
            first,
            last,
        }
    }

    #[test]
    fn merging_keeps_the_earliest_and_the_latest_time() {
        let mut sum = Counts::default();
        for next in [counts(10, 5, 6), counts(20, 3, 4), counts(30, 7, 9)] {
            merge(&mut sum, &next);
        }
        assert_eq!(
            sum,
            Counts {
                count: Count {
                    packets: 3,
                    bytes: 60
                },
                copies: Copies {
                    same: 3,
                    cross: 6,
                    answered: 0,
                    delay: 7,
                },
                first: 3,
                last: 9
            }
        );
    }

    #[test]
    fn a_forgotten_members_flows_are_gone_and_no_others() {
        let mut archive = Archive::default();
        let of = |slot: u64, number| Key::V4(KeyV4([number, slot << 56 | 1 << 55]));
        for number in 0..10 {
            archive.add(of(1, number), &counts(10, 0, 0));
            archive.add(of(2, number), &counts(10, 0, 0));
        }
        let sums = [1, 2, 1 + 32].map(|index| {
            archive.unlisted[index].flows = 3;
            index
        });
        archive.forget(1);
        assert_eq!(archive.flows.len(), 10);
        assert!(archive.flows.contains_key(&of(2, 0)));
        assert_eq!(sums.map(|index| archive.unlisted[index].flows), [0, 3, 0]);
    }

    #[test]
    fn stays_bounded_keeps_the_big_flows_and_every_byte() {
        let mut archive = Archive::default();
        let total = 3 * MAX_LISTED as u64;
        for number in 0..total {
            archive.add(Key::V4(KeyV4([number, 0])), &counts(number, 0, 0));
        }
        assert!(archive.flows.len() <= MAX_LISTED);
        assert!(archive.flows.contains_key(&Key::V4(KeyV4([total - 1, 0]))));
        let unlisted = archive.unlisted[0];
        assert_eq!(archive.flows.len() as u64 + unlisted.flows, total);
        let listed: u64 = archive
            .flows
            .values()
            .map(|counts| counts.count.bytes)
            .sum();
        let counted: u64 = (0..total).sum();
        assert_eq!(listed + unlisted.count.bytes, counted);
    }
}
