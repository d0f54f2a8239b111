// SPDX-License-Identifier: Apache-2.0
//! `hhnet flows --watch`: on a terminal, in a pipe, and how it ends.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use hhnet_tests::dhcp::Daemon;
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::{Host, assert_refusal};
use hhnet_tests::process::Running;
use hhnet_tests::terminal::Terminal;
use hhnet_tests::wait::{self, PATIENCE};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// What a clean end may take: a page may be on its way.
const SOON: Duration = Duration::from_secs(3);

/// A server that leases an address and counts. Dropped in this order.
pub(crate) struct Lab {
    pub(crate) server: Host,
    _dhcp: Daemon,
    _segment: Segment,
}

pub(crate) fn counting() -> Lab {
    let segment = Segment::new();
    let dhcp = segment.serve(hhnet_tests::dhcp::Software::Dnsmasq, &Segment::pool());
    let server = segment.server();
    server.must(&format!("dhcp {NIC}"));
    Lab {
        server,
        _dhcp: dhcp,
        _segment: segment,
    }
}

fn interrupt(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).expect("a process id fits");
    kill(Pid::from_raw(pid), signal).expect("it is running");
}

/// Ten frames a second and what they carry, as a line of JSON each second.
#[test]
fn a_pipe_gets_a_line_of_json_each_second() {
    let lab = counting();
    let mut watch = Running::start(&mut lab.server.hhnet_command("flows --watch --json"));
    lab.server.namespace().must("ping -c 25 -i 0.1 10.0.1.1");
    wait::until("three pages", PATIENCE, || {
        watch.stdout().lines().count() >= 3
    });
    interrupt(watch.pid().unsigned_abs(), Signal::SIGINT);
    assert!(watch.wait(SOON).success());
    let pages = watch.stdout();
    let pages: Vec<Value> = pages
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is a report"))
        .collect();
    assert_eq!(pages[0]["members"][0].get("packets_per_second"), None);
    let requests = |page: &Value| {
        let flows = page["flows"].as_array().expect("flows").iter();
        let mut requests = flows.filter(|f| f["icmp_type"] == 8 && f["direction"] == "out");
        requests.next().cloned()
    };
    let busy = |page: &Value| {
        let speed = requests(page)?["packets_per_second"].as_u64()?;
        let bits = requests(page)?["bits_per_second"].as_u64()?;
        // Ethernet 14, IPv4 20, ICMP 8, and 56 of ping.
        let each = 8 * (14 + 20 + 8 + 56);
        assert!(bits.abs_diff(speed * each) <= each, "{page}");
        ((5..=15).contains(&speed)).then_some(())
    };
    assert!(pages.iter().any(|page| busy(page).is_some()), "{pages:?}");
    for page in &pages {
        assert_eq!(page["policies"], Value::Array(Vec::new()));
    }
}

/// As text, with blank lines between; of one member if so wanted.
#[test]
fn a_pipe_gets_text_with_blank_lines_between() {
    let lab = counting();
    let line = format!("flows --watch --member {NIC} --by packets --top 1");
    let mut watch = Running::start(&mut lab.server.hhnet_command(&line));
    wait::until("two pages", PATIENCE, || {
        watch.stdout().matches("MALFORMED").count() >= 2
    });
    interrupt(watch.pid().unsigned_abs(), Signal::SIGTERM);
    assert!(watch.wait(SOON).success());
    let text = watch.stdout();
    assert!(text.starts_with("MEMBER"), "{text}");
    assert!(text.contains("\n\nMEMBER  DIR  HOOK"), "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
    let line = "flows --watch --member enp2s9";
    assert_refusal(line, &lab.server.hhnet(line), &["enp2s9"]);
}

/// Nobody reads any more: that is no failure.
#[test]
fn it_ends_with_its_reader() {
    let lab = counting();
    let mut command = lab.server.hhnet_command("flows --watch --json");
    let mut watch = command.stdout(Stdio::piped()).spawn().expect("hhnet");
    let mut reader = BufReader::new(watch.stdout.take().expect("piped"));
    let mut page = String::new();
    reader.read_line(&mut page).expect("a page");
    drop(reader);
    let closed = Instant::now();
    assert!(watch.wait().expect("own child").success());
    assert!(closed.elapsed() < SOON, "{:?}", closed.elapsed());
}

/// A reader that has stopped reading does not keep it from being interrupted.
#[test]
fn a_full_pipe_does_not_hold_it() {
    let lab = counting();
    let mut command = lab.server.hhnet_command("flows --watch --json");
    let mut watch = command.stdout(Stdio::piped()).spawn().expect("hhnet");
    let pipe = watch.stdout.as_ref().expect("piped");
    // SAFETY: F_SETPIPE_SZ takes a number.
    let size = unsafe {
        libc::fcntl(
            std::os::fd::AsRawFd::as_raw_fd(pipe),
            libc::F_SETPIPE_SZ,
            4096,
        )
    };
    assert!(size > 0);
    std::thread::sleep(Duration::from_secs(6));
    interrupt(watch.id(), Signal::SIGINT);
    let interrupted = Instant::now();
    assert!(watch.wait().expect("own child").success());
    assert!(interrupted.elapsed() < SOON, "{:?}", interrupted.elapsed());
}

/// On a terminal one page takes the place of the other, as large as there is
/// room, and afterwards the terminal is as it was.
#[test]
fn a_terminal_is_written_over_and_left_in_order() {
    let lab = counting();
    let terminal = Terminal::new(40, 8);
    let before = terminal.settings();
    let mut watch = terminal.start(&mut lab.server.hhnet_command("flows --watch"));
    wait::until("three pages", PATIENCE, || {
        terminal.text().matches("\x1b[H").count() >= 3
    });
    interrupt(watch.id(), Signal::SIGINT);
    assert!(watch.wait().expect("own child").success());
    assert_eq!(terminal.settings(), before);
    let text = terminal.text();
    let escapes: Vec<&str> = text.split('\x1b').skip(1).collect();
    let known = |escape: &&str| {
        ["[H", "[K", "[J"]
            .iter()
            .any(|known| escape.starts_with(known))
    };
    assert!(escapes.iter().all(known), "{text:?}");
    for page in text.split("\x1b[H").skip(1) {
        let lines: Vec<&str> = page.lines().collect();
        assert!(lines.len() <= 8, "{page:?}");
        let shown = |line: &&str| line.replace("\x1b[K", "").replace("\x1b[J", "").len();
        assert!(lines.iter().all(|line| shown(line) <= 40), "{page:?}");
    }
}

/// Agents come and go; who watches is told.
#[test]
fn it_outlives_the_agent() {
    let lab = counting();
    let mut watch = Running::start(&mut lab.server.hhnet_command("flows --watch"));
    let says = |text: &str| watch.stdout().contains(text);
    wait::until("a page", PATIENCE, || says("native"));
    lab.server.must("cleanup");
    wait::until("the agent is gone", PATIENCE, || {
        says("no agent is running")
    });
    let pages = watch.stdout().matches("native").count();
    lab.server.must(&format!("dhcp {NIC}"));
    wait::until("the next agent's page", PATIENCE, || {
        watch.stdout().matches("native").count() > pages
    });
    interrupt(watch.pid().unsigned_abs(), Signal::SIGHUP);
    assert!(watch.wait(SOON).success());
}
