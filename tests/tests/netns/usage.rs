// SPDX-License-Identifier: Apache-2.0
//! How hhnet explains itself: usage goes to stderr, never to stdout.

use hhnet_tests::fabric::PointToPoint;
use hhnet_tests::process::Output;

#[track_caller]
fn assert_usage(line: &str, output: &Output) {
    assert_eq!(output.stdout, "", "hhnet {line}");
    assert!(
        output.stderr.to_lowercase().contains("usage"),
        "hhnet {line}:\n{}",
        output.stderr
    );
}

/// No verb, an unknown verb and a cry for help are answered by the usage text
/// on stderr and exit status 1, also for an unprivileged user.
#[test]
fn no_verb_an_unknown_verb_and_help_show_the_usage() {
    let lab = PointToPoint::new();
    for line in ["", "bogus", "--help"] {
        for output in [lab.server.hhnet(line), lab.server.hhnet_as_nobody(line)] {
            assert_usage(line, &output);
            assert_eq!(output.code(), 1, "hhnet {line}");
        }
    }
}

/// A verb with too few arguments shows its usage, fails and makes no link.
#[test]
fn too_few_arguments_show_the_usage() {
    let lab = PointToPoint::new();
    let before = lab.server.snapshot();
    for line in [
        "bond",
        "bond 1001",
        "bond 1001 layer2+3",
        "vlan 1000",
        "p2p enp2s1 10.0.1.0/31",
    ] {
        let output = lab.server.hhnet(line);
        assert_usage(line, &output);
        assert!(!output.ok(), "hhnet {line}");
    }
    lab.server.expect_unchanged(&before);
}

/// `--mtu` is no interface: a bond needs at least one.
#[test]
fn a_bond_of_nothing_but_an_mtu_is_refused() {
    let lab = PointToPoint::new();
    let output = lab.server.hhnet("bond 1001 layer2+3 --mtu=9036");
    assert!(!output.ok());
    assert_eq!(output.stdout, "");
    let expected = "Error: at least one interface required for bond";
    assert!(
        output.stderr.lines().any(|line| line == expected),
        "{}",
        output.stderr
    );
}

/// `--version` is an answer: it goes to stdout and names the program.
#[test]
fn version_is_printed_to_stdout() {
    let lab = PointToPoint::new();
    let answer = lab.server.must("--version");
    assert!(answer.starts_with("hhnet "), "{answer}");
    assert_eq!(answer.lines().count(), 1, "{answer}");
}
