// SPDX-License-Identifier: Apache-2.0
//! The `hhnet` command.
fn main() {}
