// SPDX-License-Identifier: Apache-2.0
//! Watches the IPv4 addresses of the machine while a test runs.
//!
//! The fabric's tests take every address that they find for an endpoint, so that none
//! may be there that is not one, not even for a moment.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::ifaddrs::getifaddrs;

const INTERVAL: Duration = Duration::from_millis(50);

/// Links whose addresses are not the fabric's.
const OTHERS: [&str; 4] = ["lo", "enp2s0", "docker0", "dummy0"];

/// What should not have been there, once it was.
type Seen = Arc<Mutex<BTreeSet<String>>>;

/// The watch, until dropped.
#[derive(Debug)]
pub(super) struct Sampler {
    seen: Seen,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Watches from now on.
    pub(super) fn start() -> Self {
        let (seen, stop) = (Seen::default(), Arc::new(AtomicBool::new(false)));
        let (into, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let wrong = wrong(&addresses());
                into.lock().expect("nobody panics with it").extend(wrong);
                thread::sleep(INTERVAL);
            }
        });
        Self {
            seen,
            stop,
            thread: Some(thread),
        }
    }

    /// What should not have been there so far.
    pub(super) fn seen(&self) -> Vec<String> {
        let seen = self.seen.lock().expect("nobody panics with it");
        seen.iter().cloned().collect()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn addresses() -> BTreeMap<String, Vec<Ipv4Addr>> {
    let mut found: BTreeMap<String, Vec<Ipv4Addr>> = BTreeMap::new();
    for entry in getifaddrs().into_iter().flatten() {
        let address = entry.address.and_then(|a| Some(a.as_sockaddr_in()?.ip()));
        if let Some(address) = address {
            found.entry(entry.interface_name).or_default().push(address);
        }
    }
    found
}

fn wrong(addresses: &BTreeMap<String, Vec<Ipv4Addr>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (link, addresses) in addresses {
        if OTHERS.contains(&link.as_str()) {
            continue;
        }
        let is_fabrics = |address: &Ipv4Addr| address.octets()[0] == 10;
        if addresses.len() != 1 || !addresses.iter().all(is_fabrics) {
            wrong.push(format!("{link} had {addresses:?}"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(link: &str, addresses: &[[u8; 4]]) -> BTreeMap<String, Vec<Ipv4Addr>> {
        let addresses = addresses.iter().copied().map(Ipv4Addr::from).collect();
        BTreeMap::from([(link.to_owned(), addresses)])
    }

    #[test]
    fn one_address_of_the_fabric_is_right() {
        assert_eq!(wrong(&on("bond0.1001", &[[10, 0, 1, 10]])).len(), 0);
        assert_eq!(wrong(&on("docker0", &[[172, 17, 0, 1]])).len(), 0);
        let two = on("bond0.1001", &[[10, 0, 1, 10], [10, 0, 1, 11]]);
        assert_eq!(wrong(&two).len(), 1);
        assert_eq!(wrong(&on("enp2s1", &[[169, 254, 3, 4]])).len(), 1);
    }
}
