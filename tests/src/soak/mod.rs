// SPDX-License-Identifier: Apache-2.0
//! The same thing again and again, and what is left of it.
//!
//! | module    | what it is                                        |
//! |-----------|---------------------------------------------------|
//! | `ledger`  | what the kernel holds, for one machine and in all |
//! | `bpf`     | programs, maps and links, and who holds them      |

pub mod bpf;
mod ledger;

pub use ledger::Ledger;
