// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask`: everything done to the repository.
fn main() {}
