// SPDX-License-Identifier: Apache-2.0
//! What the XDP programs and hhnet agree on.
#![cfg_attr(target_arch = "bpf", no_std)]
