// SPDX-License-Identifier: Apache-2.0
//! Maps and programs.

use aya_ebpf::{
    bindings::xdp_action,
    helpers::{bpf_ktime_get_ns, generated::bpf_xdp_get_buff_len},
    macros::{map, xdp},
    maps::{Array, LruPerCpuHashMap, PerCpuArray},
    programs::XdpContext,
};
use aya_log_ebpf::debug;
use hhnet_ebpf::{
    flow::{Count, Counts, KeyV4, KeyV6},
    member::{Kind, MAX_INTERFACES, MAX_MEMBERS, MemberCounters},
    packet::{self, Content, Frame, Origin},
};

#[map]
static SLOTS: Array<u32> = Array::with_max_entries(MAX_INTERFACES, 0);
#[map]
static MEMBERS: PerCpuArray<MemberCounters> = PerCpuArray::with_max_entries(MAX_MEMBERS, 0);
#[map]
static FLOWS_V4: LruPerCpuHashMap<KeyV4, Counts> = LruPerCpuHashMap::with_max_entries(16_384, 0);
#[map]
static FLOWS_V6: LruPerCpuHashMap<KeyV6, Counts> = LruPerCpuHashMap::with_max_entries(4_096, 0);

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
    let kind = packet.content.kind();
    let counted = match packet.content {
        Content::V4(key) => update(&FLOWS_V4, &key, frame.length()),
        Content::V6(key) => update(&FLOWS_V6, &key, frame.length()),
        Content::Other(_) => true,
    };
    if let Some(member) = MEMBERS.get_ptr_mut(slot) {
        // SAFETY: a value of this CPU alone, and XDP is not preempted by XDP.
        let member = unsafe { &mut *member };
        if let Some(count) = member.kinds.get_mut(kind as usize) {
            count.add(frame.length());
        }
        if !counted {
            member.uncounted.add(frame.length());
        }
        member.double_tagged += u64::from(packet.tags > 1);
        member.later_fragments += u64::from(packet.content.is_later_fragment());
    }
    kind
}

/// Adds a frame to its flow; false if the table has no room.
#[inline(always)]
fn update<K>(flows: &LruPerCpuHashMap<K, Counts>, key: &K, bytes: u64) -> bool {
    // SAFETY: the helper has no preconditions.
    let now = unsafe { bpf_ktime_get_ns() };
    if let Some(counts) = flows.get_ptr_mut(key) {
        // SAFETY: a value of this CPU alone.
        let counts = unsafe { &mut *counts };
        counts.count.add(bytes);
        counts.last = now;
        return true;
    }
    let counts = Counts {
        count: Count { packets: 1, bytes },
        first: now,
        last: now,
    };
    flows.insert(key, counts, 0).is_ok()
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: never reached, else the verifier would refuse the program.
    unsafe { core::hint::unreachable_unchecked() }
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
