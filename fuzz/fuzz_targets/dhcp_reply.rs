// SPDX-License-Identifier: Apache-2.0
//! A server's message, the lease in it, and that lease's file.
#![no_main]

use hhnet::dhcp::{lease::Lease, names, reply::decode};
use hhnet_fuzz::{lease, messages, meter};
use libfuzzer_sys::fuzz_target;

/// As long as a jumbo frame takes.
const MESSAGE_MAX: usize = 9000;
/// Whatever a message says.
const LARGEST: usize = 64 << 10;
const PEAK: usize = 256 << 10;

const STAMP: u8 = 1;
const WITHOUT_ID: u8 = 2;

fuzz_target!(|data: &[u8]| {
    let Some((how, message)) = data.split_first() else {
        return;
    };
    let mut message = message[..message.len().min(MESSAGE_MAX)].to_vec();
    if how & STAMP != 0 {
        messages::stamp(&mut message);
    }
    let mut who = messages::identity();
    if how & WITHOUT_ID != 0 {
        who.client_id = None;
    }
    let (lease, taken) = meter::measured(|| {
        let reply = decode(&message, &who).ok()?;
        Lease::from_reply(&reply, lease::SINCE).ok()
    });
    assert!(taken.largest <= LARGEST && taken.peak <= PEAK, "{taken:?}");
    if let Some(lease) = &lease {
        lease::check(lease);
    }
    for name in names::search(data).iter().chain(&names::name(data)) {
        lease::check_name(name);
    }
});
