// SPDX-License-Identifier: Apache-2.0
//! What programs on the members cost a bond: iperf3 through it, with and without them, in
//! turns.

use std::time::Duration;

use serde_json::Value;

use super::report::{Column, Figure, Samples, Table};
use crate::fabric::{Connection, Fabric, Vpc};
use crate::machine::Machine;
use crate::peer;
use crate::wait;

/// How long each direction is measured.
const SECONDS: u64 = 4;

/// Megabits a second, in each direction.
struct Run {
    sent: f64,
    received: f64,
}

const FLAGS: [(&str, &str); 2] = [("with programs", ""), ("without", " --xdp=off")];

/// Measures both `rounds` times, in turns, on NICs as the servers have them. Returns the
/// table and the figures.
///
/// # Panics
/// When there is no address, or no iperf3.
pub fn throughput(rounds: usize) -> (String, Vec<String>) {
    let machine = Machine::new();
    let fabric = Fabric::new();
    fabric.connect_machine(Connection::Eslag);
    let vpc = fabric.vpc(1001);
    let dhcp = vpc.dnsmasq(&[]);
    let _server = peer::iperf3(vpc.namespace());
    let mut runs: [Vec<Run>; 2] = Default::default();
    for _ in 0..rounds {
        for ((_, flag), runs) in FLAGS.into_iter().zip(&mut runs) {
            machine.hhnet(&format!("bond 1001 layer2+3 enp2s1 enp2s2{flag}"));
            runs.push(Run {
                sent: megabits(&machine, vpc, ""),
                received: megabits(&machine, vpc, "-R"),
            });
            machine.hhnet("cleanup");
        }
    }
    drop(dhcp);
    (table(&runs), figures(&runs))
}

/// What four connections at once carry.
fn megabits(machine: &Machine, vpc: Vpc, direction: &str) -> f64 {
    let gateway = vpc.gateway;
    let line = format!("iperf3 -c {gateway} -P 4 -t {SECONDS} -O 1 -J {direction}");
    let report = wait::poll(Duration::from_secs(30), || {
        let output = machine.root(&line);
        serde_json::from_str::<Value>(&output.stdout)
            .ok()
            .filter(|report| report["error"].is_null())
    });
    let report = report.expect("iperf3 reaches its server");
    let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
    bits.expect("a result") / 1e6
}

fn table(runs: &[Vec<Run>; 2]) -> String {
    const COLUMNS: [Column; 2] = [Column("sent, Mbit/s", 0), Column("received, Mbit/s", 0)];
    let mut table = Table::new("bond of two e1000", &COLUMNS);
    for ((name, _), runs) in FLAGS.into_iter().zip(runs) {
        let sent = Samples::of(runs, |run| Some(run.sent));
        table.row(name, &[sent, Samples::of(runs, |run| Some(run.received))]);
    }
    table.to_string()
}

fn figures(runs: &[Vec<Run>; 2]) -> Vec<String> {
    let ratio = |of: fn(&Run) -> f64| {
        let [with, without] = [0, 1].map(|place| Samples::of(&runs[place], |run| Some(of(run))));
        with.median() / without.median()
    };
    [
        ("sent_with_programs/without", ratio(|run| run.sent)),
        ("received_with_programs/without", ratio(|run| run.received)),
    ]
    .map(|(name, value)| {
        let goal = 0.95;
        Figure { name, value, goal }.at_least()
    })
    .to_vec()
}
