// SPDX-License-Identifier: Apache-2.0
//! `hhnet dhcp` against real servers, bad servers and bad wires.
//!
//! Where a test needs a short lease of dnsmasq, whose shortest is two minutes, it
//! has the server name a T1 and a T2 of seconds (options 58 and 59).

mod interop;

use std::net::Ipv4Addr;
use std::time::Duration;

use hhnet_tests::dhcp::Kind;
use hhnet_tests::fabric::NIC;
use hhnet_tests::host::Host;
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::wire::{Passage, Wire};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Leases an address on the server's interface, which has to succeed.
#[track_caller]
fn lease(server: &Host) -> Ipv4Addr {
    lease_with(server, "")
}

/// The same, with flags.
#[track_caller]
fn lease_with(server: &Host, flags: &str) -> Ipv4Addr {
    leased(&server.must(&format!("dhcp {NIC} --xdp=off {flags}")))
}

/// The address in an answer.
#[track_caller]
fn leased(answer: &str) -> Ipv4Addr {
    let address = answer.split('/').next().and_then(|text| text.parse().ok());
    address.unwrap_or_else(|| panic!("no address: {answer}"))
}

/// Whether `address` is on the server's interface, alone.
fn has(server: &Host, address: Ipv4Addr) -> bool {
    let all = server.addresses(NIC);
    matches!(&all[..], [one] if one.starts_with(&format!("{address}/")))
}

/// Waits until the `number`th message of a kind has come to the wire.
#[track_caller]
fn wait_for(wire: &Wire, kind: Kind, number: usize) -> Passage {
    let seen = wait::poll(PATIENCE, || wire.seen(kind).get(number - 1).cloned());
    seen.unwrap_or_else(|| panic!("only {} {kind:?} came", wire.seen(kind).len()))
}

#[track_caller]
fn assert_between(what: &str, earliest: f64, latest: f64, actual: Duration) {
    let seconds = actual.as_secs_f64();
    assert!(
        (earliest..=latest).contains(&seconds),
        "{what} after {seconds:.2} s"
    );
}
