// SPDX-License-Identifier: Apache-2.0
//! Counting for members and flows.

use aya_ebpf::{
    Global,
    bindings::{BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::bpf_get_smp_processor_id,
    maps::Array,
};
use hhnet_ebpf::{
    cache::{Bucket, Key, Record, Seen},
    duplicate::Finding,
    flow::Count,
    frame::Frame,
    member::MemberCounters,
    packet::{Content, Packet},
};

use super::maps::{BUCKETS_V4, BUCKETS_V6, EVICTED, EVICTED_BYTES, FLOWS_V4, FLOWS_V6, MEMBERS};

/// Counts a frame, or the frames it will be cut into, for its member and its
/// flow.
#[inline(always)]
pub(super) fn count(frame: &Frame, packet: &Packet, frames: Count, finding: &Finding, now: u64) {
    count_member(packet, frames, frame.counters());
    let seen = Seen {
        frames,
        copies: finding.copies(),
        now,
    };
    match packet.content() {
        Content::V4(key) => count_flow(&FLOWS_V4, &BUCKETS_V4, &key, packet.digest, &seen),
        Content::V6(key) => count_flow(&FLOWS_V6, &BUCKETS_V6, &key, packet.digest, &seen),
        Content::Other => (),
    }
}

#[inline(always)]
fn count_member(packet: &Packet, frames: Count, index: u32) {
    if let Some(member) = member(index) {
        if let Some(count) = member.kinds.get_mut(packet.kind.index()) {
            count.add(frames);
        }
        // Without branches, which the verifier would follow for each way here.
        member.double_tagged += (packet.tags >> 1) * frames.packets;
        member.later_fragments += u64::from(packet.is_later_fragment()) * frames.packets;
    }
}

/// The counters of a member and direction on this CPU.
#[inline(always)]
fn member(index: u32) -> Option<&'static mut MemberCounters> {
    // SAFETY: no other CPU has this value, and these programs do not interrupt
    // each other: they run in the network's softirq or with it held off, as
    // `__dev_queue_xmit` does for the sender's.
    MEMBERS
        .get_ptr_mut(index)
        .map(|member| unsafe { &mut *member })
}

/// Counts a frame in this CPU's part of a flow cache.
#[inline(always)]
fn count_flow<K: Key>(
    flows: &Array<Bucket<K>>,
    buckets: &Global<u32>,
    key: &K,
    digest: u64,
    seen: &Seen,
) {
    // SAFETY: the helper has no preconditions.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let buckets = buckets.load();
    let index = cpu * buckets + (key.place(digest) as u32 & (buckets - 1));
    if let Some(bucket) = flows.get_ptr_mut(index) {
        // SAFETY: no other CPU writes this part; for the rest as in `member`.
        let bucket = unsafe { &mut *bucket };
        bucket.count(key, seen, hand_out);
    }
}

/// Passes a record on to hhnet, or at least its counts.
#[inline(always)]
fn hand_out<K: Key>(record: &Record<K>) {
    // hhnet is woken once, when the ring is half full; it also reads the ring
    // whenever it is asked for the flows.
    let waiting = EVICTED.query(BPF_RB_AVAIL_DATA.into());
    let half = u64::from(EVICTED_BYTES / 2);
    let length = 8 + size_of::<Record<K>>() as u64;
    let wakeup = if waiting < half && waiting + length >= half {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    };
    if EVICTED.output::<Record<K>>(record, wakeup.into()).is_err()
        && let Some(member) = member(record.key.attributes().counters())
    {
        member.lost.add(record.counts.count);
        member.lost_flows += 1;
    }
}
