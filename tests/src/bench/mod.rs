// SPDX-License-Identifier: Apache-2.0
//! How fast hhnet leases an address, compared with the DHCP clients of others.
//!
//! | module     | what it is                                                  |
//! |------------|-------------------------------------------------------------|
//! | `client`   | the clients, and how each is told to lease an address       |
//! | `machine`  | a machine that has never been leased anything, run by run   |
//! | `observe`  | when the kernel sets an address, what a client sends        |
//! | `usage`    | CPU time and memory; the end of a client                    |
//! | `veth`     | one cable, one dnsmasq: time, packets, CPU and memory       |
//! | `fault`    | the same cable; a server that offers nothing at first       |
//! | `bond`     | the fabric, for kernels with bonds and VLANs                |
//! | `verbs`    | a machine with systemd: whole commands, against a script    |
//! | `throughput` | the same machine: what programs cost a bond              |
//! | `report`   | tables of medians, and figures against their goals          |
//!
//! Machines are shared and noisy: clients take turns, and only what was measured in the
//! same run is compared.

mod bond;
mod client;
mod fault;
mod machine;
mod observe;
mod report;
mod throughput;
mod usage;
mod verbs;
mod veth;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::fabric;

pub use bond::bond;
pub use fault::fault;
pub use throughput::throughput;
pub use verbs::verbs;
pub use veth::veth;

/// The wall clock, which is also the one of the kernel's packet timestamps.
fn wall_clock() -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.expect("it is after 1970")
}

/// `later - earlier` in milliseconds, negative if it was the other way round.
fn milliseconds(earlier: Duration, later: Duration) -> f64 {
    (later.as_secs_f64() - earlier.as_secs_f64()) * 1000.0
}

/// Lets the scope's threads end even if a measurement panics.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// When the first of a bond's members collects and distributes, on the machine of the
/// calling thread; `None` if that takes too long.
fn first_distributing(members: &[&str], patience: Duration) -> Option<Duration> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if members.iter().any(|port| fabric::is_distributing(port)) {
            return Some(wall_clock());
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}
