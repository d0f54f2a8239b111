// SPDX-License-Identifier: Apache-2.0
//! Readers of metrics who hold connections, send slowly, too much, or the wrong thing.
//! Meanwhile leases are renewed and commands are answered.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hhnet_tests::dhcp::{FabricDhcp, Kind};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::Host;
use hhnet_tests::http;
use hhnet_tests::monitor::Monitor;
use hhnet_tests::wait::{self, PATIENCE};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn, connect, socket};

use super::{SLOWEST, agent, descriptors, memory, renewed_often};

/// As many as the limit of descriptors leaves room for, at most.
const CONNECTIONS: u64 = 10_000;

/// For how long each attack goes on: some renewals.
const ATTACK: Duration = Duration::from_secs(5);

/// Descriptors of an agent with a lease, programs and 16 readers.
const DESCRIPTORS: usize = 120;

fn metrics() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 19478).into()
}

/// A server with a lease that is renewed every two seconds.
struct Lab {
    server: Host,
    dhcp: FabricDhcp,
    _segment: Segment,
}

impl Lab {
    fn new() -> Self {
        let segment = Segment::new();
        let dhcp = segment.fabric_dhcp(renewed_often());
        let server = segment.server();
        server.must(&format!("dhcp {NIC}"));
        Self {
            server,
            dhcp,
            _segment: segment,
        }
    }

    /// Has some threads attack, each again and again, and looks how the agent is meanwhile.
    fn withstands(&self, threads: usize, attack: impl Fn() + Sync) {
        let pid = agent(&self.server);
        let (before, monitor) = (memory(pid), Monitor::of(self.server.namespace()));
        let renewals = || self.dhcp.received(Kind::Renew).len();
        let (renewed, over, attacks) = (renewals(), AtomicBool::new(false), AtomicU32::new(0));
        let mut slowest = Duration::ZERO;
        let machine = self.server.namespace();
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let again = || {
                        while !over.load(Ordering::Relaxed) {
                            attack();
                            attacks.fetch_add(1, Ordering::Relaxed);
                        }
                    };
                    machine.enter(again);
                });
            }
            let began = Instant::now();
            while began.elapsed() < ATTACK {
                let asked = Instant::now();
                let status = self.server.hhnet("status");
                slowest = slowest.max(asked.elapsed());
                if !status.ok() || descriptors(pid) > DESCRIPTORS {
                    break;
                }
            }
            over.store(true, Ordering::Relaxed);
        });
        assert!(attacks.load(Ordering::Relaxed) > 0, "nobody has attacked");
        assert!(descriptors(pid) <= DESCRIPTORS);
        assert!(slowest < SLOWEST, "status took {slowest:?}");
        wait::until("it was renewed twice", PATIENCE, || {
            renewals() >= renewed + 2
        });
        assert_eq!(monitor.losses(), []);
        let grown = memory(pid).saturating_sub(before);
        assert!(grown < 4 << 20, "the agent has grown by {grown} bytes");
        // And who means well is answered again, at once or when it is his turn.
        wait::until("metrics are served", 2 * PATIENCE, || {
            let answer = http::get(self.server.namespace(), metrics(), "/metrics", &[]);
            answer.is_ok_and(|answer| answer.status == 200)
        });
        assert_eq!(agent(&self.server), pid);
    }
}

fn say(text: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&metrics(), Duration::from_secs(1)).ok()?;
    stream.write_all(text).ok()?;
    Some(stream)
}

/// Slowloris: a header line now and then.
#[test]
fn requests_that_never_end() {
    let lab = Lab::new();
    lab.withstands(32, || {
        let Some(mut stream) = say(b"GET /metrics HTTP/1.1\r\n") else {
            return;
        };
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(1) && stream.write_all(b"A: b\r\n").is_ok() {
            thread::sleep(Duration::from_millis(20));
        }
    });
}

/// Requests as fast as they are taken: good ones, of the wrong sort, too long, and in a row.
#[test]
fn requests_of_every_sort_as_fast_as_possible() {
    let lab = Lab::new();
    let turn = AtomicU32::new(0);
    let filler = "x".repeat(1 << 20);
    let requests = [
        "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000),
        format!(
            "POST /metrics HTTP/1.1\r\nContent-Length: {}\r\n\r\n{filler}",
            filler.len()
        ),
        format!("GET /metrics HTTP/1.1\r\nCookie: {filler}\r\n\r\n"),
        format!("GET /{filler} HTTP/1.1\r\n\r\n"),
        "PUT /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n".to_owned(),
    ];
    lab.withstands(4, || {
        let turn = turn.fetch_add(1, Ordering::Relaxed) as usize;
        // Without reading what is answered.
        drop(say(requests[turn % requests.len()].as_bytes()));
    });
}

/// A connection that is there or about to be.
fn open() -> Option<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Inet, SockType::Stream, flags, None).ok()?;
    match connect(socket.as_raw_fd(), &SockaddrIn::new(127, 0, 0, 1, 19478)) {
        Ok(()) | Err(nix::Error::EINPROGRESS) => Some(socket),
        Err(_) => None,
    }
}

#[test]
fn ten_thousand_connections_that_say_nothing() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("up to the hard one");
    // Tests beside this one need some.
    let wanted = CONNECTIONS.min(most.saturating_sub(500)) as usize;
    let lab = Lab::new();
    let open = || (0..wanted).map_while(|_| open()).collect::<Vec<_>>();
    let held = lab.server.namespace().enter(open);
    assert!(held.len() >= 9_000, "{} of {wanted}", held.len());
    // Those whose time is over are taken up again.
    lab.withstands(1, || {
        drop(say(b"GET"));
    });
    drop(held);
}
