// SPDX-License-Identifier: Apache-2.0
//! Maps and programs.

use aya_ebpf::{
    Global,
    bindings::{
        BPF_F_MMAPABLE, BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, xdp_action,
    },
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns, generated::bpf_xdp_get_buff_len},
    macros::{map, xdp},
    maps::{Array, PerCpuArray, RingBuf},
    programs::XdpContext,
};
use aya_log_ebpf::debug;
use hhnet_ebpf::{
    cache::{Bucket, Key, Record},
    flow::{KeyV4, KeyV6},
    frame::{Frame, Origin},
    member::{Kind, MAX_INTERFACES, MAX_MEMBERS, MemberCounters},
    packet::{self, Content, Packet},
};

#[map]
static SLOTS: Array<u32> = Array::with_max_entries(MAX_INTERFACES, 0);
#[map]
static MEMBERS: PerCpuArray<MemberCounters> = PerCpuArray::with_max_entries(MAX_MEMBERS, 0);
/// hhnet sets the number of entries of this and the next at load.
#[map]
static FLOWS_V4: Array<Bucket<KeyV4>> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static FLOWS_V6: Array<Bucket<KeyV6>> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static EVICTED: RingBuf = RingBuf::with_byte_size(EVICTED_BYTES, 0);

#[unsafe(no_mangle)]
static BUCKETS_V4: Global<u32> = Global::new(1);
#[unsafe(no_mangle)]
static BUCKETS_V6: Global<u32> = Global::new(1);

const EVICTED_BYTES: u32 = 1 << 20;

/// Counts and passes. Whatever the frame is, it is passed.
#[xdp(frags)]
pub(crate) fn hhnet_ingress(ctx: XdpContext) -> u32 {
    let interface = ctx.ingress_ifindex() as u32;
    if let Some(&slot) = SLOTS.get(interface)
        && slot != 0
    {
        // SAFETY: the helper takes the context this program was given.
        let length = unsafe { bpf_xdp_get_buff_len(ctx.ctx) };
        let origin = Origin::ingress((slot - 1) as u8);
        // SAFETY: the bounds are the context's, the length is of all its buffers.
        let frame = unsafe { Frame::new(ctx.data(), ctx.data_end(), length, None, origin) };
        if count(&frame, slot - 1) == Kind::Malformed {
            debug!(
                &ctx,
                "malformed frame of {} bytes on interface {}", length, interface
            );
        }
    }
    xdp_action::XDP_PASS
}

/// Counts a frame for its member and its flow.
#[inline(always)]
fn count(frame: &Frame, slot: u32) -> Kind {
    let packet = packet::parse(frame);
    count_member(&packet, frame.length(), slot);
    match &packet.content {
        Content::V4(key) => count_flow(&FLOWS_V4, &BUCKETS_V4, key, frame.length()),
        Content::V6(key) => count_flow(&FLOWS_V6, &BUCKETS_V6, key, frame.length()),
        Content::Other(_) => (),
    }
    packet.content.kind()
}

#[inline(always)]
fn count_member(packet: &Packet, bytes: u64, slot: u32) {
    if let Some(member) = member(slot) {
        if let Some(count) = member.kinds.get_mut(packet.content.kind() as usize) {
            count.add(bytes);
        }
        member.double_tagged += u64::from(packet.tags > 1);
        member.later_fragments += u64::from(packet.content.is_later_fragment());
    }
}

/// The counters of a member on this CPU.
#[inline(always)]
fn member(slot: u32) -> Option<&'static mut MemberCounters> {
    // SAFETY: no other CPU has this value, and these programs do not interrupt
    // each other: they run in the network's softirq or with it held off.
    MEMBERS
        .get_ptr_mut(slot)
        .map(|member| unsafe { &mut *member })
}

/// Counts a frame in this CPU's part of a flow cache.
#[inline(always)]
fn count_flow<K: Key>(flows: &Array<Bucket<K>>, buckets: &Global<u32>, key: &K, bytes: u64) {
    // SAFETY: the helpers have no preconditions.
    let (now, cpu) = unsafe { (bpf_ktime_get_ns(), bpf_get_smp_processor_id()) };
    let buckets = buckets.load();
    let index = cpu * buckets + (key.hash() as u32 & (buckets - 1));
    if let Some(bucket) = flows.get_ptr_mut(index) {
        // SAFETY: no other CPU writes this part; for the rest as in `member`.
        let bucket = unsafe { &mut *bucket };
        bucket.count(key, bytes, now, hand_out);
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
        && let Some(member) = member(record.key.attributes().member().into())
    {
        member.lost.packets += record.counts.count.packets;
        member.lost.bytes += record.counts.count.bytes;
        member.lost_flows += 1;
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: never reached, else the verifier would refuse the program.
    unsafe { core::hint::unreachable_unchecked() }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
