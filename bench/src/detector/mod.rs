// SPDX-License-Identifier: Apache-2.0
//! Those who have an opinion on the frames of a trace.

pub mod editcap;
pub mod nfpcapd;
pub mod program;
