// SPDX-License-Identifier: Apache-2.0
//! One cable between two machines, dnsmasq at its far end: from the start of a client to
//! the address on its interface.

use std::net::Ipv4Addr;
use std::thread;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde_json::Value;

use super::client::Client;
use super::observe::{AddressWatch, Capture};
use super::report::{Column, Figure, Samples, Table};
use super::{machine, milliseconds, usage, wall_clock};
use crate::dhcp::{Daemon, Pool, Software};
use crate::namespace::Namespace;
use crate::wait::{self, PATIENCE};

/// The client's end of the cable.
pub(super) const INTERFACE: &str = "eth0";

/// The server's end.
pub(super) const PORT: &str = "port";

/// The server.
pub(super) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

/// What it leases, a new address for each run.
pub(super) const RANGE: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 0, 1, 10), Ipv4Addr::new(10, 0, 9, 250)];

/// The slowest client takes seven seconds, and longer where an offer was lost.
const DEADLINE: Duration = Duration::from_secs(60);

/// From the address to the last packet and the last allocation of a client.
const SETTLING: Duration = Duration::from_millis(300);

/// Both machines.
pub(super) struct Cable {
    pub(super) client: Namespace,
    pub(super) server: Namespace,
    runs: usize,
}

/// How one run went.
pub(super) struct Run {
    /// From the start of the client to the address, in milliseconds.
    pub(super) to_address: f64,
    /// From its DISCOVER to the address.
    from_discover: f64,
    /// From its start to its end, if it ended: hhnet's answer.
    to_answer: Option<f64>,
    packets: usize,
    cpu: f64,
    resident: f64,
}

impl Cable {
    /// Lays it; IPv6 is off on both ends, so that all packets are those of the lease.
    pub(super) fn new() -> Self {
        usage::adopt_orphans();
        let [client, server] = ["client", "server"].map(Namespace::new);
        for end in [&client, &server] {
            end.sysctl("net/ipv6/conf/default/disable_ipv6", "1");
        }
        let path = client.path();
        server.ip_batch(&format!(
            "link add {PORT} type veth peer name {INTERFACE} netns {path}
             addr add {GATEWAY}/16 dev {PORT}
             link set {PORT} up"
        ));
        machine::furnish(&client);
        Self {
            client,
            server,
            runs: 0,
        }
    }

    /// Lets a client that nobody knows lease an address, once.
    pub(super) fn run(&mut self, client: Client) -> Run {
        self.runs += 1;
        let mac = self.new_mac();
        machine::renew(&self.client, self.runs, client, INTERFACE);
        let watch = AddressWatch::open(&self.client);
        let capture = Capture::open(&self.server, PORT);
        let mut command = client.command(&self.client, INTERFACE);
        let cpu_before = usage::cpu_time();

        let started = wall_clock();
        let mut child = machine::start(&self.client, &mut command);
        let address = watch.next(INTERFACE, DEADLINE).unwrap_or_else(|| {
            let words = machine::words(&self.client);
            panic!("{}: no address after {DEADLINE:?}\n{words}", client.name())
        });
        let answered = (client == Client::Hhnet).then(|| {
            let status = child.wait().expect("own child can be waited for");
            let at = wall_clock();
            assert!(status.success(), "{}", machine::words(&self.client));
            at
        });
        thread::sleep(SETTLING);

        let resident = usage::resident_mb(&self.client);
        let traffic = capture.traffic_of(mac);
        usage::end(&self.client);
        let discovered = traffic.discovered.expect("a DISCOVER precedes an address");
        Run {
            to_address: milliseconds(started, address),
            from_discover: milliseconds(discovered, address),
            to_answer: answered.map(|at| milliseconds(started, at)),
            packets: traffic.frames,
            cpu: milliseconds(cpu_before, usage::cpu_time()),
            resident,
        }
    }

    /// Gives the interface a MAC that it never had, and no address.
    fn new_mac(&self) -> [u8; 6] {
        let [high, low] = u16::try_from(self.runs).expect("few runs").to_be_bytes();
        let mac = [0x0c, 0x20, 0x12, 0xff, high, low];
        let text = mac.map(|byte| format!("{byte:02x}")).join(":");
        self.client.ip_batch(&format!(
            "link set {INTERFACE} down
             addr flush dev {INTERFACE}
             link set {INTERFACE} address {text}
             link set {INTERFACE} up"
        ));
        wait::until("carrier", PATIENCE, || {
            let link = self.client.must("ip -json link show dev eth0");
            let link: Value = serde_json::from_str(&link).expect("ip prints JSON");
            link[0]["operstate"] == "UP"
        });
        mac
    }
}

/// Measures every client `rounds` times, in turns. Returns the table and the figures.
///
/// # Panics
/// When a client gets no address.
pub fn veth(rounds: usize) -> (String, Vec<String>) {
    let mut cable = Cable::new();
    let mut pool = Pool::of(GATEWAY).leased_for(24 * 60 * 60);
    pool.subnet = Ipv4Net::new_assert(GATEWAY, 16).trunc();
    pool.range = RANGE[0]..=RANGE[1];
    let _dnsmasq = Daemon::start(Software::Dnsmasq, &cable.server, PORT, &pool);
    let mut runs: [Vec<Run>; Client::ALL.len()] = Default::default();
    for round in 0..rounds {
        // There and back: what a client leaves the kernel to do is not always the same
        // other one's burden.
        for turn in 0..Client::ALL.len() {
            let place = match round % 2 {
                0 => turn,
                _ => Client::ALL.len() - 1 - turn,
            };
            runs[place].push(cable.run(Client::ALL[place]));
        }
    }
    (table(&runs), figures(&runs))
}

fn table(runs: &[Vec<Run>; Client::ALL.len()]) -> String {
    const COLUMNS: [Column; 6] = [
        Column("exec to address, ms", 1),
        Column("DISCOVER to address, ms", 1),
        Column("exec to answer, ms", 1),
        Column("packets sent", 0),
        Column("CPU, ms", 1),
        Column("RSS, MB", 1),
    ];
    let mut table = Table::new("client", &COLUMNS);
    for (client, runs) in Client::ALL.into_iter().zip(runs) {
        let cells = [
            Samples::of(runs, |run| Some(run.to_address)),
            Samples::of(runs, |run| Some(run.from_discover)),
            Samples::of(runs, |run| run.to_answer),
            Samples::of(runs, |run| Some(run.packets as f64)),
            Samples::of(runs, |run| Some(run.cpu)),
            Samples::of(runs, |run| Some(run.resident)),
        ];
        table.row(client.name(), &cells);
    }
    table.to_string()
}

fn figures(runs: &[Vec<Run>; Client::ALL.len()]) -> Vec<String> {
    let median = |client: Client, value: fn(&Run) -> f64| {
        let place = Client::ALL.iter().position(|other| *other == client);
        let runs = &runs[place.expect("every client is measured")];
        Samples::of(runs, |run| Some(value(run))).median()
    };
    let ratio = |other, value| median(Client::Hhnet, value) / median(other, value);
    let hhnet = |value| median(Client::Hhnet, value);
    [
        (
            "exec_to_address/networkd",
            ratio(Client::Networkd, |run| run.to_address),
            1.0,
        ),
        (
            "exec_to_address/udhcpc",
            ratio(Client::Udhcpc, |run| run.to_address),
            0.7,
        ),
        (
            "discover_to_address/networkd",
            ratio(Client::Networkd, |run| run.from_discover),
            0.5,
        ),
        ("agent_rss_mb", hhnet(|run| run.resident), 10.0),
        ("packets_per_lease", hhnet(|run| run.packets as f64), 2.0),
        ("cpu_ms_per_lease", hhnet(|run| run.cpu), 20.0),
    ]
    .map(|(name, value, goal)| Figure { name, value, goal }.to_string())
    .to_vec()
}
