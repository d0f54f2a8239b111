// SPDX-License-Identifier: Apache-2.0
//! hhnet in all of VLAB's default topology.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

use dhcproto::v4::{DhcpOption, OptionCode};
use hhnet_tests::dhcp::{Answer, Kind};
use hhnet_tests::harness::Pings;
use hhnet_tests::host::Host;
use hhnet_tests::monitor::Monitor;
use hhnet_tests::namespace::Namespace;
use hhnet_tests::packet::PacketSocket;
use hhnet_tests::process;
use hhnet_tests::stage::{Form, Stage};
use hhnet_tests::vlab::{CONNECTIONS, Connection, Dhcp, Expose, Fabric, Nat, Vpc};
use hhnet_tests::{wait, walkthrough};

use crate::secs;

const PAGE: &str = include_str!("../../../docs/walkthrough.md");

/// What the harness does: a ping for the neighbours' sake, and those that count.
fn pings(server: &Host, to: &str) -> (Pings, i32) {
    server.run(&format!("ping -c 1 -W 1 {to}"));
    let output = server.run(&format!("ping -i 0.5 -c 5 -W 1 -D {to}"));
    let pings = Pings::parse(&output.stdout).unwrap_or_else(|| panic!("{output:?}"));
    (pings, output.code())
}

#[track_caller]
fn expect_way(server: &Host, to: &str, ttl: u8) {
    let (pings, code) = pings(server, to);
    assert!(pings.all_answered(code), "{pings:?}");
    assert_eq!(
        (pings.lost(), pings.ttls, pings.duplicates),
        (vec![], vec![ttl; 5], 0)
    );
}

#[track_caller]
fn expect_no_way(server: &Host, to: &str) {
    let (pings, code) = pings(server, to);
    assert!(pings.none_answered(code), "{pings:?}");
}

/// The page is what a run has printed: all that does not depend on the moment is the same,
/// in the same order.
#[test]
fn the_walkthrough_is_as_it_is_documented() {
    let mut shown = Vec::new();
    let played = walkthrough::play(&mut Stage::new(&mut shown, Form::Markdown));
    let shown = String::from_utf8(shown).expect("text");
    played.unwrap_or_else(|wrong| panic!("{wrong}\n{shown}"));
    let shown = lasting(&shown);
    let first = PAGE.find("\n## ").expect("a chapter");
    let page = lasting(&PAGE[first..]);
    assert!(page.len() > 150, "{page:#?}");
    let differ = (0..page.len().max(shown.len())).find(|&at| page.get(at) != shown.get(at));
    if let Some(at) = differ {
        let (page, shown) = (page.get(at), shown.get(at));
        panic!(
            "cargo xtask demo --walkthrough --markdown prints anew: {shown:?} instead of {page:?}"
        );
    }
}

/// The lines of a page but for those that are another time others, without times; columns
/// are as wide as their numbers.
fn lasting(page: &str) -> Vec<String> {
    const PASSING: [&str; 11] = [
        "rtt ",
        "(DUP!)",
        " duplicates, ",
        "enp2s",
        "bond0, ",
        "apart",
        "half of",
        " ok, ",
        "FROM ",
        " × ",
        " flows)",
    ];
    let stays = |line: &&str| {
        let is_passing = |word: &&str| line.contains(word) || line.starts_with("duplication");
        line.starts_with("core@") || !PASSING.iter().any(is_passing)
    };
    let timeless = |word: &str| match word.split_once('=') {
        Some(("time", _)) => "time=".to_owned(),
        _ if word.ends_with("ms") && word.starts_with(|c: char| c.is_ascii_digit()) => "ms".into(),
        _ => word.to_owned(),
    };
    let lines = page.lines().filter(stays).map(|line| {
        let words: Vec<String> = line.split_whitespace().map(timeless).collect();
        words.join(" ")
    });
    lines.filter(|line| !line.is_empty()).collect()
}

/// Two VPCs, each with a server, with addresses.
struct Two {
    vpcs: [Vpc; 2],
    fabric: Fabric,
}

impl Two {
    fn new() -> Self {
        let fabric = Fabric::of(&[1, 9].map(|number| *Connection::of(number)));
        let vpcs = [1, 2].map(|number: u16| {
            let subnet = format!("10.0.{number}.0/24");
            fabric.create(
                &format!("vpc-{number}"),
                &subnet,
                1000 + number,
                Dhcp::Dnsmasq,
            )
        });
        for (vpc, number) in vpcs.iter().zip([1, 9]) {
            let connection = Connection::of(number);
            fabric.attach(vpc, connection);
            fabric.server(number).must(&connection.verb(vpc.vlan));
            fabric.await_lacp(connection);
        }
        Self { vpcs, fabric }
    }

    fn servers(&self) -> [&Host; 2] {
        [1, 9].map(|number| self.fabric.server(number))
    }

    fn expose(&self, nat: [Nat; 2]) -> [Expose<'_>; 2] {
        [0, 1].map(|side| Expose {
            vpc: &self.vpcs[side],
            nat: nat[side],
        })
    }
}

/// By the rules of the harness, whose pings have the time before them, and are closer.
#[test]
fn peerings_as_the_harness_sees_them() {
    let two = Two::new();
    let [one, other] = two.servers();
    expect_no_way(one, "10.0.2.10");
    let peering = two.fabric.peer(&two.vpcs[0], &two.vpcs[1]);
    expect_way(one, "10.0.2.10", 62);
    expect_way(other, "10.0.1.10", 62);
    drop(peering);
    expect_no_way(other, "10.0.1.10");
    let peering = two.fabric.peer_by_gateway(two.expose([Nat::None; 2]));
    expect_way(one, "10.0.2.10", 61);
    drop(peering);
    let subnet = |text: &str| text.parse().expect("a subnet");
    let nat = Nat::Stateless(subnet("192.168.2.0/24"));
    let peering = two.fabric.peer_by_gateway(two.expose([Nat::None, nat]));
    expect_no_way(one, "10.0.2.10");
    expect_way(one, "192.168.2.10", 61);
    drop(peering);
    let (pool, idle) = (subnet("192.168.5.40/31"), secs(30));
    let nat = Nat::Stateful { pool, idle };
    let _peering = two.fabric.peer_by_gateway(two.expose([Nat::None, nat]));
    expect_way(other, "10.0.1.10", 61);
    expect_no_way(one, "192.168.5.40");
}

/// Copies are between what the harness reads: it calls such a way a good one.
#[test]
fn copies_are_not_what_the_harness_sees() {
    let two = Two::new();
    let connection = Connection::of(1);
    two.fabric.forward_by_both(&two.vpcs[0], connection);
    let (pings, code) = pings(two.servers()[0], "10.0.1.1");
    assert!(
        pings.all_answered(code) && pings.duplicates > 0,
        "{pings:?}"
    );
}

/// All ten at once, each in a VPC of its own, as `hhfab vlab setup-vpcs` does it.
#[test]
fn every_connection_of_the_default_topology_gets_its_address() {
    let fabric = Fabric::new();
    let vpc = |connection: &Connection| {
        let number = u16::from(connection.server);
        let subnet = format!("10.0.{number}.0/24");
        let vpc = fabric.create(
            &format!("vpc-{number:02}"),
            &subnet,
            1000 + number,
            Dhcp::Fabric,
        );
        fabric.attach(&vpc, connection);
        vpc
    };
    let vpcs: Vec<Vpc> = CONNECTIONS.iter().map(vpc).collect();
    let commands = CONNECTIONS.iter().zip(&vpcs).map(|(connection, vpc)| {
        let server = fabric.server(connection.server);
        server.hhnet_command(&connection.verb(vpc.vlan))
    });
    let commands: Vec<_> = commands.collect();
    let outputs: Vec<_> = thread::scope(|scope| {
        let run = |mut command| scope.spawn(move || process::run(&mut command, secs(60)));
        let threads: Vec<_> = commands.into_iter().map(run).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| thread.join().expect("it ended");
        threads.into_iter().map(join).collect()
    });
    for (connection, output) in CONNECTIONS.iter().zip(outputs) {
        let expected = format!("10.0.{}.10/24\n", connection.server);
        assert_eq!(output.stdout, expected, "{}: {output:?}", connection.name());
    }
    for (connection, vpc) in CONNECTIONS.iter().zip(&vpcs) {
        fabric.await_lacp(connection);
        let server = fabric.server(connection.server);
        let gateway = vpc.gateway().to_string();
        let output = server.run(&format!("ping -c 3 -i 0.2 {gateway}"));
        let pings = Pings::parse(&output.stdout).expect("a summary");
        assert!(
            pings.all_answered(output.code()),
            "{}: {output:?}",
            connection.name()
        );
        assert_eq!(pings.duplicates, 0, "{}: {output:?}", connection.name());
    }
}

/// Two VPCs with one subnet, and one control node for both. Each client leases by its own
/// relay, and renews past that.
#[test]
fn clients_of_equal_subnets_lease_by_relays_and_renew_past_them() {
    let connections = [1, 3].map(|number| *Connection::of(number));
    let fabric = Fabric::of(&connections);
    let vpcs = [1001, 2001].map(|vlan| {
        let vpc = fabric.create(&format!("vpc-{vlan}"), "10.0.1.0/24", vlan, Dhcp::Fabric);
        // Long before the relay would be asked again.
        let times = vec![DhcpOption::Renewal(4), DhcpOption::Rebinding(300)];
        let dhcp = vpc.fabric_dhcp();
        dhcp.configure(|subnet| subnet.options = times);
        // dhcrelay takes what passes by for a question to itself.
        dhcp.answer(|request| {
            let is_relayed = !request.message.giaddr().is_unspecified();
            match request.kind {
                Kind::Renew if is_relayed => Answer::Silence,
                _ => Answer::Normal,
            }
        });
        vpc
    });
    let monitors = [0, 1].map(|at| {
        let (vpc, connection) = (&vpcs[at], &connections[at]);
        fabric.attach(vpc, connection);
        let server = fabric.server(connection.server);
        assert_eq!(server.must(&connection.verb(vpc.vlan)), "10.0.1.10/24\n");
        fabric.await_lacp(connection);
        Monitor::of(server.namespace())
    });
    for (vpc, monitor) in vpcs.iter().zip(monitors) {
        let dhcp = vpc.fabric_dhcp();
        let clients: BTreeSet<Vec<u8>> = dhcp
            .requests()
            .iter()
            .map(|request| request.message.chaddr().to_vec())
            .collect();
        assert_eq!(clients.len(), 1, "{clients:?}");
        let question = &dhcp.received(Kind::Discover)[0].message;
        assert_eq!(question.giaddr(), vpc.gateway());
        assert!(question.opts().contains(OptionCode::RelayAgentInformation));
        wait::until("it is renewed", wait::PATIENCE, || {
            monitor.times_set([10, 0, 1, 10].into()) > 0
        });
        assert_eq!(monitor.losses(), []);
    }
    for connection in &connections {
        expect_way(fabric.server(connection.server), "10.0.1.1", 64);
    }
}

/// A frame for everybody, of an EtherType for experiments (IEEE 802, 9.2.3), behind `tag`.
fn broadcast(from: [u8; 6], tag: &[u8], payload: &[u8]) -> Vec<u8> {
    [&[0xff; 6], &from[..], tag, &[0x88, 0xb5], payload, &[0; 46]].concat()
}

fn packet_socket(machine: &Namespace, interface: &str) -> PacketSocket {
    let socket = machine.enter(|| PacketSocket::open_both_ways(interface));
    socket.unwrap_or_else(|e| panic!("a packet socket on {interface}: {e}"))
}

/// All frames with these words, in their order, until one with the last of them comes.
#[track_caller]
fn heard<'a>(socket: &PacketSocket, words: &[&'a str]) -> Vec<&'a str> {
    let mut heard = Vec::new();
    wait::until("the last word is heard", wait::PATIENCE, || {
        while let Some(frame) = socket.receive().expect("the link is up") {
            let is_in = |word: &&&str| frame.windows(word.len()).any(|w| w == word.as_bytes());
            heard.extend(words.iter().find(is_in));
        }
        heard.last() == words.last()
    });
    heard
}

/// What it has sent by one leaf of the pair does not come back by the other.
#[test]
fn a_server_does_not_hear_itself() {
    let connection = Connection::of(1);
    let fabric = Fabric::of(&[*connection]);
    let vpc = fabric.create("vpc-1", "10.0.1.0/24", 1001, Dhcp::Dnsmasq);
    fabric.attach(&vpc, connection);
    let server = fabric.server(1);
    server.must(&connection.verb(vpc.vlan));
    fabric.await_lacp(connection);
    let [first, second] = ["enp2s1", "enp2s2"].map(|nic| packet_socket(server.namespace(), nic));
    let router = packet_socket(vpc.router(), "eth0");
    let tag = [0x81, 0x00, (vpc.vlan >> 8) as u8, vpc.vlan as u8];
    for _ in 0..3 {
        let question = broadcast(second.mac(), &tag, b"question");
        second.send(&question).expect("the cable is in use");
        heard(&router, &["question"]);
        let answer = broadcast(router.mac(), &[], b"answer");
        router.send(&answer).expect("the link is up");
        assert_eq!(heard(&first, &["question", "answer"]), ["answer"]);
    }
}

/// A server's socket with `address`, which waits for a second.
fn socket(server: &Host, address: [u8; 4]) -> UdpSocket {
    let own = SocketAddr::from((Ipv4Addr::from(address), 4000));
    let socket = server.namespace().enter(|| UdpSocket::bind(own));
    let socket = socket.expect("the server has the address");
    socket.set_read_timeout(Some(secs(1))).expect("it may wait");
    socket
}

/// What was begun from inside is answered, until nobody has said anything for a while.
#[test]
fn the_gateway_forgets_who_has_begun() {
    let two = Two::new();
    let nat = Nat::Stateful {
        pool: "192.168.5.40/31".parse().expect("a subnet"),
        idle: secs(3),
    };
    let _peering = two.fabric.peer_by_gateway(two.expose([Nat::None, nat]));
    let [outside, inside] = two.servers();
    let (outside, inside) = (
        socket(outside, [10, 0, 1, 10]),
        socket(inside, [10, 0, 2, 10]),
    );
    let mut buffer = [0; 16];
    inside
        .send_to(b"hello", "10.0.1.10:4000")
        .expect("there is a way");
    let (length, translated) = outside.recv_from(&mut buffer).expect("it has come");
    assert_eq!(&buffer[..length], b"hello");
    assert!(
        translated.to_string().starts_with("192.168.5.4"),
        "{translated}"
    );
    outside
        .send_to(b"back", translated)
        .expect("there is a way");
    let (length, from) = inside.recv_from(&mut buffer).expect("it has come back");
    assert_eq!(
        (&buffer[..length], from.to_string()),
        (&b"back"[..], "10.0.1.10:4000".into())
    );
    wait::throughout(secs(4), "nobody says anything", || {
        inside.peek(&mut buffer).is_err()
    });
    outside
        .send_to(b"late", translated)
        .expect("there is a way");
    assert!(inside.recv_from(&mut buffer).is_err(), "it has come");
}
