// SPDX-License-Identifier: Apache-2.0
//! The eBPF programs. Built for the BPF target by hhnet's build script; for
//! the host this is an empty program, so that `--workspace` needs no exclusion.
#![cfg_attr(target_arch = "bpf", no_std, no_main)]
// `core::sync::atomic` has no `swap` on this target, though the kernel has.
#![cfg_attr(target_arch = "bpf", feature(core_intrinsics))]
#![cfg_attr(
    target_arch = "bpf",
    allow(
        internal_features,
        reason = "there is no other way to an atomic exchange"
    )
)]

#[cfg(target_arch = "bpf")]
mod programs;

#[cfg(not(target_arch = "bpf"))]
fn main() {}
