// SPDX-License-Identifier: Apache-2.0
//! `hhnet status` for people and for programs.

use hhnet_tests::fabric::NIC;
use hhnet_tests::process::Running;
use hhnet_tests::sudo;
use hhnet_tests::terminal::Terminal;
use hhnet_tests::wait::{self, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::Lab;

/// With a lease.
fn leased() -> Lab {
    let lab = Lab::new();
    assert_eq!(lab.server.must("status"), "agent           not running\n");
    lab.server.must(&format!("dhcp {NIC}"));
    lab
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn programs_get_json_with_and_without_an_agent() {
    let lab = leased();
    let status = parse(&lab.server.must("status --json"));
    assert_eq!(status["schema"], 1);
    let interface = &status["interfaces"][0];
    let address = lab.server.addresses(NIC);
    assert_eq!(interface["name"], NIC);
    assert_eq!(interface["addresses"], json!(address));
    assert_eq!(interface["dhcp"]["state"], "BOUND");
    // One, on a machine that is not busy.
    assert!(interface["dhcp"]["discovers"].as_u64() >= Some(1));
    assert_eq!(interface["dhcp"]["lease"]["address"], json!(address[0]));
    assert_eq!(interface["dhcp"]["lease"]["server"], "10.0.1.1");
    assert_eq!(status["ports"][0]["name"], NIC);
    // A veth has one, whatever carries it.
    assert_eq!(status["ports"][0]["speed_mbps"], 10000);
    assert_eq!(status["ports"][0]["programs"][0]["direction"], "in");
    assert!(status["duplicates"]["received"].is_u64(), "{status}");
    lab.server.must("cleanup");
    let status = parse(&lab.server.must("status --json"));
    assert_eq!(status["schema"], 1);
    assert_eq!(status["agent"], Value::Null);
    assert_eq!(status["interfaces"], json!([]));
}

#[test]
fn a_pipe_gets_it_anew_each_second() {
    let lab = leased();
    let mut watch = Running::start(&mut lab.server.hhnet_command("status --watch --json"));
    wait::until("two pages", PATIENCE, || {
        watch.stdout().lines().count() >= 2
    });
    // It goes on when the agent has gone.
    lab.server.must("cleanup");
    wait::until("a page without an agent", PATIENCE, || {
        watch.stdout().contains("\"agent\":null")
    });
    kill(Pid::from_raw(watch.pid()), Signal::SIGINT).expect("it is running");
    assert!(watch.wait(PATIENCE).success());
    let ages = watch.stdout();
    let ages = ages.lines().map(|line| parse(line)["at_ms"].as_u64());
    let ages: Vec<u64> = ages.map(|age| age.expect("a time")).collect();
    assert!(ages.is_sorted() && ages[0] < ages[1], "{ages:?}");
}

/// Also where sudo stands between, which drops what says so.
#[test]
fn colours_are_for_terminals_and_who_wants_them() {
    let lab = leased();
    sudo::rules(lab.server.namespace(), sudo::ALLOWED);
    let shown = |line: &str, no_color: &str| {
        let terminal = Terminal::new(160, 24);
        let mut command = lab.server.command_of_nobody(line);
        let mut command = terminal.log_in(command.env("NO_COLOR", no_color));
        wait::poll(PATIENCE, || command.try_wait().expect("own child")).expect("an end");
        wait::until("the whole text", PATIENCE, || {
            terminal.text().contains("agent")
        });
        terminal.text()
    };
    assert!(shown("status", "").contains("\x1b[32mBOUND\x1b[0m"));
    let plain = shown("status", "1");
    assert!(
        plain.contains("BOUND") && !plain.contains('\x1b'),
        "{plain}"
    );
    assert!(!lab.server.must("status").contains('\x1b'), "into a pipe");
}
