// SPDX-License-Identifier: Apache-2.0
//! Measurements of the eBPF programs, each beside peers in the same run:
//! what they cost (`bin/xdp.rs`), and what they tell apart (`bin/dups.rs`).

pub mod detector;
pub mod dups;
pub mod report;
pub mod score;
pub mod trace;
pub mod xdp;
