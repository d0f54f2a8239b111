// SPDX-License-Identifier: Apache-2.0
//! A machine that is not as it should be: whatever can go on goes on, one line says what
//! is not as it was asked for, and the exit status says whether there is an address.

use hhnet_tests::dhcp::FabricDhcp;
use hhnet_tests::fabric::Connection;
use hhnet_tests::machine::Machine;
use hhnet_tests::process::Output;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{Lab, ON_VLAN, VLAN, parse};

/// A machine put out of order, and in order again when dropped.
struct Broken<'a> {
    machine: &'a Machine,
    mend: &'static str,
}

impl<'a> Broken<'a> {
    fn by(machine: &'a Machine, line: &str, mend: &'static str) -> Self {
        machine.must(line);
        Self { machine, mend }
    }
}

impl Drop for Broken<'_> {
    fn drop(&mut self) {
        // In the machine's own words should it fail: the next test finds out.
        self.machine.root(self.mend);
    }
}

/// A VLAN whose lease brings name and time servers.
fn lab() -> Lab<FabricDhcp> {
    Lab::model(Connection::Unbundled, |subnet| {
        subnet.dns = vec![parse("1.1.1.1")];
        subnet.ntp = subnet.dns.clone();
    })
}

/// Runs `hhnet vlan`, which has to answer. Returns what it says besides.
#[track_caller]
fn answers(machine: &Machine) -> Vec<String> {
    let output: Output = machine.ssh(&format!("/opt/bin/hhnet {VLAN}"));
    assert_eq!(
        (output.code(), output.stdout.as_str()),
        (0, "10.0.1.10/24\n"),
        "{output:?}"
    );
    assert_eq!(machine.addresses(ON_VLAN), ["10.0.1.10/24"]);
    output.stderr.lines().map(str::to_owned).collect()
}

#[test]
fn a_user_without_rights_changes_nothing() {
    let lab = lab();
    let before = lab.machine.must("ip -o link; ip -o addr; ls /run");
    for verb in [VLAN, "cleanup", "p2p enp2s1 10.0.1.0/31 10.0.1.1"] {
        let output = lab.machine.root(&format!(
            "setpriv --reuid=nobody --clear-groups -- /opt/bin/hhnet {verb}"
        ));
        assert_eq!(
            (output.code(), output.stdout.as_str()),
            (1, ""),
            "{output:?}"
        );
        let ours = output.stderr.lines().last().unwrap_or_default();
        assert!(
            ours.starts_with("Error: ") && ours.contains("sudo"),
            "{output:?}"
        );
    }
    let after = lab.machine.must("ip -o link; ip -o addr; ls /run");
    // Lifetimes of the management lease run on.
    let steady = |text: &str| -> Vec<String> {
        let words = text.lines().map(|line| line.split("valid_lft").next());
        words.flatten().map(str::to_owned).collect()
    };
    assert_eq!(steady(&after), steady(&before));
    let vips = lab
        .machine
        .root("setpriv --reuid=nobody --clear-groups -- /opt/bin/hhnet getvips");
    assert_eq!((vips.code(), vips.stdout.as_str()), (0, ""), "{vips:?}");
}

/// Networkd is told by way of systemd itself, from version 253 on.
#[test]
fn without_a_bus_there_is_an_address() {
    let lab = lab();
    let can_reload = lab.machine.systemd() >= 253;
    let _broken = Broken::by(
        &lab.machine,
        "mount -t tmpfs none /run/dbus",
        "umount /run/dbus",
    );
    let said = answers(&lab.machine);
    let reload = said.iter().any(|line| line.contains("systemctl reload"));
    assert_eq!(reload, !can_reload, "{said:?}");
    let resolver = said.iter().any(|line| line.contains("systemd-resolved"));
    assert!(resolver && said.len() <= 2, "{said:?}");
    if can_reload {
        wait::until("networkd has read the file", PATIENCE, || {
            let known = "grep -l 05-hhnet-enp2s1.1001 /run/systemd/netif/links/*";
            lab.machine.root(known).ok()
        });
    }
}

#[test]
fn without_networkd_there_is_an_address_with_names_and_times() {
    let lab = lab();
    let _broken = Broken::by(
        &lab.machine,
        "systemctl mask --runtime --now systemd-networkd.service systemd-networkd.socket",
        "systemctl unmask --runtime systemd-networkd.service systemd-networkd.socket
         systemctl start systemd-networkd.service",
    );
    assert_eq!(answers(&lab.machine), [""; 0]);
    let names = lab.machine.read("/etc/resolv.conf");
    assert!(names.contains("nameserver 1.1.1.1"), "{names}");
    let times = lab.machine.must("timedatectl show-timesync");
    assert!(times.contains("RuntimeNTPServers=1.1.1.1"), "{times}");
    lab.machine.hhnet("cleanup");
    let names = lab.machine.read("/etc/resolv.conf");
    assert!(!names.contains("1.1.1.1"), "{names}");
    let times = lab.machine.must("timedatectl show-timesync");
    assert!(!times.contains("1.1.1.1"), "{times}");
}

#[test]
fn where_networkd_cannot_be_told_there_is_an_address_and_a_warning() {
    let lab = lab();
    let _broken = Broken::by(
        &lab.machine,
        "mkdir -p /run/systemd/network && mount -t tmpfs -o ro none /run/systemd/network",
        "umount /run/systemd/network",
    );
    let said = answers(&lab.machine);
    assert_eq!(said.len(), 1, "{said:?}");
    for word in ["warning: ", "/run/systemd/network/05-hhnet-", "Read-only"] {
        assert!(said[0].contains(word), "no {word}: {said:?}");
    }
}

#[test]
fn a_resolver_that_leads_nowhere_is_named() {
    let lab = lab();
    let _broken = Broken::by(
        &lab.machine,
        "ln -sf /nowhere/resolv.conf /etc/resolv.conf",
        "ln -sf ../run/systemd/resolve/resolv.conf /etc/resolv.conf",
    );
    let said = answers(&lab.machine);
    assert_eq!(said.len(), 1, "{said:?}");
    for word in [
        "warning: ",
        "name servers",
        "/etc/resolv.conf",
        "/nowhere/resolv.conf",
    ] {
        assert!(said[0].contains(word), "no {word}: {said:?}");
    }
    let left = lab.machine.must("readlink /etc/resolv.conf");
    assert_eq!(left.trim(), "/nowhere/resolv.conf", "it is somebody else's");
}
