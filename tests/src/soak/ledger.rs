// SPDX-License-Identifier: Apache-2.0
//! What the kernel holds, before and after.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;

use super::bpf::{self, Kind, Object};
use crate::namespace::Namespace;
use crate::wait::{self, PATIENCE};

/// What there is at one moment.
#[derive(Debug)]
pub struct Ledger {
    objects: BTreeSet<Object>,
    /// Packet sockets of the machine.
    packet_sockets: usize,
    /// Unix sockets of the machine.
    unix_sockets: usize,
    processes: usize,
    /// Memory that could be used, in kB.
    available: u64,
    /// Memory of the kernel that it cannot give back, in kB: slabs and what each CPU has.
    kernel: u64,
}

impl Ledger {
    /// Of a machine, and the kernel it shares with others.
    pub fn of(namespace: &Namespace) -> Self {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kilobytes = |key: &str| -> u64 {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(key));
            let value = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            value.unwrap_or(0)
        };
        Self {
            objects: bpf::objects(),
            packet_sockets: sockets(namespace, "packet"),
            unix_sockets: sockets(namespace, "unix"),
            processes: namespace.processes().len(),
            available: kilobytes("MemAvailable:"),
            kernel: kilobytes("SUnreclaim:") + kilobytes("Percpu:"),
        }
    }

    /// Kernel memory that came since `before`, in kB.
    pub fn growth(&self, before: &Self) -> i64 {
        self.kernel.cast_signed() - before.kernel.cast_signed()
    }

    /// Waits until nothing is left that was not there before: no socket and no process of
    /// the machine, and no eBPF object that no process has. Returns what there is then.
    ///
    /// # Panics
    /// When something stays.
    pub fn expect_nothing_more(&self, namespace: &Namespace) -> Self {
        let mut left = String::new();
        let clean = wait::poll(PATIENCE, || {
            let (now, held) = (Self::of(namespace), bpf::held());
            let orphans = now.objects.difference(&self.objects);
            let orphans: Vec<_> = orphans.filter(|object| !held.contains(object)).collect();
            left = format!("{now}; held by nobody: {orphans:?}");
            let is_clean = orphans.is_empty()
                && now.packet_sockets <= self.packet_sockets
                && now.unix_sockets <= self.unix_sockets
                && now.processes <= self.processes;
            is_clean.then_some(now)
        });
        clean.unwrap_or_else(|| panic!("before: {self}\nafter: {left}"))
    }
}

/// Lines of `/proc/net/…` after the first, in the machine.
fn sockets(namespace: &Namespace, kind: &str) -> usize {
    let text = namespace.read(&format!("/proc/thread-self/net/{kind}"));
    text.unwrap_or_default().lines().skip(1).count()
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let [programs, maps, links] =
            [Kind::Program, Kind::Map, Kind::Link].map(|kind| bpf::count(&self.objects, kind));
        write!(
            f,
            "{programs} programs, {maps} maps, {links} links, {} packet sockets, {} unix \
             sockets, {} processes, kernel {} KB, available {} KB",
            self.packet_sockets, self.unix_sockets, self.processes, self.kernel, self.available
        )
    }
}
