// SPDX-License-Identifier: Apache-2.0
//! An allocator that knows how much the calling thread has in use.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
};

struct Meter;

thread_local! {
    // Without a destructor, so that it may be used by an allocator.
    static IN_USE: Cell<i64> = const { Cell::new(0) };
    static PEAK: Cell<i64> = const { Cell::new(0) };
}

#[global_allocator]
static METER: Meter = Meter;

fn count(bytes: i64) {
    let now = IN_USE.get() + bytes;
    IN_USE.set(now);
    PEAK.set(PEAK.get().max(now));
}

// SAFETY: everything is passed on to the system's allocator, as it comes.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises.
        unsafe { System.alloc(layout) }
    }

    // Else it would be filled by hand: what is only claimed is not touched.
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Begins to look for the most in use. Returns what is in use now.
pub(crate) fn begin() -> i64 {
    take_peak();
    in_use()
}

/// Since `before`, what is in use has not become more than `kept` bytes more, and never
/// was more than `moment` bytes more.
#[track_caller]
pub(crate) fn expect_bounded(before: i64, kept: i64, moment: i64) {
    let grown = in_use() - before;
    assert!(grown < kept, "{grown} bytes more are in use");
    let peak = take_peak() - before;
    assert!(peak < moment, "{peak} bytes more were in use");
}

/// Bytes that this thread has in use, less what others have freed of them.
pub(crate) fn in_use() -> i64 {
    IN_USE.get()
}

/// The most that was in use since the last call.
pub(crate) fn take_peak() -> i64 {
    PEAK.replace(IN_USE.get())
}

/// A million of anything would show.
#[test]
fn what_is_kept_is_seen() {
    let before = begin();
    let kept: Vec<Box<u64>> = (0..1000).map(Box::new).collect();
    assert!(in_use() - before >= 16_000, "{}", in_use() - before);
    drop(kept);
    assert_eq!(in_use(), before);
    assert!(take_peak() - before >= 16_000);
}
