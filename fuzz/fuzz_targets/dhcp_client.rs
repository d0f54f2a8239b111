// SPDX-License-Identifier: Apache-2.0
//! The whole machine, in virtual time.
#![no_main]

use hhnet_fuzz::story::{self, Story};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|story: Story| story::play(&story));
