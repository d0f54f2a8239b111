// SPDX-License-Identifier: Apache-2.0
//! What the eBPF programs and hhnet agree on: the keys and values of the maps
//! and the parser that makes them from a frame.
//!
//! The library builds for the BPF target, where `main.rs` holds the programs,
//! and for the host, where the tests run the very same parser.
#![cfg_attr(target_arch = "bpf", no_std)]

pub mod cache;
pub mod flow;
pub mod frame;
pub mod member;
pub mod packet;
pub mod segments;
mod transport;

/// Names under which hhnet finds programs, maps and globals in the object.
pub mod names {
    /// The XDP program.
    pub const XDP_PROGRAM: &str = "hhnet_ingress";
    /// The classifier of received frames, where the driver has no XDP. The
    /// kernel also keeps it as the name of a filter.
    pub const TC_INGRESS: &str = "hhnet_tc_in";
    /// The classifier of sent frames, likewise.
    pub const TC_EGRESS: &str = "hhnet_tc_out";
    /// Array: interface index → member slot + 1, 0 for an interface not ours.
    pub const SLOT_OF_INTERFACE: &str = "SLOTS";
    /// Per-CPU array: [`counters`](crate::member::counters) →
    /// [`MemberCounters`](crate::member::MemberCounters).
    pub const MEMBERS: &str = "MEMBERS";
    /// Array: [`Bucket`](crate::cache::Bucket)s of [`KeyV4`](crate::flow::KeyV4),
    /// CPU 0's first.
    pub const FLOWS_V4: &str = "FLOWS_V4";
    /// Array: [`Bucket`](crate::cache::Bucket)s of [`KeyV6`](crate::flow::KeyV6),
    /// CPU 0's first.
    pub const FLOWS_V6: &str = "FLOWS_V6";
    /// Ring buffer: [`Record`](crate::cache::Record)s that had to make room, of
    /// both sorts of key, told apart by their length.
    pub const EVICTED: &str = "EVICTED";
    /// Global: buckets of each CPU in [`FLOWS_V4`], a power of two.
    pub const BUCKETS_V4: &str = "BUCKETS_V4";
    /// Global: buckets of each CPU in [`FLOWS_V6`], a power of two.
    pub const BUCKETS_V6: &str = "BUCKETS_V6";
    /// aya-log's level, patched in before the load.
    pub const LOG_LEVEL: &str = "AYA_LOG_LEVEL";
}
