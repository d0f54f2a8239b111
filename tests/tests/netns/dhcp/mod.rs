// SPDX-License-Identifier: Apache-2.0
//! `hhnet dhcp` against real servers, bad servers and bad wires.
//!
//! Where a test needs a short lease of dnsmasq, whose shortest is two minutes, it
//! has the server name a T1 and a T2 of seconds (options 58 and 59).

/// Makes a test of each function for each server.
macro_rules! with_every_server {
    ($($test:ident),* $(,)?) => {
        with_every_server!(dnsmasq, Dnsmasq: $($test),*);
        with_every_server!(isc, Isc: $($test),*);
        with_every_server!(kea, Kea: $($test),*);
        with_every_server!(udhcpd, Udhcpd: $($test),*);
    };
    ($module:ident, $software:ident: $($test:ident),*) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    super::$test(hhnet_tests::dhcp::Software::$software);
                }
            )*
        }
    };
}

mod carrier;
mod conflict;
mod faults;
mod identity;
mod interference;
mod interop;
mod malformed;
mod options;
mod reboot;
mod relay;
mod rogue;
mod short;

use std::collections::BTreeSet;
use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use hhnet_tests::dhcp::Kind;
use hhnet_tests::fabric::NIC;
use hhnet_tests::host::Host;
use hhnet_tests::namespace::Process;
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::wire::{Passage, Wire};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The lease was acquired once, and only held since.
#[track_caller]
fn assert_held_since(wire: &Wire) {
    let granted = wire.seen(Kind::Ack)[0].at;
    for kind in [Kind::Discover, Kind::Select] {
        let mut anew = wire.seen(kind);
        anew.retain(|passage| passage.at > granted);
        assert!(anew.is_empty(), "asked anew: {anew:?}");
    }
}

/// How many exchanges began with a message of that kind; one that is repeated begins none.
fn exchanges(wire: &Wire, kind: Kind) -> usize {
    let questions = wire.seen(kind);
    let ids: BTreeSet<_> = questions.iter().map(|q| q.message.xid()).collect();
    ids.len()
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

/// The process of the server's agent.
#[track_caller]
fn agent(server: &Host) -> i32 {
    let processes = server.hhnet_processes();
    let is_agent = |process: &&Process| process.cmdline.ends_with(" agent");
    let agent = processes.iter().find(is_agent);
    agent
        .unwrap_or_else(|| panic!("no agent: {processes:?}"))
        .pid
}

/// A memory figure of a process in bytes, by its name in /proc/PID/status.
#[track_caller]
fn memory(pid: i32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let value = lines.find(|(key, _)| *key == name).map(|(_, value)| value);
    let kilobytes = value.and_then(|value| value.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    1024 * kilobytes.unwrap_or_else(|| panic!("process {pid} has no {name}"))
}

#[track_caller]
fn assert_between(what: &str, earliest: f64, latest: f64, actual: Duration) {
    let seconds = actual.as_secs_f64();
    assert!(
        (earliest..=latest).contains(&seconds),
        "{what} after {seconds:.2} s"
    );
}
