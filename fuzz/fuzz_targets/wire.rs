// SPDX-License-Identifier: Apache-2.0
//! Bytes between command and agent: replies as the command reads them, and
//! requests up to the verb the agent would run.
#![no_main]

use hhnet::{
    cli,
    wire::{Frame, MAX, decode_request, encode_request},
};
use hhnet_fuzz::meter;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    loop {
        let before = rest;
        let (frame, taken) = meter::measured(|| Frame::read(&mut rest));
        assert!(taken.peak <= MAX + (4 << 10), "{taken:?}");
        let Ok(frame) = frame else { break };
        let read = &before[..before.len() - rest.len()];
        assert_eq!(frame.encode(), read);
    }
    let args = decode_request(data);
    assert_eq!(encode_request(&args)[4..], *data);
    let _ = cli::parse(args);
});
