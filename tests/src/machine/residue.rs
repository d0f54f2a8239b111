// SPDX-License-Identifier: Apache-2.0
//! What a test may leave of hhnet on the machine: nothing.

use std::fs;
use std::path::Path;

use super::{HHNET, Machine};
use crate::host::RUNTIME_DIR;
use crate::wait::{self, PATIENCE};
use crate::xdp;

/// The links that belong to the machine.
pub const OWN_LINKS: [&str; 6] = ["docker0", "enp2s0", "enp2s1", "enp2s2", "enp2s3", "lo"];

/// Those of them that have a cable to the fabric.
pub const PORTS: [&str; 3] = ["enp2s1", "enp2s2", "enp2s3"];

/// Where networkd is told what to do with a link until the machine goes down.
const NETWORK_FILES: &str = "/run/systemd/network";

impl Machine {
    /// What is left, as sentences.
    pub fn residue(&self) -> Vec<String> {
        let mut found = self.links_left();
        // What follows asks for links that may be missing now.
        if found.is_empty() {
            found.extend(self.ports_left());
            found.extend(self.addresses_left());
            found.extend(self.programs_left());
        }
        found.extend(self.files_left());
        found.extend(self.processes_left());
        found.extend(self.names_left());
        found
    }

    fn links_left(&self) -> Vec<String> {
        let links = self.links();
        let foreign = links
            .iter()
            .filter(|link| !OWN_LINKS.contains(&link.as_str()));
        let missing = OWN_LINKS
            .iter()
            .filter(|own| !links.iter().any(|link| link == *own));
        let foreign = foreign.map(|link| format!("link {link} is left"));
        foreign
            .chain(missing.map(|link| format!("link {link} is missing")))
            .collect()
    }

    /// Ports are what they were: up, alone, networkd's.
    fn ports_left(&self) -> Vec<String> {
        let mut found = Vec::new();
        for port in PORTS {
            let shown = self.must(&format!("ip -o link show dev {port}"));
            let is_up = shown.contains(",UP") || shown.contains("<UP");
            let is_free = !shown.contains(" master ") && shown.contains(" mtu 1500 ");
            if !is_up || !is_free {
                found.push(format!("not as it was: {}", shown.trim()));
            }
            if !self.is_managed(port) {
                found.push(format!("networkd calls {port} {}", self.setup(port)));
            }
        }
        found
    }

    fn addresses_left(&self) -> Vec<String> {
        let global = self.must("ip -o addr show scope global");
        let foreign = |line: &&str| {
            !["enp2s0", "docker0"]
                .map(|own| line.contains(own))
                .contains(&true)
        };
        let routes = self.must("ip route show table all proto dhcp");
        let rules = self.must("ip rule show");
        let address = global
            .lines()
            .filter(foreign)
            .map(|line| format!("address: {line}"));
        let route = routes
            .lines()
            .filter(foreign)
            .map(|line| format!("route: {line}"));
        let rule = rules.lines().filter(|rule| {
            !rule.trim_end().ends_with("lookup local")
                && !rule.contains("from all lookup main")
                && !rule.contains("from all lookup default")
        });
        address
            .chain(route)
            .chain(rule.map(|rule| format!("rule: {rule}")))
            .collect()
    }

    fn programs_left(&self) -> Vec<String> {
        let shown = self.must("ip -d -o link show");
        let xdp = shown.lines().filter(|line| line.contains("xdp"));
        let tc = xdp::all_classifiers(&self.namespace, &PORTS);
        xdp.map(|line| format!("XDP: {line}"))
            .chain(
                tc.iter()
                    .map(|(link, left)| format!("on {link} is left: {left}")),
            )
            .collect()
    }

    fn files_left(&self) -> Vec<String> {
        let list = |dir: &str| {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            let paths = entries.map(|entry| entry.path().display().to_string());
            paths.collect::<Vec<_>>()
        };
        let mut files = list(NETWORK_FILES);
        files.retain(|file| file.contains("hhnet"));
        files.extend(list(RUNTIME_DIR));
        files
            .iter()
            .map(|file| format!("file {file} is left"))
            .collect()
    }

    /// Processes whose program is hhnet, even one that has been replaced since; and what
    /// systemd was made to know about them.
    fn processes_left(&self) -> Vec<String> {
        let units = self.must("systemctl list-units --all --plain --no-legend 'hhnet*'");
        let units = units.lines().map(|unit| format!("unit: {unit}"));
        let processes = self.hhnet_processes();
        let processes = processes.iter().map(|pid| format!("process {pid} is left"));
        processes.chain(units).collect()
    }

    /// The processes that run hhnet.
    pub fn hhnet_processes(&self) -> Vec<i32> {
        let entries = fs::read_dir("/proc").expect("/proc is mounted").flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &i32| {
            let program = fs::read_link(Path::new("/proc").join(pid.to_string()).join("exe"));
            program.is_ok_and(|program| program.to_string_lossy().starts_with(HHNET))
        })
        .collect()
    }

    fn names_left(&self) -> Vec<String> {
        let file = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let servers = file.lines().filter(|line| line.starts_with("nameserver"));
        let times = self.root("timedatectl show-timesync").stdout;
        let times = times.lines().filter(|line| {
            ["LinkNTPServers=", "RuntimeNTPServers="].iter().any(|key| {
                line.strip_prefix(key)
                    .is_some_and(|servers| !servers.is_empty())
            })
        });
        servers
            .chain(times)
            .map(|line| format!("name server or time server: {line}"))
            .collect()
    }

    /// Makes the machine as it was, by other means than hhnet's, if it is not.
    pub(super) fn restore(&self) {
        if self.residue().is_empty() {
            return;
        }
        let pids = self.hhnet_processes();
        for pid in pids {
            self.root(&format!("kill -KILL {pid}"));
        }
        self.root(
            "systemctl stop 'hhnet*'; systemctl reset-failed
             rm -rf /run/hhnet /run/systemd/network/*hhnet* /run/NetworkManager/conf.d/*hhnet*
             for link in $(ls /sys/class/net); do
               case $link in
                 lo|docker0|enp2s?|enp3s?|bonding_masters) ;;
                 *) ip link del $link ;;
               esac
             done
             ip addr flush dev lo scope global
             for port in enp2s1 enp2s2 enp2s3; do
               for side in xdpgeneric xdpdrv; do ip link set $port $side off; done
               tc qdisc del dev $port clsact
               ip addr flush dev $port; ip link set $port mtu 1500
             done
             systemctl restart systemd-resolved systemd-timesyncd systemd-networkd",
        );
        let mut left = Vec::new();
        let clean = wait::poll(PATIENCE, || {
            left = self.residue();
            left.is_empty().then_some(())
        });
        assert!(
            clean.is_some(),
            "an earlier test has left:\n{}",
            left.join("\n")
        );
    }
}
