// SPDX-License-Identifier: Apache-2.0
//! The programs: one for each hook, around one core.

mod copies;
mod flows;
mod maps;

use core::ptr;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{TC_ACT_UNSPEC, xdp_action},
    helpers::{
        bpf_ktime_get_ns,
        generated::{bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    },
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};
use hhnet_ebpf::{
    duplicate::{Finding, Verdict},
    flow::Count,
    frame::{Frame, Origin},
    member::Interface,
    packet::{self, Packet},
    segments::Segments,
};

use self::{
    copies::{Bytes, compare, examine},
    maps::{INTERFACES, TRACE},
};

/// What a classifier makes sure it can read of a sent frame.
const HEADERS: usize = 14 + 20 + 8;
/// And of a received one, which is compared with others.
const COMPARED: usize = 14 + 20 + 64;
/// What it asks for if it cannot.
const PULLED: u32 = 128;

/// Counts and passes. Whatever the frame is, it is passed.
#[xdp(frags)]
pub(crate) fn hhnet_ingress(ctx: XdpContext) -> u32 {
    let interface = interface(ctx.ingress_ifindex() as u32);
    if let Some(slot) = interface.slot() {
        // SAFETY: the helper takes the context this program was given.
        let bytes = unsafe { bpf_xdp_get_buff_len(ctx.ctx) };
        let origin = Origin::ingress(slot);
        // SAFETY: the bounds are the context's, the length is of all its buffers.
        let frame = unsafe { Frame::new(ctx.data(), ctx.data_end(), bytes, None, origin) };
        let frame = frame.through(interface.veil());
        let packet = match packet::try_parse(&frame) {
            Ok(packet) => packet,
            Err(malformed) => {
                let finding = Finding::of(Verdict::Skipped);
                count(&ctx, &frame, &malformed.into(), &finding, slot, 0);
                return xdp_action::XDP_PASS;
            }
        };
        // SAFETY: the context's fields.
        let frame = unsafe {
            let start = ptr::read_volatile(&raw const (*ctx.ctx).data);
            let end = ptr::read_volatile(&raw const (*ctx.ctx).data_end);
            frame.at(start as usize, end as usize)
        };
        let now = now(&ctx);
        let finding = compare(&frame, &packet, interface, now).through(&frame);
        count(&ctx, &frame, &packet, &finding, slot, now);
    }
    xdp_action::XDP_PASS
}

/// Counts a received frame and what it was found to be.
#[inline(always)]
fn count(ctx: &XdpContext, frame: &Frame, packet: &Packet, finding: &Finding, slot: u8, now: u64) {
    examine(ctx, frame, finding, slot, now);
    let frames = Count {
        packets: 1,
        bytes: frame.length(),
    };
    flows::count(frame, packet, frames, finding, now);
    tell(ctx, finding.verdict.index() as u64);
}

/// As [`hhnet_ingress`], on the sk_buff, where the driver has no XDP.
#[classifier]
pub(crate) fn hhnet_tc_in(ctx: TcContext) -> i32 {
    classify(&ctx, Origin::ingress, true)
}

/// Counts what is sent. Bonding sends by the member's queue, so what is counted
/// here is what it chose the member for.
#[classifier]
pub(crate) fn hhnet_tc_out(ctx: TcContext) -> i32 {
    classify(&ctx, Origin::egress, false)
}

/// Counts, and has no opinion: other classifiers are asked next.
#[inline(always)]
fn classify(ctx: &TcContext, origin: impl FnOnce(u8) -> Origin, is_ingress: bool) -> i32 {
    let skb = ctx.skb.skb;
    // SAFETY: the context, which the verifier lets us read.
    let (interface_index, bytes) = unsafe { ((*skb).ifindex, (*skb).len) };
    let interface = interface(interface_index);
    if let Some(slot) = interface.slot() {
        let wanted = if is_ingress { COMPARED } else { HEADERS };
        // Not always: a sender's sk_buff is shared and would be copied for it.
        if ctx.data() + wanted > ctx.data_end() && bytes > wanted as u32 {
            // If it fails there is less to be seen.
            let _ = ctx.pull_data(bytes.min(PULLED));
        }
        let (start, end) = (ctx.data(), ctx.data_end());
        // Anew, because the verifier takes for different lengths what was asked above.
        // SAFETY: the context's field.
        let bytes = unsafe { ptr::read_volatile(&raw const (*skb).len) };
        // SAFETY: the bounds are the context's, the length is of all its buffers.
        let frame = unsafe { Frame::new(start, end, bytes.into(), None, origin(slot)) };
        // SAFETY: as above.
        let (tags, tag) = unsafe { ((*skb).vlan_present, (*skb).vlan_tci) };
        let frame = frame.with_tags(tags, tag as u16).through(interface.veil());
        // SAFETY: as above.
        let (size, segments) = unsafe { ((*skb).gso_size.into(), (*skb).gso_segs.into()) };
        let segments = Segments::new(size, segments);
        let packet = packet::parse(&frame);
        // SAFETY: the context's fields.
        let frame = unsafe {
            let start = ptr::read_volatile(&raw const (*skb).data);
            let end = ptr::read_volatile(&raw const (*skb).data_end);
            frame.at(start as usize, end as usize)
        };
        let frames = segments.on_the_wire(&frame, packet.headers);
        // SAFETY: the helper has no preconditions.
        let now = unsafe { bpf_ktime_get_ns() };
        let mut finding = Finding::of(Verdict::Unique);
        if is_ingress {
            finding = if segments.are_several(interface.veil()) {
                Finding::of(Verdict::Merged)
            } else {
                compare(&frame, &packet, interface, now)
            }
            .through(&frame);
            examine(ctx, &frame, &finding, slot, now);
        }
        flows::count(&frame, &packet, frames, &finding, now);
    }
    TC_ACT_UNSPEC
}

/// What is known of an interface.
#[inline(always)]
fn interface(index: u32) -> Interface {
    INTERFACES
        .get(index)
        .map_or(Interface::NONE, |interface| Interface(*interface))
}

/// The time, or that of the trace that is played.
#[inline(always)]
fn now(ctx: &XdpContext) -> u64 {
    if TRACE.load() != 0
        && let Some(place) = metadata(ctx)
    {
        // SAFETY: eight bytes before the frame.
        return unsafe { *place };
    }
    // SAFETY: the helper has no preconditions.
    unsafe { bpf_ktime_get_ns() }
}

/// Tells whoever plays a trace what was found.
#[inline(always)]
fn tell(ctx: &XdpContext, verdict: u64) {
    if TRACE.load() != 0
        && let Some(place) = metadata(ctx)
    {
        // SAFETY: as in `now`.
        unsafe { *place = verdict };
    }
}

#[inline(always)]
fn metadata(ctx: &XdpContext) -> Option<*mut u64> {
    let start = ctx.metadata();
    (start + 8 <= ctx.metadata_end()).then_some(start as *mut u64)
}

impl Bytes for XdpContext {
    #[inline(always)]
    fn copy(&self, into: *mut u8, length: u32) -> bool {
        // SAFETY: the caller has room for `length` bytes.
        unsafe { bpf_xdp_load_bytes(self.ctx, 0, into.cast(), length) == 0 }
    }
}

impl Bytes for TcContext {
    #[inline(always)]
    fn copy(&self, into: *mut u8, length: u32) -> bool {
        // SAFETY: as above.
        unsafe { bpf_skb_load_bytes(self.as_ptr(), 0, into.cast(), length) == 0 }
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
