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

/// A command, and whether a line that it prints is right.
type View = (&'static str, fn(&str) -> bool);

const VIEWS: [View; 5] = [
    ("ip -o addr show scope global", |line| {
        line.contains(" enp2s0 ") || line.contains(" docker0 ")
    }),
    ("ip route show table all proto dhcp", |line| {
        line.contains(" dev enp2s0 ")
    }),
    ("ip rule show", |line| {
        let tables = ["local", "main", "default"];
        let lookup = line.trim_end().split_once("from all lookup ");
        lookup.is_some_and(|(_, table)| tables.contains(&table))
    }),
    ("ip -d -o link show", |line| !line.contains("xdp")),
    ("timedatectl show-timesync", |line| {
        let servers = ["LinkNTPServers=", "RuntimeNTPServers="];
        let servers = servers.iter().find_map(|key| line.strip_prefix(key));
        servers.is_none_or(str::is_empty)
    }),
];

/// `IFF_UP` of a link's flags.
const UP: u32 = 1;

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
            found.extend(self.views_left());
            let tc = xdp::all_classifiers(&self.namespace, &PORTS);
            found.extend(tc.iter().map(|(link, left)| format!("{link}: {left}")));
        }
        found
    }

    /// Ports are what they were: up, alone, networkd's.
    fn ports_left(&self) -> Vec<String> {
        let mut found = Vec::new();
        for port in PORTS {
            let flags = self.link(port, "flags");
            let flags = u32::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
            let mtu = self.link(port, "mtu");
            let is_member = Path::new("/sys/class/net")
                .join(port)
                .join("master")
                .exists();
            if flags & UP == 0 || mtu != "1500" || is_member {
                found.push(format!(
                    "{port}: flags {flags:#x}, MTU {mtu}, member: {is_member}"
                ));
            }
            if !self.is_managed(port) {
                found.push(format!("networkd calls {port} {}", self.setup(port)));
            }
        }
        found
    }

    fn views_left(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (command, is_right) in VIEWS {
            let shown = self.namespace.run(command).stdout;
            let wrong = shown.lines().filter(|line| !is_right(line));
            found.extend(wrong.map(|line| format!("{command}: {line}")));
        }
        let names = self.read("/etc/resolv.conf");
        let wrong = names.lines().filter(|line| line.starts_with("nameserver"));
        found.extend(wrong.map(|line| format!("/etc/resolv.conf: {line}")));
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
        self.processes_of(HHNET)
    }

    /// The processes that run a program, even one that has been replaced since.
    pub fn processes_of(&self, program: &str) -> Vec<i32> {
        let entries = fs::read_dir("/proc").expect("/proc is mounted").flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid: &i32| {
            let exe = fs::read_link(Path::new("/proc").join(pid.to_string()).join("exe"));
            exe.is_ok_and(|exe| exe.to_string_lossy().starts_with(program))
        })
        .collect()
    }

    /// Makes the machine as it was, by other means than hhnet's.
    pub(super) fn restore(&self) {
        if self.residue().is_empty() {
            return;
        }
        for pid in self.hhnet_processes() {
            self.root(&format!("kill -KILL {pid}"));
        }
        self.root(RESTORE);
        self.expect_clean("restoring the machine");
    }

    /// Waits until nothing is left.
    ///
    /// # Panics
    /// When something is, with all of it.
    #[track_caller]
    pub fn expect_clean(&self, after: &str) {
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
