// SPDX-License-Identifier: Apache-2.0
//! Maps and programs.

use aya_ebpf::{
    EbpfContext, Global,
    bindings::{
        BPF_F_MMAPABLE, BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, TC_ACT_UNSPEC,
        xdp_action,
    },
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns, generated::bpf_xdp_get_buff_len},
    macros::{classifier, map, xdp},
    maps::{Array, PerCpuArray, RingBuf},
    programs::{TcContext, XdpContext},
};
use aya_log_ebpf::debug;
use hhnet_ebpf::{
    cache::{Bucket, Key, Record},
    flow::{Count, KeyV4, KeyV6},
    frame::{Frame, Origin},
    member::{Kind, MAX_COUNTERS, MAX_INTERFACES, MemberCounters},
    packet::{self, Content, Packet},
    segments::Segments,
};

#[map]
static SLOTS: Array<u32> = Array::with_max_entries(MAX_INTERFACES, 0);
#[map]
static MEMBERS: PerCpuArray<MemberCounters> = PerCpuArray::with_max_entries(MAX_COUNTERS, 0);
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

/// What a classifier makes sure it can read of a frame.
const HEADERS: usize = 14 + 20 + 8;
/// What it asks for if it cannot.
const HEADERS_MOST: u32 = 128;

/// Counts and passes. Whatever the frame is, it is passed.
#[xdp(frags)]
pub(crate) fn hhnet_ingress(ctx: XdpContext) -> u32 {
    let interface = ctx.ingress_ifindex() as u32;
    if let Some(slot) = slot_of(interface) {
        // SAFETY: the helper takes the context this program was given.
        let bytes = unsafe { bpf_xdp_get_buff_len(ctx.ctx) };
        let origin = Origin::ingress(slot);
        // SAFETY: the bounds are the context's, the length is of all its buffers.
        let frame = unsafe { Frame::new(ctx.data(), ctx.data_end(), bytes, None, origin) };
        count(
            &ctx,
            &frame,
            &packet::parse(&frame),
            Count { packets: 1, bytes },
        );
    }
    xdp_action::XDP_PASS
}

/// As [`hhnet_ingress`], on the sk_buff, where the driver has no XDP.
#[classifier]
pub(crate) fn hhnet_tc_in(ctx: TcContext) -> i32 {
    classify(&ctx, Origin::ingress)
}

/// Counts what is sent. Bonding sends by the member's queue, so what is counted
/// here is what it chose the member for.
#[classifier]
pub(crate) fn hhnet_tc_out(ctx: TcContext) -> i32 {
    classify(&ctx, Origin::egress)
}

/// Counts, and has no opinion: other classifiers are asked next.
#[inline(always)]
fn classify(ctx: &TcContext, origin: impl FnOnce(u8) -> Origin) -> i32 {
    let skb = ctx.skb.skb;
    // SAFETY: the context, which the verifier lets us read.
    let (interface, bytes) = unsafe { ((*skb).ifindex, (*skb).len) };
    if let Some(slot) = slot_of(interface) {
        // Not always: a sender's sk_buff is shared and would be copied for it.
        if ctx.data() + HEADERS > ctx.data_end() && bytes > HEADERS as u32 {
            // If it fails there is less to be seen.
            let _ = ctx.pull_data(bytes.min(HEADERS_MOST));
        }
        let (start, end) = (ctx.data(), ctx.data_end());
        // SAFETY: the bounds are the context's, the length is of all its buffers.
        let frame = unsafe { Frame::new(start, end, bytes.into(), None, origin(slot)) };
        // SAFETY: as above.
        let (tags, tag) = unsafe { ((*skb).vlan_present, (*skb).vlan_tci) };
        let frame = frame.with_tags(tags, tag as u16);
        // SAFETY: as above.
        let (size, segments) = unsafe { ((*skb).gso_size.into(), (*skb).gso_segs.into()) };
        let segments = Segments::new(size, segments);
        let packet = packet::parse(&frame);
        let frames = segments.on_the_wire(&frame, packet.headers);
        count(ctx, &frame, &packet, frames);
    }
    TC_ACT_UNSPEC
}

/// The member slot of an interface that is ours.
#[inline(always)]
fn slot_of(interface: u32) -> Option<u8> {
    let slot = *SLOTS.get(interface)?;
    (slot != 0).then(|| (slot - 1) as u8)
}

/// Counts a frame, or the frames it will be cut into, for its member and its
/// flow.
#[inline(always)]
fn count(ctx: &impl EbpfContext, frame: &Frame, packet: &Packet, frames: Count) {
    count_member(packet, frames, frame.counters());
    match &packet.content {
        Content::V4(key) => count_flow(&FLOWS_V4, &BUCKETS_V4, key, frames),
        Content::V6(key) => count_flow(&FLOWS_V6, &BUCKETS_V6, key, frames),
        Content::Other(Kind::Malformed) => {
            debug!(ctx, "malformed frame of {} bytes", frame.length());
        }
        Content::Other(_) => (),
    }
}

#[inline(always)]
fn count_member(packet: &Packet, frames: Count, index: u32) {
    if let Some(member) = member(index) {
        if let Some(count) = member.kinds.get_mut(packet.content.kind() as usize) {
            count.add(frames);
        }
        if packet.tags > 1 {
            member.double_tagged += frames.packets;
        }
        if packet.content.is_later_fragment() {
            member.later_fragments += frames.packets;
        }
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
fn count_flow<K: Key>(flows: &Array<Bucket<K>>, buckets: &Global<u32>, key: &K, frames: Count) {
    // SAFETY: the helpers have no preconditions.
    let (now, cpu) = unsafe { (bpf_ktime_get_ns(), bpf_get_smp_processor_id()) };
    let buckets = buckets.load();
    let index = cpu * buckets + (key.hash() as u32 & (buckets - 1));
    if let Some(bucket) = flows.get_ptr_mut(index) {
        // SAFETY: no other CPU writes this part; for the rest as in `member`.
        let bucket = unsafe { &mut *bucket };
        bucket.count(key, frames, now, hand_out);
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

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: never reached, else the verifier would refuse the program.
    unsafe { core::hint::unreachable_unchecked() }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
