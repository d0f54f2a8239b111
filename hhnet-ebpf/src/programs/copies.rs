// SPDX-License-Identifier: Apache-2.0
//! Comparing a frame with those before it.

use core::{
    intrinsics::{AtomicOrdering, atomic_xchg},
    ptr,
};

use hhnet_ebpf::{
    copies::{EXAMPLE_BYTES, Example},
    duplicate::{Finding, Sighting, Slot, Verdict},
    fingerprint::{Evidence, Fingerprint},
    frame::Frame,
    member::Interface,
    packet::Packet,
};

use super::maps::{COPIES, EXAMPLES, INACTIVE, SEEN, SEEN_SLOTS};

/// A frame's bytes, wherever they are.
pub(super) trait Bytes {
    /// Copies the first `length`. False if there are not so many.
    fn copy(&self, into: *mut u8, length: u32) -> bool;
}

/// What a received frame is.
#[inline(always)]
pub(super) fn compare(frame: &Frame, packet: &Packet, interface: Interface, now: u64) -> Finding {
    let Some(member) = interface.slot() else {
        return Finding::of(Verdict::Unique);
    };
    if packet.identity.evidence == Evidence::Nothing || frame.is_link_local() {
        return Finding::of(Verdict::Skipped);
    }
    if frame.source() == Some(interface.mac()) {
        return Finding::of(Verdict::Looped);
    }
    let fingerprint = Fingerprint::new(frame, packet);
    let place = fingerprint.hash as u32 & (SEEN_SLOTS.load() - 1);
    let Some(place) = SEEN.get_ptr_mut(place) else {
        return Finding::of(Verdict::Unique);
    };
    let sighting = Sighting::new(&fingerprint, now, member);
    let mut finding = look(&sighting, place);
    if finding.is_copy() && is_dropped(member, finding.original as u8) {
        finding = Finding::of(Verdict::Suppressed);
    }
    finding
}

/// Judges by what is in a slot, and leaves there what is to be remembered. Copies
/// on two CPUs at once find each other by what they take out.
#[inline(always)]
fn look(sighting: &Sighting, place: *mut u64) -> Finding {
    // SAFETY: a value of the map.
    let before = Slot(unsafe { ptr::read_volatile(place) });
    let (finding, after) = sighting.judge(before);
    // SAFETY: as above; other CPUs change it in the same way.
    let met = Slot(unsafe { atomic_xchg::<_, { AtomicOrdering::Relaxed }>(place, after.0) });
    if met != before
        && finding.verdict == Verdict::Unique
        && let Some(finding) = sighting.raced(met)
    {
        return finding;
    }
    finding
}

/// Whether one of two copies goes no further, because bonding does not use its
/// member (`bond_should_deliver_exact_match`).
#[inline(always)]
fn is_dropped(member: u8, original: u8) -> bool {
    let inactive = INACTIVE.get(0).copied().unwrap_or(0);
    inactive & (1 << (member & 31) | 1 << (original & 31)) != 0
}

/// Counts what a frame was found to be, and shows some of the copies.
#[inline(always)]
pub(super) fn examine(ctx: &impl Bytes, frame: &Frame, finding: &Finding, member: u8, now: u64) {
    if finding.verdict == Verdict::Unique {
        return;
    }
    let Some(counters) = COPIES.get_ptr_mut(member.into()) else {
        return;
    };
    // SAFETY: no other CPU has this value, and the programs do not interrupt each
    // other.
    let counters = unsafe { &mut *counters };
    counters.count(finding, frame.veil());
    let is_copy = finding.is_copy() || finding.verdict == Verdict::Answered;
    if is_copy && counters.wants_example(now) {
        show(ctx, frame, finding, member, now);
    }
}

#[inline(always)]
fn show(ctx: &impl Bytes, frame: &Frame, finding: &Finding, member: u8, now: u64) {
    // If there is no room nobody reads them.
    let Some(mut entry) = EXAMPLES.reserve::<Example>(0) else {
        return;
    };
    let example = entry.as_mut_ptr();
    // SAFETY: as large as an example; the fields are written one by one, as what is
    // written at once is first put together on the stack.
    unsafe {
        (*example).time = now;
        (*example).delay = finding.delay as u32;
        (*example).length = frame.length() as u32;
        (*example).verdict = finding.verdict.index() as u8;
        (*example).member = member;
        (*example).original = finding.original as u8;
        (*example).tags = frame.tags_beside() as u8;
        (*example).tag = frame.tag_beside();
        (*example).shown = copy(ctx, frame, (&raw mut (*example).bytes).cast());
    }
    entry.submit(0);
}

/// Copies a frame's beginning, in a length that the verifier knows: all there is
/// room for, all of the shortest frame, or all of ARP before it is padded.
#[inline(always)]
fn copy(ctx: &impl Bytes, frame: &Frame, into: *mut u8) -> u16 {
    for length in [EXAMPLE_BYTES as u32, 60, 42] {
        if frame.length() >= length.into() && ctx.copy(into, length) {
            return length as u16;
        }
    }
    0
}
