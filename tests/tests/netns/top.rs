// SPDX-License-Identifier: Apache-2.0
//! `hhnet top` on a real screen.

use hhnet_tests::fabric::NIC;
use hhnet_tests::host::{Host, assert_refusal, binary};
use hhnet_tests::process::Running;
use hhnet_tests::screen::Screen;
use hhnet_tests::sudo;
use hhnet_tests::wait::{self, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::watch::counting;

/// How it ended, and whether the terminal is set as before.
const AROUND: &str =
    "before=$(stty -g); HHNET top; echo status $?; test $before = $(stty -g); echo same $?";

/// Starts top from a shell.
fn start(screen: &Screen) {
    screen.run(&AROUND.replace("HHNET", &binary().display().to_string()));
    screen.expect("a page", |text| text.contains("hhnet top  "));
}

/// The screen is the shell's again, with nothing of top's on it.
#[track_caller]
fn expect_restored(screen: &Screen, server: &Host) {
    expect_ended(screen, server);
    let text = screen.text();
    assert!(text.starts_with('$') && !text.contains("MEMBER"), "{text}");
}

/// The terminal is set as before, and no process is left.
#[track_caller]
fn expect_ended(screen: &Screen, server: &Host) {
    screen.expect("a clean end", |text| {
        text.contains("status 0") && text.contains("same 0")
    });
    wait::until("no process of it is left", PATIENCE, || {
        top_processes(server).is_empty()
    });
}

/// Those that show and those that feed.
fn top_processes(server: &Host) -> Vec<Pid> {
    let all = server.namespace().processes();
    let ours = all.iter().filter(|p| {
        let line = p.cmdline.split(' ').collect::<Vec<_>>();
        p.cmdline.contains("hhnet") && line.contains(&"top") && !line.contains(&"sh")
    });
    ours.map(|p| Pid::from_raw(p.pid)).collect()
}

/// The process that has the terminal.
fn shown_by(server: &Host) -> Pid {
    let all = server.namespace().processes();
    let line = format!("{} top", binary().display());
    let top = all.iter().find(|p| p.cmdline == line);
    Pid::from_raw(top.expect("it is running").pid)
}

/// Traffic, another size, other tables, and a clean end.
#[test]
fn it_shows_traffic_and_leaves_the_screen_as_it_was() {
    let lab = counting();
    let screen = Screen::of_root(lab.server.namespace(), 80, 24);
    start(&screen);
    let mut ping = lab.server.namespace().command("ping");
    let _traffic = Running::start(ping.args(["-c", "300", "-i", "0.1", "10.0.1.1"]));
    screen.expect("a member, and a flow with its speed", |text| {
        let speeds = text.lines().filter(|line| line.contains("echo req"));
        let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
        let mut speeds = speeds.filter_map(first);
        // Ten times 98 bytes a second are 7.8 kbit/s.
        text.contains(NIC) && speeds.any(|speed| speed.ends_with('k'))
    });
    screen.expect("the lease", |text| {
        text.contains("10.0.1.10/24 from 10.0.1.1, BOUND")
    });
    for (columns, lines) in [(60, 12), (20, 3), (100, 40)] {
        screen.resize(columns, lines);
        screen.expect("a page of that size", |text| {
            let shown: Vec<&str> = text.lines().collect();
            // Of three lines none is for the keys.
            let last = if lines < 6 { "" } else { "q quit" };
            shown.len() == usize::from(lines)
                && shown
                    .iter()
                    .all(|line| line.chars().count() <= columns.into())
                && shown[shown.len() - 1].starts_with(last)
                && text.contains("Flows")
        });
    }
    screen.press("Tab");
    screen.expect("duplicates", |text| text.contains("no duplicates among"));
    screen.press("1");
    screen.expect("members", |text| text.contains("PARTNER"));
    screen.press("?");
    screen.expect("help", |text| text.contains("keys and columns"));
    screen.press("Escape");
    screen.press("p");
    screen.expect("a pause", |text| text.contains(" paused "));
    screen.press("q");
    // Of a screen that has changed its size meanwhile, tmux brings back a line that was
    // another program's: of less as well.
    expect_ended(&screen, &lab.server);
}

/// However it is ended, the terminal is in order.
#[test]
fn every_end_leaves_the_terminal_in_order() {
    let lab = counting();
    for key in ["C-c", "Escape"] {
        let screen = Screen::of_root(lab.server.namespace(), 80, 24);
        start(&screen);
        screen.press(key);
        expect_restored(&screen, &lab.server);
    }
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let screen = Screen::of_root(lab.server.namespace(), 80, 24);
        start(&screen);
        kill(shown_by(&lab.server), signal).expect("it is running");
        expect_restored(&screen, &lab.server);
    }
}

/// Agents come and go; who watches is told.
#[test]
fn it_goes_on_over_agents() {
    let lab = counting();
    let screen = Screen::of_root(lab.server.namespace(), 80, 24);
    start(&screen);
    screen.expect("an agent", |text| text.contains("agent 0."));
    lab.server.must("cleanup");
    screen.expect("none", |text| text.contains("no agent is running"));
    lab.server.must(&format!("dhcp {NIC}"));
    screen.expect("another one", |text| {
        text.contains("agent 0.") && text.contains("BOUND")
    });
    screen.press("q");
    expect_restored(&screen, &lab.server);
}

/// One that is there and says nothing is named; with it the facts come back.
#[test]
fn it_tells_of_an_agent_that_does_not_answer() {
    let lab = counting();
    let screen = Screen::of_root(lab.server.namespace(), 80, 24);
    start(&screen);
    screen.expect("an agent", |text| text.contains("agent 0."));
    let all = lab.server.namespace().processes();
    let agent = all.iter().find(|p| p.cmdline.ends_with("hhnet agent"));
    let agent = Pid::from_raw(agent.expect("it is running").pid);
    kill(agent, Signal::SIGSTOP).expect("it is running");
    screen.expect("the trouble", |text| {
        text.contains(&format!(
            "no news: the agent, process {agent}, does not answer"
        ))
    });
    kill(agent, Signal::SIGCONT).expect("it is there");
    screen.expect("news", |text| !text.contains("no news"));
    screen.press("q");
    expect_restored(&screen, &lab.server);
}

/// A user's keys reach it, whatever sudo does with terminals.
#[test]
fn a_user_has_the_same_by_sudo() {
    for rules in [sudo::ALLOWED, sudo::REPLACED, sudo::IN_A_TERMINAL] {
        let lab = counting();
        sudo::rules(lab.server.namespace(), rules);
        let screen = Screen::of_nobody(lab.server.namespace(), 80, 24);
        start(&screen);
        screen.expect("facts", |text| text.contains("BOUND") && text.contains(NIC));
        screen.resize(70, 15);
        screen.press("3");
        screen.expect("another table", |text| {
            text.contains("no duplicates among") && text.lines().count() == 15
        });
        screen.press("q");
        expect_restored(&screen, &lab.server);
    }
}

/// What keeps it from beginning is said once the terminal is in order.
#[test]
fn what_is_in_the_way_is_said() {
    let lab = counting();
    let line = "top";
    assert_refusal(
        line,
        &lab.server.hhnet(line),
        &["terminal", "status --watch"],
    );
    sudo::rules(lab.server.namespace(), sudo::REFUSED);
    let screen = Screen::of_nobody(lab.server.namespace(), 80, 24);
    screen.run(&format!("{} top; echo status $?", binary().display()));
    screen.expect("the reason", |text| {
        text.contains("Error: becoming root: sudo has refused") && text.contains("status 1")
    });
}
