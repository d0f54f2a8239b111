// SPDX-License-Identifier: Apache-2.0
//! The file of a lease, whatever is in it, and a client that goes on with it.
#![no_main]

use hhnet::{dhcp::client::Client, session::record};
use hhnet_fuzz::{lease::SINCE, messages};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut now = SINCE;
    let Some(record) = record::parse(data, now) else {
        return;
    };
    let saved = serde_json::to_vec_pretty(&record).expect("a record is plain data");
    assert_eq!(record::parse(&saved, now).as_ref(), Some(&record));
    let mut client = Client::new(messages::identity(), 1).resume(record.lease, now);
    client.handle_link(true, now);
    for _ in 0..50 {
        while client.poll_event().is_some() || client.poll_transmit().is_some() {}
        let Some(next) = client.poll_timeout() else {
            return;
        };
        assert!(next > now, "{next:?} has been");
        now = next;
        client.handle_timeout(now);
    }
});
