// SPDX-License-Identifier: Apache-2.0
//! The Debian package: what it brings, and that nothing stays when it goes.

use std::fs;

use hhnet_tests::fabric::Connection;
use hhnet_tests::machine::Machine;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{BOND, Lab, ON_BOND, ON_VLAN, VLAN, secs};

const PACKAGE: &str = "/opt/hhnet.deb";
const PROGRAM: &str = "/usr/bin/hhnet";
const CONFIG: &str = "/etc/hhnet.conf";
const LOG: &str = "/var/log/hhnet.log";

/// All that a package can leave behind; logs are of this machine's other tests as well.
const FILES: &str = "find /etc /home /opt /root /usr /var -xdev \
    -not -path '/var/lib/dpkg*' -not -path '/var/log/*' -not -path '/var/tmp/*' | sort";

/// The package on a machine, which lacks dpkg's database, until it is purged or the test
/// is over.
struct Installed<'a> {
    machine: &'a Machine,
    before: String,
}

impl<'a> Installed<'a> {
    fn on(machine: &'a Machine) -> Self {
        let before = machine.must(FILES);
        machine.must("mkdir -p /var/lib/dpkg/info /var/lib/dpkg/updates /var/lib/dpkg/triggers");
        machine.must("touch /var/lib/dpkg/status");
        let installed = Self { machine, before };
        installed.install();
        installed
    }

    /// Over an older one, too, of which this cannot be told.
    fn install(&self) {
        self.machine
            .must(&format!("dpkg --force-confold -i {PACKAGE}"));
    }

    #[track_caller]
    fn purge(&self) {
        self.machine.must("dpkg --purge hhnet");
        assert_eq!(self.machine.must(FILES), self.before);
        for path in [LOG, "/var/log/hhnet.log.1", "/run/hhnet"] {
            assert!(!fs::exists(path).expect("/ can be read"), "{path} is left");
        }
    }
}

impl Drop for Installed<'_> {
    fn drop(&mut self) {
        self.machine.root("dpkg --purge hhnet");
    }
}

/// A user has everything after installing it, keeps his network when it is upgraded, and
/// nothing at all when it is purged.
#[test]
fn a_package_comes_with_everything_and_goes_without_a_trace() {
    let lab = Lab::dnsmasq(Connection::Eslag);
    let machine = &lab.machine;
    let package = Installed::on(machine);
    let version = machine.ssh_must("hhnet --version");
    assert_eq!(version, machine.hhnet("--version"));
    for file in [
        "/usr/share/man/man1/hhnet.1.gz",
        "/usr/share/man/man1/hhnet-bond.1.gz",
        "/usr/share/bash-completion/completions/hhnet",
        "/usr/share/doc/hhnet/copyright",
    ] {
        assert!(fs::exists(file).expect("/ can be read"), "no {file}");
    }
    let unit = "/usr/lib/systemd/system/hhnet.service";
    let verified = machine.root(&format!("systemd-analyze verify {unit}"));
    assert!(verified.ok(), "{}", verified.stderr);
    assert!(
        !verified.stderr.contains("hhnet.service"),
        "{}",
        verified.stderr
    );
    let enabled = machine.root("systemctl is-enabled hhnet").stdout;
    assert_eq!(enabled.trim(), "disabled");
    // Every line of what is installed is a comment.
    let config = machine.read(CONFIG);
    assert!(config.lines().all(|line| line.starts_with('#')), "{config}");

    let answer = machine.ssh_must(&format!("{PROGRAM} {BOND}"));
    assert_eq!(answer, "10.0.1.10/24\n");
    let agents = machine.processes_of(PROGRAM);
    assert_eq!(agents.len(), 1, "{agents:?}");
    package.install();
    assert_eq!(machine.processes_of(PROGRAM), agents, "upgraded");
    machine.expect_addresses(ON_BOND, secs(0), &["10.0.1.10/24"]);
    package.purge();
    assert_eq!(machine.processes_of(PROGRAM), [] as [i32; 0]);
    assert!(machine.addresses(ON_BOND).is_empty());
    assert!(!machine.links().contains(&"bond0".to_owned()));
}

/// Its service goes on over an upgrade, and ends with the network when it is removed. What
/// was written into the file stays until it is purged.
#[test]
fn the_packages_service_is_upgraded_and_removed() {
    let lab = Lab::dnsmasq(Connection::Unbundled);
    let machine = &lab.machine;
    let package = Installed::on(machine);
    fs::write(CONFIG, format!("{VLAN}\n")).expect("/etc can be written");
    machine.must("systemctl enable --now hhnet");
    machine.expect_addresses(ON_VLAN, PATIENCE, &["10.0.1.10/24"]);
    let agent = machine.must("systemctl show hhnet -p MainPID --value");
    package.install();
    machine.expect_addresses(ON_VLAN, secs(0), &["10.0.1.10/24"]);
    let next = machine.must("systemctl show hhnet -p MainPID --value");
    assert_ne!(next, agent, "the service was not restarted");
    machine.must("dpkg --remove hhnet");
    assert!(machine.addresses(ON_VLAN).is_empty());
    wait::until("the service has ended", PATIENCE, || {
        machine.processes_of(PROGRAM).is_empty()
    });
    assert_eq!(machine.read(CONFIG), VLAN);
    package.purge();
}
