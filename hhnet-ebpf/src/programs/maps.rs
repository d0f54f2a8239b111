// SPDX-License-Identifier: Apache-2.0
//! The maps that the programs share, and what hhnet sets at load.

use aya_ebpf::{
    Global,
    bindings::BPF_F_MMAPABLE,
    macros::map,
    maps::{Array, PerCpuArray, RingBuf},
};
use hhnet_ebpf::{
    cache::Bucket,
    copies::CopyCounters,
    flow::{KeyV4, KeyV6},
    member::{MAX_COUNTERS, MAX_INTERFACES, MAX_MEMBERS, MemberCounters},
};

#[map]
pub(super) static INTERFACES: Array<u64> = Array::with_max_entries(MAX_INTERFACES, 0);
#[map]
pub(super) static INACTIVE: Array<u32> = Array::with_max_entries(1, 0);
#[map]
pub(super) static MEMBERS: PerCpuArray<MemberCounters> =
    PerCpuArray::with_max_entries(MAX_COUNTERS, 0);
/// hhnet sets the number of entries of this and the next two at load.
#[map]
pub(super) static FLOWS_V4: Array<Bucket<KeyV4>> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
pub(super) static FLOWS_V6: Array<Bucket<KeyV6>> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
pub(super) static SEEN: Array<u64> = Array::with_max_entries(1, 0);
#[map]
pub(super) static COPIES: PerCpuArray<CopyCounters> = PerCpuArray::with_max_entries(MAX_MEMBERS, 0);
#[map]
pub(super) static EVICTED: RingBuf = RingBuf::with_byte_size(EVICTED_BYTES, 0);
#[map]
pub(super) static EXAMPLES: RingBuf = RingBuf::with_byte_size(1 << 14, 0);

#[unsafe(no_mangle)]
pub(super) static BUCKETS_V4: Global<u32> = Global::new(1);
#[unsafe(no_mangle)]
pub(super) static BUCKETS_V6: Global<u32> = Global::new(1);
#[unsafe(no_mangle)]
pub(super) static SEEN_SLOTS: Global<u32> = Global::new(1);
#[unsafe(no_mangle)]
pub(super) static TRACE: Global<u32> = Global::new(0);

pub(super) const EVICTED_BYTES: u32 = 1 << 20;
