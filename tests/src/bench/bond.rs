// SPDX-License-Identifier: Apache-2.0
//! A server with a bond across two leaves that let nothing pass before LACP does: from
//! the first usable member to the address on the VLAN.

use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use super::client::Client;
use super::observe::AddressWatch;
use super::report::{Column, Figure, Samples, Table};
use super::{StopAtEnd, first_distributing, machine, milliseconds, usage, wall_clock};
use crate::fabric::{Connection, Fabric};
use crate::host::Host;
use crate::process::{self, Running};
use crate::wait::{self, PATIENCE};

const CLIENTS: [Client; 2] = [Client::Hhnet, Client::Networkd];

const MEMBERS: [&str; 2] = ["enp2s1", "enp2s2"];

/// Where the lease is.
const VLAN: &str = "bond0.1001";

/// networkd's back-off reaches sixteen seconds in the worst case.
const DEADLINE: Duration = Duration::from_secs(60);

/// What hhnet does for a bond, in its order: members before the bond is up.
const LINKS: &str = "\
    link add bond0 type bond mode 802.3ad miimon 100 xmit_hash_policy layer2+3
    link set enp2s1 down
    link set enp2s1 master bond0
    link set enp2s2 down
    link set enp2s2 master bond0
    link set bond0 up
    link add link bond0 name bond0.1001 type vlan id 1001
    link set bond0.1001 up";

/// Seconds since the first command.
struct Run {
    /// LACP lets a member collect and distribute.
    aggregated: f64,
    address: f64,
}

impl Run {
    fn new(started: Duration, aggregated: Duration, address: Duration) -> Self {
        let seconds = |at| milliseconds(started, at) / 1000.0;
        Self {
            aggregated: seconds(aggregated),
            address: seconds(address),
        }
    }
}

/// Measures hhnet and networkd `rounds` times, in turns. Returns the table and the figure.
///
/// # Panics
/// When a client gets no address.
pub fn bond(rounds: usize) -> (String, Vec<String>) {
    usage::adopt_orphans();
    let fabric = Fabric::new();
    let _dhcp = fabric.vpc(1001).dnsmasq(&[]);
    let server = fabric.server(Connection::Eslag);
    machine::furnish(server.namespace());
    let mut runs: [Vec<Run>; CLIENTS.len()] = Default::default();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for (leaf, nic) in fabric.leaves.iter().zip([1, 2]) {
            let stop = &stop;
            scope.spawn(move || leaf.keep_strict(1, nic, stop));
        }
        let _stop = StopAtEnd(&stop);
        for round in 0..rounds {
            for (client, runs) in CLIENTS.into_iter().zip(&mut runs) {
                machine::renew(server.namespace(), round, client, VLAN);
                runs.push(match client {
                    Client::Hhnet => hhnet(&server),
                    _ => networkd(&server),
                });
            }
        }
    });
    server.discard();
    report(runs)
}

/// Everything by one command.
fn hhnet(server: &Host) -> Run {
    let watch = AddressWatch::open(server.namespace());
    let line = "bond 1001 layer2+3 enp2s1 enp2s2 --xdp=off";
    let started = wall_clock();
    let mut command = Running::start(&mut server.hhnet_command(line));
    let (aggregated, address) = observe(server, &watch);
    assert!(command.wait(DEADLINE).success(), "{}", command.stderr());
    server.must("cleanup");
    usage::end(server.namespace());
    Run::new(started, aggregated, address)
}

/// networkd is there, as it is on a booted server; `ip` makes the links.
fn networkd(server: &Host) -> Run {
    let machine = server.namespace();
    let watch = AddressWatch::open(machine);
    let mut networkd = machine::start(machine, &mut Client::Networkd.command(machine, VLAN));
    wait::until("networkd has started", PATIENCE, || {
        machine.read("/run/systemd/netif/state").is_some()
    });
    let mut ip = machine.command_line("ip -batch -");
    let started = wall_clock();
    process::run_with_stdin(&mut ip, LINKS, PATIENCE).success("making the links");
    let (aggregated, address) = observe(server, &watch);
    usage::end(machine);
    // An error: it has been waited for, as every process of the machine.
    let _ = networkd.wait();
    machine.ip_batch("link del bond0\nlink set enp2s1 up\nlink set enp2s2 up");
    Run::new(started, aggregated, address)
}

/// When the first member distributes, and when the address is there.
fn observe(server: &Host, watch: &AddressWatch) -> (Duration, Duration) {
    let machine = server.namespace();
    thread::scope(|scope| {
        let aggregated = scope.spawn(|| machine.enter(|| first_distributing(&MEMBERS, DEADLINE)));
        let address = watch.next(VLAN, DEADLINE);
        let address = address.unwrap_or_else(|| {
            let words = machine::words(machine);
            panic!("no address after {DEADLINE:?}\n{words}")
        });
        let aggregated = aggregated.join().expect("reading files does not panic");
        (aggregated.expect("LACP precedes an address"), address)
    })
}

fn report(runs: [Vec<Run>; CLIENTS.len()]) -> (String, Vec<String>) {
    const COLUMNS: [Column; 3] = [
        Column("to first member aggregated, s", 2),
        Column("to address, s", 2),
        Column("address after aggregated, s", 2),
    ];
    let mut table = Table::new("bond and VLAN", &COLUMNS);
    let medians = [0, 1].map(|client| {
        let runs: &[Run] = &runs[client];
        let after = Samples::of(runs, |run| Some(run.address - run.aggregated));
        let median = after.median();
        let cells = [
            Samples::of(runs, |run| Some(run.aggregated)),
            Samples::of(runs, |run| Some(run.address)),
            after,
        ];
        table.row(CLIENTS[client].name(), &cells);
        median
    });
    let figure = Figure {
        name: "bond_address_after_aggregation/networkd",
        value: medians[0] / medians[1],
        goal: 0.25,
    };
    (table.to_string(), vec![figure.to_string()])
}
