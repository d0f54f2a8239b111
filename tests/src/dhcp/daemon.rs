// SPDX-License-Identifier: Apache-2.0
//! Real DHCP servers: the same pool, served by whichever software a test names.

use std::env;
use std::fs;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ipnet::Ipv4Net;

use super::{dnsmasq, isc, kea, udhcpd};
use crate::namespace::Namespace;
use crate::process::Running;
use crate::wait::{self, PATIENCE};

/// What the world's networks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Software {
    /// dnsmasq; no lease of it is shorter than two minutes.
    Dnsmasq,
    /// ISC dhcpd 4.4.
    Isc,
    /// Kea 2.2, which is to replace it.
    Kea,
    /// busybox udhcpd, the smallest one.
    Udhcpd,
}

/// What a server leases.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The clients' router; the server itself, unless there is a relay.
    pub server: Ipv4Addr,
    /// The clients' subnet, whose mask they get.
    pub subnet: Ipv4Net,
    /// What may be leased.
    pub range: RangeInclusive<Ipv4Addr>,
    /// What is the server's to lease, but for nobody.
    pub closed: Option<RangeInclusive<Ipv4Addr>>,
    /// The server's own subnet, where a relay stands between it and the clients.
    pub own_subnet: Option<Ipv4Addr>,
    /// Lease time (option 51).
    pub lease: Duration,
    /// T1 and T2 (options 58 and 59).
    pub times: Option<(Duration, Duration)>,
    /// More of it, in the words of the software: arguments of dnsmasq, statements
    /// of a subnet of dhcpd, lines of udhcpd's file.
    pub more: Vec<String>,
}

impl Pool {
    /// Leases of two minutes from .10 to .99 of the server's /24.
    pub fn of(server: Ipv4Addr) -> Self {
        Self {
            server,
            subnet: Ipv4Net::new_assert(server, 24).trunc(),
            range: in_subnet(server, 10)..=in_subnet(server, 99),
            closed: None,
            own_subnet: None,
            lease: Duration::from_secs(120),
            times: None,
            more: Vec::new(),
        }
    }

    /// The same, to be renewed and rebound after so many seconds, which also
    /// dnsmasq can say.
    pub fn renewed_after(mut self, renewal: u64, rebinding: u64) -> Self {
        self.times = Some((Duration::from_secs(renewal), Duration::from_secs(rebinding)));
        self
    }

    /// The same, with leases of so many seconds.
    pub fn leased_for(mut self, seconds: u64) -> Self {
        self.lease = Duration::from_secs(seconds);
        self
    }

    /// Another pool of the subnet: an address out of the original one is refused.
    pub fn moved(mut self) -> Self {
        self.closed = Some(self.range);
        self.range = in_subnet(self.server, 150)..=in_subnet(self.server, 159);
        self
    }

    /// The same, for clients behind a relay; the server itself is in this /24.
    pub fn behind_relay(mut self, own_subnet: Ipv4Addr) -> Self {
        self.own_subnet = Some(own_subnet);
        self
    }

    /// The same, and what `lines` say in the words of the software.
    pub fn with(mut self, lines: &[&str]) -> Self {
        self.more
            .extend(lines.iter().map(|line| (*line).to_owned()));
        self
    }
}

fn in_subnet(server: Ipv4Addr, host: u8) -> Ipv4Addr {
    let [a, b, c, _] = server.octets();
    Ipv4Addr::new(a, b, c, host)
}

/// The files of one server, in the machine's own /run.
pub(super) struct Files {
    pub(super) config: String,
    pub(super) leases: String,
    pub(super) pid: String,
}

impl Files {
    fn of(interface: &str) -> Self {
        let file = |kind: &str| format!("/run/dhcp-server-{interface}.{kind}");
        Self {
            config: file("conf"),
            leases: file("leases"),
            pid: file("pid"),
        }
    }
}

/// A server, until dropped.
#[derive(Debug)]
pub struct Daemon {
    software: Software,
    interface: String,
    process: Running,
    /// What earlier processes of it said.
    past: String,
}

impl Daemon {
    /// Serves `pool` on `interface` of the machine, without any lease yet.
    ///
    /// # Panics
    /// When the software is not there or does not take to the pool.
    pub fn start(software: Software, namespace: &Namespace, interface: &str, pool: &Pool) -> Self {
        let files = Files::of(interface);
        namespace.enter(|| fs::write(&files.leases, "").expect("/run is writable"));
        Self {
            software,
            interface: interface.to_owned(),
            process: launch(software, namespace, interface, pool),
            past: String::new(),
        }
    }

    /// Ends the server; its leases stay in its file.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Starts it anew, with the leases it had.
    pub fn start_again(&mut self, namespace: &Namespace, pool: &Pool) {
        self.stop();
        self.past += &self.process.stderr();
        self.process = launch(self.software, namespace, &self.interface, pool);
    }

    /// Starts it anew, as if its disk had been replaced: without any lease.
    pub fn forget(&mut self, namespace: &Namespace, pool: &Pool) {
        self.stop();
        let files = Files::of(&self.interface);
        namespace.enter(|| fs::write(&files.leases, "").expect("/run is writable"));
        self.start_again(namespace, pool);
    }

    /// What it did so far, in its own words.
    pub fn log(&self) -> String {
        format!("{}{}", self.past, self.process.stderr())
    }

    /// How many requests a dnsmasq has acknowledged: all that there were, once it has said so.
    ///
    /// # Panics
    /// When one of them stays unanswered.
    #[track_caller]
    pub fn acknowledged(&self) -> usize {
        let count = |kind: &str| self.log().matches(kind).count();
        wait::until("all requests are acknowledged", PATIENCE, || {
            count("DHCPACK(") > 0 && count("DHCPREQUEST(") == count("DHCPACK(")
        });
        count("DHCPACK(")
    }

    /// Whether its file of leases says that somebody has the address.
    pub fn has_leased(&self, namespace: &Namespace, address: Ipv4Addr) -> bool {
        let files = Files::of(&self.interface);
        match self.software {
            Software::Dnsmasq => dnsmasq::has_leased(namespace, &files, address),
            Software::Isc => isc::has_leased(namespace, &files, address),
            Software::Kea => kea::has_leased(namespace, &files, address),
            Software::Udhcpd => udhcpd::has_leased(namespace, &files, address),
        }
    }
}

fn launch(software: Software, namespace: &Namespace, interface: &str, pool: &Pool) -> Running {
    let files = Files::of(interface);
    let (mut command, ready) = match software {
        Software::Dnsmasq => dnsmasq::command(namespace, interface, pool, &files),
        Software::Isc => isc::command(namespace, interface, pool, &files),
        Software::Kea => kea::command(namespace, interface, pool, &files),
        Software::Udhcpd => udhcpd::command(namespace, interface, pool, &files),
    };
    start_until(&mut command, ready)
}

/// Starts a server and waits until it says that it is `ready`.
#[track_caller]
pub(super) fn start_until(command: &mut Command, ready: &str) -> Running {
    let mut process = Running::start(command);
    let started = wait::poll(PATIENCE, || {
        let ended = process.ended().is_some();
        (ended || process.stderr().contains(ready)).then_some(!ended)
    });
    assert_eq!(
        started,
        Some(true),
        "{command:?} does not start:\n{}",
        process.stderr()
    );
    process
}

/// A program of the servers that `cargo xtask setup` has unpacked.
///
/// # Panics
/// When it is not there: a test without its server must not pass.
pub(crate) fn unpacked(program: &str) -> PathBuf {
    unpacked_in(("HHNET_DHCP_SERVERS", "servers"), program)
}

/// The same, of what is unpacked elsewhere: where a variable says, else under
/// `target/peers` by a name of its own.
///
/// # Panics
/// As [`unpacked`].
pub(super) fn unpacked_in((variable, name): (&str, &str), file: &str) -> PathBuf {
    let peers = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers"));
    let root = env::var_os(variable).map_or_else(|| peers.join(name).join("root"), PathBuf::from);
    let path = root.join(file);
    assert!(
        path.is_file(),
        "{} is not there; `cargo xtask setup` fetches it",
        path.display()
    );
    path
}

/// Writes a configuration file.
pub(super) fn configure(namespace: &Namespace, files: &Files, text: &str) {
    namespace.enter(|| fs::write(&files.config, text).expect("/run is writable"));
}
