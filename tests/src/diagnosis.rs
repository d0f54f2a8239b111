// SPDX-License-Identifier: Apache-2.0
//! What hhnet says when something is wrong: `hhnet diagnose` at any time, and a
//! command that has got no address.

use serde_json::Value;

use crate::host::{Host, VERB_DEADLINE};
use crate::process::Running;
use crate::wait::{self, PATIENCE};

/// What `hhnet diagnose --json` says, and that it fits the exit status.
///
/// # Panics
/// When it is no JSON, or contradicts itself.
#[track_caller]
pub fn diagnose(server: &Host) -> Value {
    let output = server.hhnet("diagnose --json");
    let said: Value = serde_json::from_str(&output.stdout)
        .unwrap_or_else(|e| panic!("hhnet diagnose --json: {e}\n{output:?}"));
    assert_eq!(said["schema"], 1, "{said}");
    let findings = said["findings"].as_array().expect("findings");
    let is_wrong = |finding: &Value| finding["severity"] == "wrong";
    let healthy = !findings.iter().any(is_wrong);
    assert_eq!(said["healthy"], healthy, "{said}");
    assert_eq!(output.code(), i32::from(!healthy), "{output:?}");
    said
}

/// The most likely cause, of which `hhnet diagnose` has so far found one.
pub fn first_cause(said: &Value) -> Option<&str> {
    said["findings"][0]["cause"].as_str()
}

/// Waits until `hhnet diagnose` finds that `cause` is the most likely one.
#[track_caller]
pub fn expect_cause(server: &Host, cause: &str) -> Value {
    let mut said = Value::Null;
    let found = wait::poll(PATIENCE, || {
        said = diagnose(server);
        (first_cause(&said) == Some(cause)).then_some(())
    });
    show(cause, &said, "");
    assert!(found.is_some(), "{cause} was expected");
    said
}

/// Runs `hhnet LINE`, by which `interface` gets no address because of `cause`. While it
/// waits, and when it has failed, that is said. Returns what it has said in the end,
/// after the name of the interface.
///
/// # Panics
/// When it succeeds, or does not say so.
#[track_caller]
pub fn in_vain(server: &Host, line: &str, interface: &str, cause: &str) -> String {
    let mut command = Running::start(&mut server.hhnet_command(line));
    let mut said = Value::Null;
    let ended = wait::poll(VERB_DEADLINE, || {
        let now = diagnose(server);
        let is_found = first_cause(&now) == Some(cause);
        if is_found || said.is_null() {
            said = now;
        }
        (is_found || command.ended().is_some()).then_some(())
    });
    assert!(ended.is_some(), "neither found nor ended");
    let status = command.wait(VERB_DEADLINE);
    // The status of the end is the last that is said.
    wait::until("all that is said", PATIENCE, || {
        command.stderr().contains("\n  agent ")
    });
    let (stdout, stderr) = (command.stdout(), command.stderr());
    assert!(!status.success() && stdout.is_empty(), "{stdout}{stderr}");
    assert!(stderr.lines().count() <= 20, "{stderr}");
    let begin = format!("Failed to get IP address for {interface}: ");
    let told = stderr.strip_prefix(&begin);
    let told = told.unwrap_or_else(|| panic!("no {begin:?} in front of\n{stderr}"));
    show(cause, &said, &stderr);
    assert_eq!(first_cause(&said), Some(cause), "{stderr}");
    told.to_owned()
}

/// Of a failed test the facts are shown; with `--nocapture` always, as a situation for
/// the unit tests of hhnet's rules.
#[expect(clippy::print_stderr, reason = "the report of a failed test")]
fn show(cause: &str, said: &Value, stderr: &str) {
    eprintln!("{cause}: {}\n{stderr}", said["facts"]);
}
