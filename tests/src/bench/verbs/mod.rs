// SPDX-License-Identifier: Apache-2.0
//! hhnet beside systemd, and a script that does the same by `ip` and networkd: how long a
//! user waits for each verb.
//!
//! Both are run by the user `core`, and become root by sudo.

mod steps;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use self::steps::Step;
use super::report::{Column, Figure, Samples, Table};
use super::{first_distributing, milliseconds, wall_clock};
use crate::fabric::{Connection, Fabric};
use crate::machine::{HHNET, Machine};
use crate::process::{self, Output};
use crate::wait::{self, PATIENCE};

/// The script, and where it is put.
const SCRIPT: (&str, &str) = (include_str!("script.sh"), "/tmp/script.sh");

/// The script gives up after five minutes.
const DEADLINE: Duration = Duration::from_secs(310);

/// QEMU's e1000 hears nothing for a second whenever its driver sets its filters, as for
/// a VLAN (`flush_queue_timer` in hw/net/e1000.c): that would be all there is to see.
const MEMBERS: [&str; 2] = ["enp4s1", "enp4s2"];

const SECONDS_OF_A_DAY: f64 = 86_400.0;

/// Who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Contestant {
    Hhnet,
    Script,
}

const CONTESTANTS: [Contestant; 2] = [Contestant::Hhnet, Contestant::Script];

impl Contestant {
    fn name(self) -> &'static str {
        match self {
            Self::Hhnet => "hhnet",
            Self::Script => "script and networkd",
        }
    }

    fn command(self, arguments: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=core", "--regid=core", "--init-groups", "--"]);
        match self {
            Self::Hhnet => command.arg(HHNET),
            Self::Script => command.args(["bash", SCRIPT.1]),
        };
        command.args(arguments.split_whitespace());
        command
    }

    fn steps(self, output: &Output, began: Duration, ended: Duration) -> Vec<Step> {
        match self {
            Self::Script => steps::of_script(&output.stderr),
            Self::Hhnet => {
                let log = fs::read_to_string("/var/log/hhnet.log").unwrap_or_default();
                let of_day = |at: Duration| at.as_secs_f64() % SECONDS_OF_A_DAY;
                steps::of_hhnet(&log, of_day(began), of_day(ended))
            }
        }
    }
}

/// One command's time.
struct Run {
    /// From its start to its end, in milliseconds.
    took: f64,
    /// From the first member that distributes to the end, in milliseconds.
    after_lacp: Option<f64>,
    steps: Vec<Step>,
}

/// What is measured, with the connection it needs.
const VERBS: [(&str, Connection); 2] = [
    ("vlan 1001 enp4s1", Connection::Unbundled),
    ("bond 1001 layer2+3 enp4s1 enp4s2", Connection::Eslag),
];

/// Runs of one verb, and of the cleanup after it.
type Runs = [(Vec<Run>, Vec<Run>); 2];

/// Measures both `rounds` times, in turns. Returns the tables and the figures.
///
/// # Panics
/// When a verb gets no address.
pub fn verbs(rounds: usize) -> (String, Vec<String>) {
    fs::write(SCRIPT.1, SCRIPT.0).expect("/tmp is writable");
    let all = VERBS.map(|(verb, connection)| measure(verb, connection, rounds));
    let floor = floor(rounds);
    (format!("{}\n{floor}", tables(&all)), figures(&all))
}

/// What becoming root costs, which neither can do without: hhnet does it once, the script
/// for each command.
fn floor(rounds: usize) -> String {
    let machine = Machine::new();
    let once = |line: &str| {
        let began = wall_clock();
        machine.must(&format!(
            "setpriv --reuid=core --regid=core --init-groups -- {line}"
        ));
        milliseconds(began, wall_clock())
    };
    let lines = [
        "true",
        "sudo -n true",
        "sudo -n ip link",
        "/opt/bin/hhnet status",
    ];
    let told = lines.map(|line| {
        let times: Vec<f64> = (0..rounds).map(|_| once(line)).collect();
        let median = Samples::of(&times, |time| Some(*time)).median();
        format!("- `{line}`: {median:.0} ms\n")
    });
    format!("Of all of that, as core:\n{}", told.concat())
}

fn measure(verb: &str, connection: Connection, rounds: usize) -> Runs {
    let machine = Machine::new();
    let fabric = Fabric::new();
    fabric.connect_machine_by_veth(machine.namespace(), connection);
    let dhcp = fabric.vpc(1001).dnsmasq(&[]);
    let stop = AtomicBool::new(false);
    let mut runs = Runs::default();
    thread::scope(|scope| {
        if connection == Connection::Eslag {
            for (leaf, nic) in fabric.leaves.iter().zip([1, 2]) {
                let stop = &stop;
                scope.spawn(move || leaf.keep_strict(1, nic, stop));
            }
        }
        let _stop = super::StopAtEnd(&stop);
        for _ in 0..rounds {
            for (contestant, runs) in CONTESTANTS.into_iter().zip(&mut runs) {
                ready(&machine, connection);
                runs.0.push(run(contestant, verb, connection));
                runs.1
                    .push(run(contestant, "cleanup", Connection::Unbundled));
            }
        }
    });
    // Its cables belong to the fabric, not to the machine.
    drop((dhcp, fabric));
    runs
}

/// Waits until the ports are as they were, and networkd has nothing to do.
fn ready(machine: &Machine, connection: Connection) {
    let ports = match connection {
        Connection::Unbundled => &MEMBERS[..1],
        _ => &MEMBERS,
    };
    wait::until("the machine has come to rest", PATIENCE * 3, || {
        let is_up = |port: &&str| {
            let flags = fs::read_to_string(format!("/sys/class/net/{port}/operstate"));
            flags.is_ok_and(|state| state.trim() == "up") && machine.is_managed(port)
        };
        ports.iter().all(is_up) && !Path::new("/run/hhnet").exists()
    });
}

fn run(contestant: Contestant, line: &str, connection: Connection) -> Run {
    thread::scope(|scope| {
        let bonded = connection == Connection::Eslag;
        let lacp = bonded.then(|| scope.spawn(|| first_distributing(&MEMBERS, DEADLINE)));
        let began = wall_clock();
        let output = process::run(&mut contestant.command(line), DEADLINE);
        let ended = wall_clock();
        let output = output.success(&format!("{} {line}", contestant.name()));
        let expected = if line == "cleanup" { "" } else { "10.0.1." };
        assert!(output.stdout.starts_with(expected), "{}", output.stdout);
        let lacp = lacp.and_then(|lacp| lacp.join().expect("reading files does not panic"));
        Run {
            took: milliseconds(began, ended),
            after_lacp: lacp.map(|lacp| milliseconds(lacp, ended)),
            steps: contestant.steps(&output, began, ended),
        }
    })
}

fn tables(all: &[Runs; 2]) -> String {
    const COLUMNS: [Column; 4] = [
        Column("vlan, ms", 0),
        Column("bond, ms", 0),
        Column("of that after the first member distributes, ms", 0),
        Column("cleanup, ms", 0),
    ];
    let mut table = Table::new("", &COLUMNS);
    let mut shares = String::new();
    for (place, contestant) in CONTESTANTS.into_iter().enumerate() {
        let [vlan, bond] = [0, 1].map(|verb| &all[verb][place]);
        let took = |runs: &[Run]| Samples::of(runs, |run| Some(run.took));
        table.row(
            contestant.name(),
            &[
                took(&vlan.0),
                took(&bond.0),
                Samples::of(&bond.0, |run| run.after_lacp),
                Samples::of(&cleanups(all, place), |took| Some(*took)),
            ],
        );
        for (verb, runs) in [("vlan", &vlan.0), ("bond", &bond.0), ("cleanup", &bond.1)] {
            let steps: Vec<_> = runs.iter().map(|run| run.steps.clone()).collect();
            let told = steps::shares(&steps);
            shares += &format!("- {} {verb}: {told}\n", contestant.name());
        }
    }
    format!("{table}\n{shares}")
}

/// All cleanups of one of them, whatever came before.
fn cleanups(all: &[Runs; 2], place: usize) -> Vec<f64> {
    let runs = all.iter().flat_map(|runs| &runs[place].1);
    runs.map(|run| run.took).collect()
}

fn figures(all: &[Runs; 2]) -> Vec<String> {
    let verb =
        |verb: usize, place: usize| Samples::of(&all[verb][place].0, |run| Some(run.took)).median();
    let cleanup = |place| Samples::of(&cleanups(all, place), |took| Some(*took)).median();
    let beyond = Samples::of(&all[1][0].0, |run| run.after_lacp).median();
    [
        ("cleanup_script/hhnet", cleanup(1) / cleanup(0), 5.0, true),
        ("vlan_script/hhnet", verb(0, 1) / verb(0, 0), 5.0, true),
        ("bond_script/hhnet", verb(1, 1) / verb(1, 0), 1.0, true),
        ("bond_seconds_after_lacp", beyond / 1000.0, 0.3, false),
    ]
    .map(|(name, value, goal, at_least)| {
        let figure = Figure { name, value, goal };
        if at_least {
            figure.at_least()
        } else {
            figure.to_string()
        }
    })
    .to_vec()
}
