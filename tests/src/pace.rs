// SPDX-License-Identifier: Apache-2.0
//! How much is done of what takes long: a part of it, or all in `cargo xtask test
//! --thorough`.

use std::env;

/// Set where all of it is asked for.
const THOROUGH: &str = "HHNET_THOROUGH";

/// Whether all of it is asked for.
pub fn is_thorough() -> bool {
    env::var_os(THOROUGH).is_some()
}

/// Every so manieth of many cases, for `step_by`; each of them where all are asked for.
pub fn stride(usual: usize) -> usize {
    if is_thorough() { 1 } else { usual }
}
