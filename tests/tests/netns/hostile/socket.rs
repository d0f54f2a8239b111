// SPDX-License-Identifier: Apache-2.0
//! Connections to the agent's socket that say nothing, or half of something.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use hhnet_tests::dhcp::Kind;
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::monitor::Monitor;
use hhnet_tests::wait;

use super::{SLOWEST, agent, descriptors, memory, renewed_often};

/// Many more than the agent listens to at one time.
const CONNECTIONS: usize = 2000;

/// How many descriptors an agent with a lease and 64 guests may have.
const DESCRIPTORS: usize = 150;

const SOCKET: &str = "/run/hhnet/agent.sock";

#[test]
fn who_says_nothing_keeps_nobody_from_being_heard() {
    let segment = Segment::new();
    let dhcp = segment.fabric_dhcp(renewed_often());
    let server = segment.server();
    server.must(&format!("dhcp {NIC} --xdp=off"));
    let (pid, before) = (agent(&server), memory(agent(&server)));
    let monitor = Monitor::of(server.namespace());
    let renewals = dhcp.received(Kind::Renew).len();
    let mut silent = Vec::new();
    for number in 0..CONNECTIONS {
        let connect = || UnixStream::connect(SOCKET).expect("the agent listens");
        let mut stream = server.namespace().enter(connect);
        // Nothing, half of a length, a length of a mebibyte and no more, or half of it all.
        let said: &[u8] = match number % 4 {
            0 => b"",
            1 => b"\0\0",
            2 => b"\0\x10\0\0",
            _ => b"\0\0\0\x0dstatus",
        };
        // The agent may have had enough of it already.
        let _ = stream.write_all(said);
        silent.push(stream);
        if number % 200 == 0 {
            let began = Instant::now();
            server.must("status");
            let took = began.elapsed();
            assert!(took < SLOWEST, "status took {took:?}");
        }
    }
    let open = descriptors(pid);
    assert!(open < DESCRIPTORS, "{open} descriptors are open");
    wait::until("it is renewed", Duration::from_secs(10), || {
        dhcp.received(Kind::Renew).len() >= renewals + 2
    });
    assert_eq!(monitor.losses(), []);
    let grown = memory(pid).saturating_sub(before);
    assert!(grown < 4 << 20, "the agent has grown by {grown} bytes");
    drop(silent);
    assert_eq!(agent(&server), pid);
}
