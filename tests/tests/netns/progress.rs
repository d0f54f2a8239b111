// SPDX-License-Identifier: Apache-2.0
//! How far a command is: told on a terminal, and nowhere else.

use std::process::Stdio;

use hhnet_tests::dhcp::{Answer, FabricDhcp, Kind};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::{Host, binary};
use hhnet_tests::namespace::unprivileged;
use hhnet_tests::sudo;
use hhnet_tests::terminal::Terminal;

/// A server whose DHCP server ignores the first two DISCOVERs. Dropped in this order.
struct Lab {
    server: Host,
    dhcp: FabricDhcp,
    _segment: Segment,
}

fn lab() -> Lab {
    let segment = Segment::new();
    let dhcp = segment.fabric_dhcp(Segment::subnet());
    let mut ignored = 0;
    dhcp.answer(move |request| {
        ignored += u32::from(request.kind == Kind::Discover);
        match request.kind {
            Kind::Discover if ignored <= 2 => Answer::Silence,
            _ => Answer::Normal,
        }
    });
    Lab {
        server: segment.server(),
        dhcp,
        _segment: segment,
    }
}

/// The lines of a terminal, each with its time taken off, and the times.
fn story(text: &str) -> (Vec<f64>, Vec<String>) {
    let timed = |line: &str| {
        let (time, said) = line.split_once(" s  ")?;
        // A terminal of sudo's own before the user's adds another carriage return.
        Some((time.trim().parse::<f64>().ok()?, said.trim_end().to_owned()))
    };
    text.lines().filter_map(timed).unzip()
}

#[track_caller]
fn expect_story(lab: &Lab, text: &str) {
    let (times, said) = story(text);
    // Three, unless the server was slow to answer the third.
    let asked = lab.dhcp.received(Kind::Discover).len();
    let again = (2..=asked).map(|number| format!("DISCOVER sent, ×{number}"));
    let mut expected = vec!["enp2s1: link up".to_owned(), "DISCOVER sent".to_owned()];
    expected.extend(again);
    expected.extend([
        "OFFER of 10.0.1.10 from 10.0.1.1".to_owned(),
        "REQUEST sent".to_owned(),
        "ACK of 10.0.1.10 from 10.0.1.1".to_owned(),
    ]);
    assert!(asked >= 3, "{text}");
    assert_eq!(said, expected, "{text}");
    assert!(times.is_sorted(), "{times:?}");
    // Two pauses of about a second.
    let took = times.last().expect("lines");
    assert!((1.0..10.0).contains(took), "{times:?}");
    assert!(!text.contains('\x1b'), "{text:?}");
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest < Some(80), "{text}");
}

/// Line by line, each with its time, and then the answer.
#[test]
fn a_terminal_is_told_how_far_it_is() {
    let lab = lab();
    let terminal = Terminal::new(80, 24);
    let mut command = lab.server.hhnet_command(&format!("dhcp {NIC} --xdp=off"));
    let status = terminal.start(&mut command).wait().expect("own child");
    assert!(status.success());
    let text = terminal.text_until("10.0.1.10/24");
    expect_story(&lab, &text);
}

/// Where the answer goes into a pipe, nothing else does.
#[test]
fn stdout_is_the_answer_alone_all_the_same() {
    let lab = lab();
    let terminal = Terminal::new(80, 24);
    let mut command = lab.server.hhnet_command(&format!("dhcp {NIC} --xdp=off"));
    command.stdin(Stdio::null()).stderr(terminal.line());
    let output = command.output().expect("hhnet");
    assert!(output.status.success());
    assert_eq!(output.stdout, b"10.0.1.10/24\n");
    expect_story(&lab, &terminal.text_until("ACK of 10.0.1.10 from 10.0.1.1"));
}

/// A user's command becomes root by sudo, in a terminal of sudo's own or in his.
#[test]
fn a_user_is_told_as_well() {
    for rules in [sudo::ALLOWED, sudo::IN_A_TERMINAL] {
        let lab = lab();
        sudo::rules(lab.server.namespace(), rules);
        let terminal = Terminal::new(80, 24);
        // The shell stays: the terminal of one that has ended forgets its last lines.
        let line = format!("{} dhcp {NIC} --xdp=off; read -r _", binary().display());
        let mut shell = lab.server.namespace().command("sh");
        unprivileged(shell.args(["-c", &line]));
        let mut shell = terminal.log_in(&mut shell);
        expect_story(&lab, &terminal.text_until("10.0.1.10/24"));
        terminal.type_in("\n");
        shell.wait().expect("own child");
    }
}

/// Scripts hear nothing, but for what has gone wrong.
#[test]
fn a_pipe_is_told_nothing() {
    let lab = lab();
    let output = lab.server.hhnet(&format!("dhcp {NIC} --xdp=off"));
    assert_eq!(output.stdout, "10.0.1.10/24\n");
    assert_eq!(output.stderr, "");
    assert!(output.ok());
}
