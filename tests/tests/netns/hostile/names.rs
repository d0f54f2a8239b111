// SPDX-License-Identifier: Apache-2.0
//! What a server may write into a lease, and where none of it may come out.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use hhnet_tests::dhcp::{Forgery, Kind};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::Host;
use hhnet_tests::http;
use hhnet_tests::process::run;
use hhnet_tests::terminal::Terminal;
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::wire::Passage;

const OFFER: u8 = 2;
const ACK: u8 = 5;
const NAK: u8 = 6;

/// Each by itself, so that one that is refused does not hide the next.
const POISONS: [&[u8]; 9] = [
    b"evil\x1b[2J\x1b]0;evil\x07",
    b"evil\nnameserver 6.6.6.6\n",
    b"evil\0evil",
    b"evil\rnameserver 6.6.6.6",
    b"evil\x9b2J",
    "evil\u{9b}2J\u{85}".as_bytes(),
    "evil\u{202e}live\u{2066}".as_bytes(),
    b"evil\xff\xfe\xc0\x80",
    b"evil\x7f\x08\x08\x08\x08",
];

/// Every option that is text (RFC 2132, RFC 3397): host name, domain, message, boot
/// server, boot file, search domains, and the two fields of the header beside them.
fn options(poison: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let label = [&[poison.len() as u8], poison, &[0]].concat();
    let mut options = vec![
        (54, vec![10, 0, 1, 1]),
        (51, vec![0, 0, 14, 16]),
        (1, vec![255, 255, 255, 0]),
        (6, vec![192, 0, 2, 53]),
        // A good name first: the list is read up to the first one that is none.
        (119, [b"\x04good\x03lab\0", &label[..]].concat()),
    ];
    options.extend([12, 15, 56, 66, 67].map(|code| (code, poison.to_vec())));
    options
}

/// A server that says what it likes.
struct Server<'a> {
    segment: &'a Segment,
    options: Vec<(u8, Vec<u8>)>,
}

impl Server<'_> {
    /// Answers the first question of a kind in a transaction that `is_meant`, and returns
    /// that. A question that is repeated is still the same one.
    fn answer(&self, question: Kind, kind: u8, is_meant: impl Fn(u32) -> bool) -> u32 {
        let wire = self.segment.wire();
        let asked = wait::poll(PATIENCE, || {
            let mut all = wire.seen(question).into_iter();
            all.find(|asked| is_meant(asked.message.xid()))
        });
        let asked: Passage = asked.unwrap_or_else(|| panic!("no {question:?}"));
        let client = asked
            .message
            .chaddr()
            .try_into()
            .expect("an Ethernet address");
        let forgery: Forgery = wire.forgery(Segment::address(1), client);
        let options: Vec<(u8, &[u8])> = self.options.iter().map(|(c, v)| (*c, &v[..])).collect();
        let address = match kind {
            NAK => Ipv4Addr::UNSPECIFIED,
            _ => Segment::address(10),
        };
        let mut reply = forgery.reply(kind, asked.message.xid(), address, &options);
        // sname and file, the fields of the header beside options 66 and 67.
        let (_, poison) = self.options.last().expect("some");
        for at in [44, 108] {
            reply[at..at + poison.len()].copy_from_slice(poison);
        }
        forgery.send(&forgery.frame(&reply, Segment::address(10)));
        asked.message.xid()
    }
}

/// Whether a byte or a character does something to a terminal or to who reads a file.
fn harm(bytes: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Some(error.to_string()),
    };
    let harmful = |c: &char| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().find(harmful).map(|c| format!("{c:?}"))
}

#[track_caller]
fn assert_harmless(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(harm(bytes), None, "{what}: {text:?}");
    for line in text.lines() {
        let forged = line.trim_start().starts_with("nameserver 6.6");
        assert!(!forged, "{what}: {text:?}");
    }
}

/// Every file that hhnet has written on the machine.
fn files(server: &Host) -> Vec<(PathBuf, Vec<u8>)> {
    fn collect(directory: &Path, into: &mut Vec<(PathBuf, Vec<u8>)>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => collect(&path, into),
                Ok(kind) if kind.is_file() => {
                    into.push((path.clone(), fs::read(path).expect("a file")))
                }
                _ => {}
            }
        }
    }
    server.namespace().enter(|| {
        let mut all = Vec::new();
        for directory in ["/run", "/var/log"] {
            collect(Path::new(directory), &mut all);
        }
        let resolver = Path::new("/etc/resolv.conf");
        all.push((resolver.to_owned(), fs::read(resolver).expect("a file")));
        all
    })
}

/// Only root names links, but so do containers' runtimes; the kernel takes any bytes.
#[test]
fn a_link_of_an_odd_name_is_shown_as_what_it_is() {
    const ODD: &str = "en\u{202e}p";
    let segment = Segment::new();
    let server = segment.server();
    server.owns(ODD);
    server.ip(&format!("link set {NIC} down"));
    server.ip(&format!("link set {NIC} name {ODD}"));
    for line in [
        format!("vlan 1001 {ODD}x"),
        format!("p2p {ODD} 10.9.0.0/31 10.9.0.1"),
        format!("p2p {ODD} 10.9.0.0/31 10.9.0.1"),
        "status".to_owned(),
        "status --json".to_owned(),
        "diagnose".to_owned(),
        "flows".to_owned(),
        "metrics".to_owned(),
    ] {
        let output = server.hhnet(&line);
        assert_harmless(&line, output.stdout.as_bytes());
        assert_harmless(&line, output.stderr.as_bytes());
        if line.starts_with("status") {
            assert!(output.stdout.contains("en\\u202ep"), "{}", output.stdout);
        }
    }
    let status: serde_json::Value =
        serde_json::from_str(&server.must("status --json")).expect("JSON");
    assert!(status.to_string().contains(ODD), "{status}");
    assert_harmless("the log", server.log().as_bytes());
    assert!(server.log().contains("p2p"), "{}", server.log());
}

/// A terminal while a lease is refused and granted, everything that is printed of it then,
/// what is served of it, and every file there is.
#[test]
fn what_a_server_writes_moves_no_cursor_and_makes_no_line() {
    let segment = Segment::with_wire(1);
    let server = segment.server();
    for (round, poison) in POISONS.into_iter().enumerate() {
        let told = Server {
            segment: &segment,
            options: options(poison),
        };
        let past = segment.wire().seen(Kind::Discover);
        let is_past = |xid| past.iter().any(|asked| asked.message.xid() == xid);
        let terminal = Terminal::new(200, 50);
        let mut verb = terminal.start(&mut server.hhnet_command(&format!("dhcp {NIC} --xdp=off")));
        let first = told.answer(Kind::Discover, OFFER, |xid| !is_past(xid));
        told.answer(Kind::Select, NAK, |xid| xid == first);
        // The server has let the client down: its offer is taken when no other comes.
        let is_new = |xid| xid != first && !is_past(xid);
        let second = told.answer(Kind::Discover, OFFER, is_new);
        told.answer(Kind::Select, ACK, |xid| xid == second);
        assert!(
            verb.wait().expect("own child").success(),
            "{}",
            terminal.text()
        );
        let shown = terminal.text_until("10.0.1.10/24").replace("\r\n", "\n");
        assert_harmless("the terminal", shown.as_bytes());
        assert!(shown.contains("NAK from 10.0.1.1"), "{shown}");
        for line in [
            "status",
            "status --json",
            "diagnose",
            "diagnose --json",
            "metrics",
            "metrics --flows=5",
            "flows",
            "dups",
        ] {
            let output = run(&mut server.hhnet_command(line), PATIENCE);
            assert_harmless(line, output.stdout.as_bytes());
            assert_harmless(line, output.stderr.as_bytes());
        }
        let metrics = ([127, 0, 0, 1], 19478).into();
        let served = http::get(server.namespace(), metrics, "/metrics", &[]).expect("an agent");
        assert_harmless("metrics", served.body.as_bytes());
        let files = files(&server);
        for (path, bytes) in &files {
            assert_harmless(&path.display().to_string(), bytes);
        }
        // What is right in the same message is believed.
        let resolver = files.iter().find(|(path, _)| path.ends_with("resolv.conf"));
        let resolver = String::from_utf8_lossy(&resolver.expect("it was read").1).into_owned();
        assert!(resolver.contains("nameserver 192.0.2.53"), "{resolver}");
        assert!(resolver.contains("good.lab"), "{resolver}");
        assert!(!resolver.contains("evil"), "round {round}: {resolver}");
        assert!(server.must("status").contains("good.lab"));
        server.must("cleanup");
    }
}
