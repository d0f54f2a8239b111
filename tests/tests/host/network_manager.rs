// SPDX-License-Identifier: Apache-2.0
//! A machine whose network is NetworkManager's instead of networkd's.

use hhnet_tests::fabric::Connection;
use hhnet_tests::machine::Machine;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{BOND, Lab, ON_BOND, secs};

/// NetworkManager in networkd's place, until dropped.
struct InCharge<'a>(&'a Machine);

impl<'a> InCharge<'a> {
    fn start(machine: &'a Machine) -> Self {
        machine.must(
            "systemctl stop systemd-networkd.socket systemd-networkd.service
             systemctl unmask NetworkManager.service
             systemctl start NetworkManager.service",
        );
        wait::until("NetworkManager knows the ports", PATIENCE, || {
            machine
                .root("nmcli -g GENERAL.STATE device show enp2s1")
                .stdout
                .starts_with(['1', '3', '5', '7'])
        });
        Self(machine)
    }
}

impl Drop for InCharge<'_> {
    fn drop(&mut self) {
        self.0.root(
            "systemctl stop NetworkManager.service
             systemctl mask NetworkManager.service
             rm -rf /run/NetworkManager
             systemctl start systemd-networkd.service",
        );
    }
}

/// It leaves alone what is hhnet's, and takes back what is not any more.
#[test]
#[expect(clippy::print_stderr, reason = "a test that does not run says so")]
fn network_manager_leaves_the_links_alone() {
    let lab = Lab::model(Connection::Eslag, |_| ());
    if !lab.machine.root("command -v nmcli").ok() {
        assert!(lab.machine.systemd() >= 257, "Debian 12 has NetworkManager");
        eprintln!("skipped: no NetworkManager here");
        return;
    }
    let in_charge = InCharge::start(&lab.machine);
    assert_eq!(lab.machine.hhnet(BOND), "10.0.1.10/24\n");
    let asked = lab.dhcp.requests().len();
    wait::throughout(secs(10), "the lease and the bond are there", || {
        lab.machine.addresses(ON_BOND) == ["10.0.1.10/24"]
            && lab.machine.link("enp2s1", "master/ifindex") == lab.machine.link("bond0", "ifindex")
            && lab.machine.link("enp2s2", "master/ifindex") == lab.machine.link("bond0", "ifindex")
    });
    assert_eq!(lab.dhcp.requests().len(), asked);
    let devices = lab.machine.must("nmcli -t -f DEVICE,STATE device");
    for link in ["bond0", ON_BOND] {
        let is_ours = devices
            .lines()
            .any(|line| line == format!("{link}:unmanaged"));
        let files = lab.machine.must("head -n 20 /run/NetworkManager/conf.d/*");
        assert!(is_ours, "{link} is not left alone:\n{devices}\n{files}");
    }
    lab.machine.hhnet("cleanup");
    wait::until("NetworkManager has its ports back", PATIENCE, || {
        let state = lab
            .machine
            .root("nmcli -g GENERAL.STATE device show enp2s1")
            .stdout;
        !state.contains("unmanaged")
    });
    drop(in_charge);
}
