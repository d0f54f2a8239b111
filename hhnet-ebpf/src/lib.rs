// SPDX-License-Identifier: Apache-2.0
//! What the eBPF programs and hhnet agree on: the keys and values of the maps
//! and the parser that makes them from a frame.
//!
//! The library builds for the BPF target, where `main.rs` holds the programs,
//! and for the host, where the tests run the very same parser.
#![cfg_attr(target_arch = "bpf", no_std)]

pub mod cache;
pub mod copies;
pub mod duplicate;
pub mod fingerprint;
pub mod flow;
pub mod frame;
pub mod member;
mod mix;
pub mod packet;
pub mod segments;
mod transport;
pub mod veil;

/// Names under which hhnet finds programs, maps and globals in the object.
pub mod names {
    /// The XDP program.
    pub const XDP_PROGRAM: &str = "hhnet_ingress";
    /// The classifier of received frames, where the driver has no XDP. The
    /// kernel also keeps it as the name of a filter.
    pub const TC_INGRESS: &str = "hhnet_tc_in";
    /// The classifier of sent frames, likewise.
    pub const TC_EGRESS: &str = "hhnet_tc_out";
    /// Array: interface index → [`Interface`](crate::member::Interface).
    pub const INTERFACES: &str = "INTERFACES";
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
    /// Array: place of a fingerprint → [`Slot`](crate::duplicate::Slot).
    pub const SEEN: &str = "SEEN";
    /// Per-CPU array: member slot → [`CopyCounters`](crate::copies::CopyCounters).
    pub const COPIES: &str = "COPIES";
    /// Ring buffer: [`Example`](crate::copies::Example)s.
    pub const EXAMPLES: &str = "EXAMPLES";
    /// Array of one: a bit for each member slot that bonding does not use now.
    pub const INACTIVE: &str = "INACTIVE";
    /// Global: slots of [`SEEN`], a power of two.
    pub const SEEN_SLOTS: &str = "SEEN_SLOTS";
    /// Global: 1 if the XDP program shall take the time from, and put its verdict
    /// into, the eight bytes of metadata before the frame.
    pub const TRACE: &str = "TRACE";
    /// Global: buckets of each CPU in [`FLOWS_V4`], a power of two.
    pub const BUCKETS_V4: &str = "BUCKETS_V4";
    /// Global: buckets of each CPU in [`FLOWS_V6`], a power of two.
    pub const BUCKETS_V6: &str = "BUCKETS_V6";
}
