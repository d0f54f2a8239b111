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

/// Where networkd and systemd are told something until the machine goes down.
const VOLATILE: [&str; 2] = ["/run/systemd/network", "/run/systemd/transient"];

/// Each line of it is right as it is, or residue.
const VIEWS: &str = "
    ip -o addr show scope global | grep -v ' enp2s0\\| docker0' | sed 's/^/address: /'
    ip route show table all proto dhcp | grep -v 'enp2s0' | sed 's/^/route: /'
    ip rule show | grep -v 'from all lookup \\(local\\|main\\|default\\)' | sed 's/^/rule: /'
    ip -d -o link show | grep xdp | sed 's/^/XDP: /'
    timedatectl show-timesync | grep '^\\(Link\\|Runtime\\)NTPServers=.' | sed 's/^/time: /'
    grep '^nameserver' /etc/resolv.conf | sed 's/^/names: /'
    true";

/// Makes the machine as it was, whatever was done to it.
const RESTORE: &str = "
    systemctl stop 'hhnet*'
    systemctl reset-failed
    rm -rf /run/hhnet /run/systemd/network/*hhnet* /run/NetworkManager/conf.d/*hhnet*
    for link in $(ls /sys/class/net); do
        case $link in
            lo | docker0 | enp2s? | enp3s? | bonding_masters) ;;
            *) ip link del $link ;;
        esac
    done
    ip addr flush dev lo scope global
    for port in enp2s1 enp2s2 enp2s3; do
        for side in xdpgeneric xdpdrv; do ip link set $port $side off; done
        tc qdisc del dev $port clsact
        ip addr flush dev $port
        ip link set $port mtu 1500
    done
    systemctl restart systemd-resolved systemd-timesyncd systemd-networkd";

impl Machine {
    /// What is left, as sentences.
    pub fn residue(&self) -> Vec<String> {
        let mut found = links_left(&self.links());
        found.extend(self.files_left());
        let processes = self.hhnet_processes();
        found.extend(processes.iter().map(|pid| format!("process {pid} is left")));
        // What follows looks closer at links that may be missing, and takes longer.
        if found.is_empty() {
            found.extend(self.ports_left());
            found.extend(self.must(VIEWS).lines().map(str::to_owned));
            let tc = xdp::all_classifiers(&self.namespace, &PORTS);
            found.extend(tc.iter().map(|(link, left)| format!("{link}: {left}")));
        }
        found
    }

    /// Ports are what they were: up, alone, networkd's.
    fn ports_left(&self) -> Vec<String> {
        let mut found = Vec::new();
        let shown = self.must("ip -o link show");
        for port in PORTS {
            let line = shown
                .lines()
                .find(|line| line.contains(&format!(" {port}: ")));
            let line = line.unwrap_or_default();
            let is_free = !line.contains(" master ") && line.contains(" mtu 1500 ");
            if !line.contains("UP") || !is_free {
                found.push(format!("{port} is not as it was: {line}"));
            }
            if !self.is_managed(port) {
                found.push(format!("networkd calls {port} {}", self.setup(port)));
            }
        }
        found
    }

    fn files_left(&self) -> Vec<String> {
        let mut files: Vec<_> = VOLATILE.into_iter().flat_map(files).collect();
        files.retain(|file| file.contains("hhnet"));
        files.extend(self::files(RUNTIME_DIR));
        files
            .iter()
            .map(|file| format!("file {file} is left"))
            .collect()
    }

    /// The processes that run hhnet, even one that has been replaced since.
    pub fn hhnet_processes(&self) -> Vec<i32> {
        let entries = fs::read_dir("/proc").expect("/proc is mounted").flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &i32| {
            let program = fs::read_link(Path::new("/proc").join(pid.to_string()).join("exe"));
            program.is_ok_and(|program| program.to_string_lossy().starts_with(HHNET))
        })
        .collect()
    }

    /// Makes the machine as it was, by other means than hhnet's.
    pub(super) fn restore(&self) {
        for pid in self.hhnet_processes() {
            self.root(&format!("kill -KILL {pid}"));
        }
        self.root(RESTORE);
        self.expect_clean("restoring the machine");
    }

    /// Waits until nothing is left.
    #[track_caller]
    pub(super) fn expect_clean(&self, after: &str) {
        let mut left = Vec::new();
        let clean = wait::poll(PATIENCE, || {
            left = self.residue();
            left.is_empty().then_some(())
        });
        assert!(clean.is_some(), "after {after}:\n{}", left.join("\n"));
    }
}

fn links_left(links: &[String]) -> Vec<String> {
    let is_own = |link: &&String| OWN_LINKS.contains(&link.as_str());
    let foreign = links.iter().filter(|link| !is_own(link));
    let is_missing = |own: &&&str| !links.iter().any(|link| link == **own);
    let missing = OWN_LINKS.iter().filter(is_missing);
    foreign
        .map(|link| format!("link {link} is left"))
        .chain(missing.map(|link| format!("link {link} is missing")))
        .collect()
}

fn files(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path().display().to_string())
        .collect()
}
