// SPDX-License-Identifier: Apache-2.0
//! One agent with a thousand leases. Needs root, and the machine for itself.

use std::collections::HashMap;
use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hhnet_tests::dhcp::{Daemon, Pool, Software};
use hhnet_tests::fabric::{NIC, PORT, Segment};
use hhnet_tests::host::{self, Host};
use hhnet_tests::monitor::{Event, Monitor};
use hhnet_tests::namespace::Namespace;
use hhnet_tests::wait;
use ipnet::Ipv4Net;

/// Interfaces, each with a lease of its own.
const LEASES: u32 = 1000;

/// Lease time in seconds; each lease is renewed at half of it.
const LEASE: u64 = 16;

/// For how many lease times none may be lost.
const ROUNDS: u32 = 3;

/// Commands that run at once, as many as keep the agent busy.
const COMMANDS: u32 = 8;

/// The server's address; the leases are those of 10.8.1.0 and what follows.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 1);

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 8, 1, 0)) + number)
}

fn mac(number: u32) -> String {
    format!("02:00:00:00:{:02x}:{:02x}", number >> 8, number & 0xff)
}

/// Makes `mac0`, `mac1`, … on the server's interface. A thousand interfaces of one
/// segment in one machine must answer ARP each for itself alone, and would overflow
/// the kernel's one table of neighbours, if those were not fixed.
fn interfaces(server: &Host, gateway: &str) {
    server
        .namespace()
        .sysctl("net/ipv4/conf/all/arp_ignore", "1");
    server
        .namespace()
        .sysctl("net/ipv6/conf/default/disable_ipv6", "1");
    let mut lines = String::new();
    for number in 0..LEASES {
        let mac = mac(number);
        let _ = writeln!(
            lines,
            "link add link {NIC} name mac{number} address {mac} type macvlan mode private\n\
             link set mac{number} up\n\
             neigh add {SERVER} lladdr {gateway} dev mac{number} nud permanent"
        );
        server.owns(&format!("mac{number}"));
    }
    server.namespace().ip_batch(&lines);
}

/// ISC's server, with a fixed address for each interface.
fn serve(segment: &Segment) -> Daemon {
    let mut neighbours = format!("addr add {SERVER}/16 dev {PORT}\n");
    let mut hosts = String::new();
    for number in 0..LEASES {
        let (mac, address) = (mac(number), address(number));
        let _ = writeln!(
            hosts,
            "host mac{number} {{ hardware ethernet {mac}; fixed-address {address}; }}"
        );
        let _ = writeln!(
            neighbours,
            "neigh add {address} lladdr {mac} dev {PORT} nud permanent"
        );
    }
    segment.router().ip_batch(&neighbours);
    let mut pool = Pool::of(SERVER).leased_for(LEASE);
    pool.subnet = Ipv4Net::new_assert(SERVER, 16).trunc();
    pool.more.push(hosts);
    Daemon::start(Software::Isc, segment.router(), PORT, &pool)
}

/// Leases all addresses, by as many commands, and checks the answers.
fn lease_all(machine: &Namespace) {
    let next = AtomicU32::new(0);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= LEASES {
                return;
            }
            let mut command = machine.command(host::binary());
            command.args(["dhcp", &format!("mac{number}"), "--xdp=off"]);
            let output = command.output().expect("hhnet can be started");
            let answer = String::from_utf8_lossy(&output.stdout).into_owned();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(answer, format!("{}/16\n", address(number)), "{said}");
        }
    };
    thread::scope(|scope| {
        for _ in 0..COMMANDS {
            scope.spawn(work);
        }
    });
}

/// What a process has used so far.
struct Usage {
    /// Resident memory, in bytes.
    memory: u64,
    processor: Duration,
}

impl Usage {
    fn of(pid: i32) -> Self {
        let read = |name: &str| {
            fs::read_to_string(format!("/proc/{pid}/{name}")).expect("the agent is alive")
        };
        let status = read("status");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok());
        let stat = read("stat");
        // utime and stime, the 14th and 15th field, in hundredths of a second; the
        // second one is a name in parentheses.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = ticks.filter_map(|field| field.parse::<u64>().ok()).sum();
        Self {
            memory: 1024 * resident.unwrap_or(0_u64),
            processor: Duration::from_millis(10 * ticks),
        }
    }
}

/// How often each address was set, and with it its lifetime.
fn times_set(monitor: &Monitor) -> HashMap<Ipv4Addr, u32> {
    let mut times = HashMap::new();
    for event in monitor.events() {
        if let Event::AddressSet(address, _) = event {
            *times.entry(address).or_default() += 1;
        }
    }
    times
}

fn agent(server: &Host) -> i32 {
    let processes = server.hhnet_processes();
    let agent = processes.iter().find(|p| p.cmdline.ends_with(" agent"));
    agent.expect("there is an agent").pid
}

#[test]
fn a_thousand_leases_are_renewed_for_three_lease_times_and_none_is_lost() {
    let segment = Segment::new();
    let server = segment.server();
    let link = segment
        .router()
        .must(&format!("cat /sys/class/net/{PORT}/address"));
    interfaces(&server, link.trim());
    let _daemon = serve(&segment);
    let monitor = Monitor::of(server.namespace());

    let started = Instant::now();
    lease_all(server.namespace());
    let leasing = started.elapsed();
    let (pid, leased) = (agent(&server), times_set(&monitor));
    let before = Usage::of(pid);

    let period = Duration::from_secs(LEASE) * ROUNDS;
    wait::throughout(period, "no lease is lost", || monitor.losses().is_empty());
    let after = Usage::of(pid);
    let renewed = times_set(&monitor);
    let mut renewals = 0;
    for number in 0..LEASES {
        let times = |of: &HashMap<_, u32>| of.get(&address(number)).copied().unwrap_or(0);
        let since = times(&renewed) - times(&leased);
        // At half of the lease time, give or take a twenty-fifth of that.
        assert!(
            since >= 2 * ROUNDS - 1,
            "mac{number}: renewed {since} times"
        );
        renewals += since;
    }
    report(leasing, &before, &after, renewals);
    assert!(after.memory < before.memory + (4 << 20), "it grows");
}

#[expect(clippy::print_stdout, reason = "the figures are what the test is for")]
fn report(leasing: Duration, before: &Usage, after: &Usage, renewals: u32) {
    let per = |time: Duration, number: u32| (time / number).as_micros();
    println!(
        "{LEASES} leases in {:.1} s; {:.1} MB, {} KB a lease; \
         {} us of processor a lease, {} us a renewal ({renewals} of them)",
        leasing.as_secs_f64(),
        after.memory as f64 / 1e6,
        after.memory / 1000 / u64::from(LEASES),
        per(before.processor, LEASES),
        per(after.processor - before.processor, renewals),
    );
}
