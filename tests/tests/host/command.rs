// SPDX-License-Identifier: Apache-2.0
//! hhnet as a command: by ssh, as a user who is not root.

use hhnet_tests::fabric::Connection;
use hhnet_tests::machine::Machine;

use crate::Lab;

/// Without a verb, or with one that is unknown: usage on stderr, nothing on stdout.
#[test]
fn usage_goes_to_stderr() {
    let machine = Machine::new();
    for line in [
        "/opt/bin/hhnet",
        "/opt/bin/hhnet bogus",
        "/opt/bin/hhnet --help",
    ] {
        let output = machine.ssh(line);
        assert_eq!((output.code(), output.stdout.as_str()), (1, ""), "{line}");
        assert!(output.stderr.contains("Usage"), "{line}: {}", output.stderr);
    }
}

/// Cleaning up what is clean succeeds, without an answer and soon.
#[test]
fn cleanup_twice_on_a_clean_machine() {
    let machine = Machine::new();
    for _ in 0..2 {
        let output = machine.ssh("/opt/bin/hhnet cleanup").success("cleanup");
        assert_eq!(output.stdout, "");
        assert!(output.took.as_secs() < 5, "{:?}", output.took);
    }
}

/// The virtual addresses of the loopback interface, IPv4 first, without being root.
#[test]
fn getvips_lists_global_addresses_of_lo() {
    let machine = Machine::new();
    assert_eq!(machine.ssh_must("/opt/bin/hhnet getvips"), "");
    machine.must("ip addr add 2001:db8::1/128 dev lo; ip addr add 10.0.5.1/32 dev lo");
    assert_eq!(
        machine.ssh_must("/opt/bin/hhnet getvips"),
        "10.0.5.1/32\n2001:db8::1/128\n"
    );
}

/// The answer is the prefix alone.
#[test]
fn bond_answers_with_the_prefix_alone() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let output = lab
        .machine
        .ssh("/opt/bin/hhnet bond 1001 layer2+3 enp2s1 enp2s2");
    assert_eq!(output.success("hhnet bond").stdout, "10.0.1.10/24\n");
}
