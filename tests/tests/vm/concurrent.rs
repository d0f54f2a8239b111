// SPDX-License-Identifier: Apache-2.0
//! Fifty commands at once, from fifty processes: each gets a right answer or a clear
//! refusal, and what is there at the end is what some order of them would have left.

use std::collections::BTreeMap;
use std::env;
use std::thread;
use std::time::Instant;

use hhnet_tests::fabric::Connection;
use hhnet_tests::history::{Call, Purpose, contradictions};
use hhnet_tests::host::Host;
use hhnet_tests::process::{self, Output};
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::wire::Chance;

use crate::{Lab, secs};

/// So many at once.
const PROCESSES: usize = 50;

/// Repeats what a run has printed.
const SEED: &str = "HHNET_CHAOS_SEED";

/// Verbs that make something, what that is, and how its address begins. One that would wait
/// in vain says in time what it has seen.
const MAKERS: [(&str, &str, &str); 5] = [
    (
        "bond 1001 layer2+3 enp2s1 enp2s2 --timeout=60",
        "bond0.1001",
        "10.0.1.",
    ),
    ("vlan 1002 bond0 --timeout=60", "bond0.1002", "10.0.2."),
    ("vlan 1002 enp2s1 --timeout=60", "enp2s1.1002", "10.0.2."),
    ("vlan 1001 enp2s2 --timeout=60", "enp2s2.1001", "10.0.1."),
    ("p2p enp2s2 10.0.9.0/31 10.0.9.1", "enp2s2", "10.0.9.0/31"),
];

const LOOKERS: [&str; 8] = [
    "status",
    "status --json",
    "metrics",
    "flows",
    "flows --json",
    "dups",
    "getvips",
    "diagnose",
];

/// A mix of commands; out of a hundred, so many are cleanups.
fn mix(chance: &mut Chance, cleanups: u32) -> Vec<(&'static str, Purpose)> {
    let one = |_| {
        if chance.percent(cleanups) {
            ("cleanup", Purpose::Cleans)
        } else if chance.percent(50) {
            let (line, thing, _) = MAKERS[chance.pick(0..MAKERS.len())];
            (line, Purpose::Makes(thing))
        } else {
            (LOOKERS[chance.pick(0..LOOKERS.len())], Purpose::Looks)
        }
    };
    (0..PROCESSES).map(one).collect()
}

/// Gives all of them at once.
fn at_once(server: &Host, lines: &[(&'static str, Purpose)]) -> Vec<(Call, Output)> {
    // A host is not shared between threads, but its commands are.
    let commands = lines
        .iter()
        .map(|(line, purpose)| (*line, purpose.clone(), server.hhnet_command(line)));
    let commands: Vec<_> = commands.collect();
    thread::scope(|scope| {
        let run = |(line, purpose, mut command): (&str, Purpose, std::process::Command)| {
            let line = line.to_owned();
            scope.spawn(move || {
                let began = Instant::now();
                let output = process::run(&mut command, secs(120));
                let answer = output.ok().then(|| output.stdout.trim_end().to_owned());
                let ended = Instant::now();
                let call = Call {
                    line,
                    purpose,
                    began,
                    ended,
                    answer,
                };
                (call, output)
            })
        };
        let threads: Vec<_> = commands.into_iter().map(run).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().expect("it has ended");
        threads.into_iter().map(join).collect()
    })
}

/// Of what is made, what is there.
fn there(server: &Host) -> BTreeMap<&'static str, String> {
    let present = |(_, thing, start): &(&str, &'static str, &str)| {
        let addresses = server.addresses(thing);
        let address = addresses.into_iter().find(|a| a.starts_with(start))?;
        Some((*thing, address))
    };
    MAKERS.iter().filter_map(present).collect()
}

/// A right answer or a clear refusal.
#[track_caller]
fn expect_sense(call: &Call, output: &Output) {
    let Call { line, .. } = call;
    if line == "diagnose" {
        // What is under way may look like trouble, which is its answer.
        assert!(output.code() <= 1 && output.stderr.is_empty(), "{output:?}");
        assert!(!output.stdout.is_empty(), "{output:?}");
        return;
    }
    if !output.ok() {
        assert_eq!(output.code(), 1, "{line}: {output:?}");
        assert_eq!(output.stdout, "", "{line}");
        let first = output.stderr.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("Error: ") && first.len() > 20,
            "{line}: {output:?}"
        );
        assert!(output.stderr.lines().count() <= 2, "{line}: {output:?}");
    }
    match &call.purpose {
        Purpose::Cleans => assert!(output.ok() && output.stdout.is_empty(), "{output:?}"),
        Purpose::Looks => {
            assert!(output.ok(), "{line}: {output:?}");
            if line.ends_with("--json") {
                serde_json::from_str::<serde_json::Value>(&output.stdout).expect(line);
            }
        }
        Purpose::Makes(thing) => {
            let maker = MAKERS.iter().find(|(_, made, _)| made == thing);
            let start = maker.map_or("", |(.., start)| start);
            assert!(
                !output.ok() || output.stdout.starts_with(start),
                "{line}: {output:?}"
            );
        }
    }
}

fn seeds(default: [u64; 2]) -> Vec<u64> {
    match env::var(SEED).ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => default.into(),
    }
}

/// One round: all at once, and what must be true afterwards.
fn round(lab: &Lab<hhnet_tests::dhcp::Daemon>, seed: u64, cleanups: u32) -> Vec<Call> {
    let server = &lab.server;
    let before = server.snapshot();
    let mut chance = Chance::new(seed);
    let done = at_once(server, &mix(&mut chance, cleanups));
    let mut calls = Vec::new();
    for (call, output) in done {
        expect_sense(&call, &output);
        calls.push(call);
    }
    let there = there(server);
    let found = contradictions(&calls, &there);
    assert!(found.is_empty(), "{SEED}={seed}: {found:#?}\n{calls:#?}");
    // What failed has left nothing, and nothing is half made.
    let mut links = Vec::new();
    let is_made = |link: &String| {
        let is_base = link == "bond0" && there.keys().any(|thing| thing.starts_with("bond0."));
        is_base
            || ["lo", "enp2s1", "enp2s2"].contains(&link.as_str())
            || there.contains_key(link.as_str())
    };
    let whole = wait::poll(PATIENCE, || {
        links = server.links();
        links.iter().all(is_made).then_some(())
    });
    assert!(whole.is_some(), "{SEED}={seed}: {links:?} for {there:?}");
    // A port is the bond's or has a use of its own.
    let bonded = there
        .keys()
        .filter(|thing| thing.starts_with("bond0"))
        .count();
    assert!(
        bonded == 0 || bonded == there.len(),
        "{SEED}={seed}: {there:?}"
    );
    assert!(
        server.hhnet_processes().len() <= 1,
        "{:?}",
        server.hhnet_processes()
    );
    server.must("cleanup");
    wait::until("there is no agent", PATIENCE, || {
        server.hhnet_processes().is_empty()
    });
    server.expect_unchanged(&before);
    calls
}

/// Nobody takes away what another has made: of each thing there is one, and whoever is
/// refused was too late.
#[test]
fn fifty_at_once_without_a_cleanup() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    for seed in seeds([1, 2]) {
        let calls = round(&lab, seed, 0);
        // Ports are free at the beginning: somebody must have had them.
        let made = calls
            .iter()
            .any(|call| matches!(call.purpose, Purpose::Makes(_)) && call.answer.is_some());
        assert!(made, "{SEED}={seed}: {calls:#?}");
    }
}

/// With some who clean up in between.
#[test]
fn fifty_at_once_with_cleanups() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let _second = lab.fabric.vpc(1002).dnsmasq(&[]);
    for seed in seeds([3, 4]) {
        round(&lab, seed, 10);
    }
}
