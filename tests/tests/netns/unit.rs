// SPDX-License-Identifier: Apache-2.0
//! An agent that should be a service of systemd, where systemd is not well.

use std::os::unix::net::UnixListener;
use std::time::Duration;

use hhnet_tests::fabric::PointToPoint;
use hhnet_tests::host::{VERB_DEADLINE, assert_refusal, binary};
use hhnet_tests::process::{Output, Running, run};
use hhnet_tests::systemd::{Fate, Systemd};
use hhnet_tests::wait::{self, PATIENCE};

const P2P: &str = "p2p enp2s1 10.0.1.0/31 10.0.1.1";

/// What is logged of a bus that has had its second.
const WAITED_IN_VAIN: &str = "system_bus_socket: no answer";

/// A machine that says it was booted by systemd.
fn booted() -> PointToPoint {
    let lab = PointToPoint::new();
    lab.server
        .namespace()
        .must("mkdir -p /run/systemd/system /run/dbus");
    lab
}

/// The verb, which has to work; with what hhnet logs on stderr.
#[track_caller]
fn works(lab: &PointToPoint) -> Output {
    let mut command = lab.server.hhnet_command(P2P);
    command.env("RUST_LOG", "hhnet=debug");
    let output = run(&mut command, VERB_DEADLINE).success(P2P);
    assert_eq!(output.stdout, "10.0.1.0/31\n");
    output
}

/// Without a bus the agent is a plain process, and the log says why.
#[test]
fn no_bus_is_no_obstacle() {
    let lab = booted();
    let said = works(&lab).stderr;
    assert!(said.contains("the agent as a unit: "), "{said}");
    assert!(!said.contains(WAITED_IN_VAIN), "{said}");
    assert!(said.contains("now as a plain process"), "{said}");
}

/// What a command may take here, whose agent is started some other way. Waiting for systemd
/// would be longer: three seconds for an answer, or four for a socket.
const SOON: Duration = Duration::from_millis(2500);

/// Nor is a bus that is stuck: it gets a second.
#[test]
fn a_bus_that_never_answers_is_not_waited_for() {
    let lab = booted();
    let stuck = lab.server.namespace().enter(|| {
        let listening = UnixListener::bind("/run/dbus/system_bus_socket");
        listening.expect("/run is this machine's own")
    });
    let mut command = lab.server.hhnet_command(P2P);
    let mut command = Running::start(command.env("RUST_LOG", "hhnet=debug"));
    wait::until("another way", SOON, || {
        let said = command.stderr();
        said.contains(WAITED_IN_VAIN) && said.contains("the agent as a unit: ")
    });
    drop(stuck);
    assert!(command.wait(PATIENCE).success());
    assert_eq!(command.stdout(), "10.0.1.0/31\n");
}

/// What systemd is asked for is a service that notifies, is restarted when it was
/// killed, and forgotten when it has ended. One that does not come up is seen to
/// have failed, and a plain process takes its place.
#[test]
fn a_unit_that_fails_is_replaced_by_a_process() {
    let lab = PointToPoint::new();
    let systemd = Systemd::run(lab.server.namespace(), Fate::Is("auto-restart"));
    let output = works(&lab);
    assert!(output.took < SOON, "{:?}", output.took);
    let [(name, properties)] = &systemd.asked()[..] else {
        panic!("one unit for one agent")
    };
    let number = name.strip_prefix("hhnet-agent-").expect(name);
    let number = number.strip_suffix(".service").expect(name);
    assert!(number.parse::<u32>().is_ok(), "{name}");
    let said = output.stderr;
    assert!(
        said.contains(&format!("{name} is auto-restart; now as a plain")),
        "{said}"
    );
    for (key, value) in [
        ("Type", "notify"),
        ("Restart", "on-failure"),
        ("CollectMode", "inactive-or-failed"),
        ("StandardError", "journal"),
    ] {
        let asked: Option<&str> = properties.get(key).and_then(|is| is.try_into().ok());
        assert_eq!(asked, Some(value), "{key}");
    }
    let program = binary().canonicalize().expect("a binary");
    let start = format!("{:?}", properties["ExecStart"]);
    assert!(start.contains(&format!("{program:?}")), "{start}");
    assert!(start.contains("\"agent\""), "{start}");
}

/// A unit that systemd refuses, or that never comes up, is no obstacle either.
#[test]
fn a_unit_that_is_refused_or_never_comes_is_replaced() {
    for (fate, reason, limit) in [
        (Fate::Refused, "not today", SOON),
        (Fate::Is("start"), "does not listen", PATIENCE),
    ] {
        let lab = PointToPoint::new();
        let systemd = Systemd::run(lab.server.namespace(), fate);
        let output = works(&lab);
        assert!(output.took < limit, "{:?}", output.took);
        assert!(output.stderr.contains(reason), "{}", output.stderr);
        assert_eq!(systemd.asked().len(), 1);
    }
}

/// A command of a file that was replaced since starts the agent from the new
/// one; of one that is gone, it says so.
#[test]
fn a_file_that_was_replaced_is_started_and_one_that_is_gone_is_missed() {
    let lab = PointToPoint::new();
    let of_deleted = |then: &str| {
        let file = binary().canonicalize().expect("a binary");
        let copy = format!("cp {} /run/copy", file.display());
        let script =
            format!("{copy}; exec 9</run/copy; rm /run/copy; {then} exec /proc/self/fd/9 {P2P}");
        let mut shell = lab.server.namespace().command("sh");
        let script = script.replace("COPY", &copy);
        run(shell.args(["-c", &script]), VERB_DEADLINE)
    };
    let output = of_deleted("COPY;").success("hhnet of a replaced file");
    assert_eq!(output.stdout, "10.0.1.0/31\n");
    // A file that is being run cannot be written.
    wait::until("the agent has left", PATIENCE, || {
        lab.server.namespace().processes().is_empty()
    });
    let output = of_deleted("");
    let gone = "/run/copy (deleted): the file of this program is gone";
    assert_refusal(P2P, &output, &[gone]);
}
