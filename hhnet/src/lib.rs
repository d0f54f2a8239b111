// SPDX-License-Identifier: Apache-2.0
//! hhnet: the host networking agent for test servers.
pub mod xdp;
