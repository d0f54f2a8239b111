// SPDX-License-Identifier: Apache-2.0
//! `hhnet check`: who is reached, how well, and who says why not.

mod throughput;

use std::net::TcpListener;

use hhnet_tests::dhcp::Software;
use hhnet_tests::fabric::{NIC, Office, PORT, Segment};
use hhnet_tests::host::Host;
use hhnet_tests::namespace::unprivileged;
use hhnet_tests::peer;
use hhnet_tests::sudo;
use hhnet_tests::terminal::Terminal;
use hhnet_tests::wire::{Fate, Way};
use serde_json::{Value, json};

/// A server at 10.0.1.10, and a router at 10.0.1.1. Dropped in this order.
struct Lab {
    server: Host,
    segment: Segment,
}

fn lab() -> Lab {
    on(Segment::new())
}

fn on(segment: Segment) -> Lab {
    let server = segment.server();
    server.ip(&format!("addr add 10.0.1.10/24 dev {NIC}"));
    Lab { server, segment }
}

/// The same, with a cable whose pings meet their fate by their sequence number.
fn pings_treated(way: Way, fate: Fate, sequences: &'static [u16]) -> Lab {
    let lab = on(Segment::with_wire(1));
    lab.segment.wire().treat(move |frame, _| {
        let is_meant = |sequence| sequences.contains(&sequence);
        match frame.echo() {
            Some(sequence) if frame.way == way && is_meant(sequence) => fate,
            _ => Fate::Pass,
        }
    });
    lab
}

/// What `hhnet check LINE --json` says; its exit status has to fit.
#[track_caller]
fn check(server: &Host, line: &str) -> Value {
    let output = server.hhnet(&format!("check {line} --json"));
    let said: Value = serde_json::from_str(&output.stdout)
        .unwrap_or_else(|e| panic!("hhnet check {line} --json: {e}\n{output:?}"));
    assert_eq!(output.stderr, "", "{line}");
    assert_eq!(said["schema"], 1, "{said:#}");
    let good = said["failures"].as_array().expect("a list").is_empty();
    assert_eq!(said["good"], good, "{said:#}");
    assert_eq!(output.code(), i32::from(!good), "{said:#}");
    said
}

/// What is said of the only pair, throughput aside.
#[track_caller]
fn pair(lab: &Lab, line: &str) -> Value {
    let said = check(&lab.server, &format!("{line} --seconds=0"));
    assert_eq!(said["pairs"].as_array().map(Vec::len), Some(1), "{said:#}");
    said["pairs"][0].clone()
}

#[track_caller]
fn assert_failures(pair: &Value, expected: &[&str]) {
    assert_eq!(pair["failures"], json!(expected), "{pair:#}");
}

/// As the fabric's own test has it: five pings. No agent is started for that.
#[test]
fn a_neighbour_is_reached() {
    let lab = lab();
    let pair = pair(&lab, "10.0.1.1");
    assert_failures(&pair, &[]);
    let pings = &pair["pings"];
    for (name, value) in [("sent", 5), ("received", 5), ("duplicates", 0), ("ttl", 64)] {
        assert_eq!(pings[name], value, "{pair:#}");
    }
    assert_eq!((&pings["lost"], &pings["errors"]), (&json!([]), &json!([])));
    let rtt = ["min_us", "avg_us", "max_us"].map(|name| pings["rtt"][name].as_u64());
    assert!(rtt.is_sorted() && rtt[0] > Some(0), "{pair:#}");
    let path = json!({"mtu": 1500, "link_mtu": 1500, "told_by": null, "black_hole": false});
    assert_eq!(pair["path_mtu"], path);
    assert_eq!(pair["source"], "10.0.1.10");
    assert!(lab.server.hhnet_processes().is_empty());
    let text = lab.server.must("check 10.0.1.1 --pings=1 --seconds=0");
    assert!(
        text.starts_with("10.0.1.1 from 10.0.1.10\n  ping "),
        "{text}"
    );
    assert!(text.ends_with("\nGood: 1 path.\n"), "{text}");
}

#[test]
fn duplicates_are_told_apart_without_an_agent_to_say_by_which_member() {
    let lab = pings_treated(Way::In, Fate::Twice, &[2, 4]);
    let said = pair(&lab, "10.0.1.1");
    assert_failures(&said, &[]);
    assert_eq!(said["pings"]["received"], 5, "{said:#}");
    assert_eq!(said["pings"]["duplicates"], 2, "{said:#}");
    assert_eq!(said["pings"]["copies"], Value::Null);
    let text = lab.server.must("check 10.0.1.1 --seconds=0");
    let line = "  duplicates  2, by which member is unknown: no agent has counted them\n";
    assert!(text.contains(line), "{text}");
}

/// The agent's programs count the same copies, those of the last answer as well.
#[test]
fn an_agent_says_by_which_member_they_came() {
    let segment = Segment::with_wire(1);
    let _dhcp = segment.serve(Software::Dnsmasq, &Segment::pool());
    let server = segment.server();
    server.must(&format!("dhcp {NIC}"));
    segment.wire().treat(|frame, _| match frame.echo() {
        Some(2 | 3 | 5) if frame.way == Way::In => Fate::Twice,
        _ => Fate::Pass,
    });
    let said = check(&server, "10.0.1.1 --seconds=0");
    let pings = &said["pairs"][0]["pings"];
    assert_eq!(pings["duplicates"], 3, "{said:#}");
    let copies = &pings["copies"];
    assert_eq!(copies["members"], json!([NIC]), "{said:#}");
    assert_eq!(copies["same_member"], 3, "{said:#}");
    assert_eq!(copies["other_member"], 0, "{said:#}");
    let explanation = copies["explanation"].as_str().expect("text");
    let begin = "3 of 5 echo replies from 10.0.1.1 arrived twice";
    assert!(explanation.starts_with(begin), "{explanation}");
}

#[test]
fn lost_pings_are_numbered() {
    let lab = pings_treated(Way::Out, Fate::Drop, &[2, 5]);
    let said = pair(&lab, "10.0.1.1");
    assert_eq!(said["pings"]["lost"], json!([2, 5]), "{said:#}");
    assert_failures(&said, &["2 of 5 pings lost (icmp_seq 2, 5)"]);
}

#[test]
fn silence_is_told_from_an_error() {
    let lab = pings_treated(Way::In, Fate::Drop, &[0, 1, 2]);
    let said = pair(&lab, "10.0.1.1 --pings=2");
    assert_failures(
        &said,
        &["none of 2 pings was answered, and no ICMP error says why"],
    );
    assert_eq!(said["path_mtu"], Value::Null);
}

/// The gateway has no route, and says so.
#[test]
fn an_unreachable_network_is_told_with_who_says_so() {
    let lab = lab();
    lab.segment.router().sysctl("net/ipv4/ip_forward", "1");
    lab.server.ip("route add default via 10.0.1.1");
    let said = pair(&lab, "10.9.9.9 --pings=2");
    let error = &said["pings"]["errors"][0];
    assert_eq!(error["from"], "10.0.1.1", "{said:#}");
    assert_eq!(
        (&error["icmp_type"], &error["icmp_code"]),
        (&json!(3), &json!(0))
    );
    assert_failures(
        &said,
        &["none of 2 pings was answered: network unreachable, says 10.0.1.1"],
    );
}

/// The kernel itself gives up, after ARP in vain.
#[test]
fn a_neighbour_that_is_not_there_answers_no_arp() {
    let lab = lab();
    // Three seconds of ARP, as the kernel has it, would be longer than two pings.
    lab.server
        .namespace()
        .sysctl("net/ipv4/neigh/enp2s1/retrans_time_ms", "200");
    let said = pair(&lab, "10.0.1.77 --pings=2");
    assert_eq!(said["pings"]["errors"][0]["from"], "10.0.1.10", "{said:#}");
    assert_failures(
        &said,
        &["none of 2 pings was answered: nobody answers ARP on the way to 10.0.1.77"],
    );
}

#[test]
fn what_cannot_even_be_tried() {
    let lab = lab();
    for (line, kind, text) in [
        (
            "10.9.9.9",
            "no_route",
            "this server has no route to 10.9.9.9",
        ),
        (
            "10.0.1.1 --from=10.7.7.7",
            "no_source",
            "this server has no address 10.7.7.7",
        ),
        (
            "10.0.1.1 --from=enp2s9",
            "no_source",
            "this server has no interface enp2s9",
        ),
        (
            "nobody.invalid",
            "unresolved",
            "the name nobody.invalid cannot be resolved: ",
        ),
    ] {
        let said = pair(&lab, line);
        assert_eq!(said["problem"]["kind"], kind, "{said:#}");
        let told = said["failures"][0].as_str().expect("text");
        assert!(told.starts_with(text), "{told}");
        assert_eq!(said["pings"], Value::Null, "{said:#}");
    }
}

/// Names are those of the server: its hosts file, and its resolver.
#[test]
fn a_name_is_resolved() {
    let lab = lab();
    let said = pair(&lab, "localhost --pings=1");
    assert_failures(&said, &[]);
    assert_eq!(said["address"], "127.0.0.1", "{said:#}");
    assert_eq!(said["path_mtu"]["mtu"], 65535, "{said:#}");
}

#[test]
fn a_router_with_a_smaller_link_is_named() {
    let lab = lab();
    let office = Office::behind(lab.segment.router(), "10.0.1.0/24");
    let small = |link: &str| format!("link set {link} mtu 1400");
    lab.segment.router().ip_batch(&small(Office::UPLINK));
    office.namespace().ip_batch(&small(Office::PORT));
    lab.server.ip("route add default via 10.0.1.1");
    let said = pair(&lab, "10.0.9.2 --pings=1");
    assert_failures(&said, &[]);
    let path = json!({"mtu": 1400, "link_mtu": 1500, "told_by": "10.0.1.1", "black_hole": false});
    assert_eq!(said["path_mtu"], path);
    assert_eq!(said["pings"]["ttl"], 63, "{said:#}");
}

/// A switch port that drops what is too large for it, as switches do.
#[test]
fn a_black_hole_is_measured() {
    let lab = lab();
    let router = lab.segment.router();
    router.ip_batch(&format!("link set {PORT} mtu 1400"));
    let said = pair(&lab, "10.0.1.1 --pings=1");
    // A veth leaves room for a VLAN tag.
    assert_eq!(said["path_mtu"]["mtu"], 1404, "{said:#}");
    assert_eq!(said["path_mtu"]["black_hole"], true, "{said:#}");
    assert_failures(
        &said,
        &[
            "packets of more than 1404 bytes vanish without an ICMP error, and the \
           interface sends up to 1500",
        ],
    );
}

#[test]
fn tcp_ports_are_open_or_refused() {
    let lab = lab();
    let router = lab.segment.router();
    let listener = router.enter(|| TcpListener::bind("10.0.1.1:22").expect("a free port"));
    let said = pair(&lab, "10.0.1.1 --pings=0 --port=22 --port=23");
    assert!(
        said["ports"][0]["connect_us"].as_u64() > Some(0),
        "{said:#}"
    );
    assert_eq!(said["ports"][1]["connect_us"], Value::Null, "{said:#}");
    assert_failures(&said, &["TCP port 23: refused: nobody listens there"]);
    drop(listener);
}

#[test]
fn pages_are_asked_for() {
    let lab = lab();
    let server = peer::httpd(lab.segment.router());
    let said = check(
        &lab.server,
        "--url=http://10.0.1.1/ --url=http://10.0.1.1/no",
    );
    assert_eq!(said["fetches"][0]["status"], 200, "{said:#}");
    assert_eq!(said["fetches"][0]["bytes"], 6, "{said:#}");
    assert_eq!(said["fetches"][1]["status"], 404, "{said:#}");
    assert_eq!(
        said["failures"],
        json!(["http://10.0.1.1/no: HTTP status 404"])
    );
    drop(server);
    let said = check(&lab.server, "--url=http://10.0.1.1/");
    assert_eq!(
        said["failures"],
        json!(["http://10.0.1.1/: refused: nobody listens there"])
    );
    let text = lab.server.hhnet("check --url=http://10.0.1.1:81/").stdout;
    assert!(text.ends_with("Failed: 1 of 1 page.\n"), "{text}");
}

/// A row for each source, a column for each host; each pair by its own address.
#[test]
fn several_hosts_from_several_sources_are_a_matrix() {
    let lab = lab();
    lab.server.ip(&format!("addr add 10.0.1.11/24 dev {NIC}"));
    let neighbour = lab.segment.neighbour("server-02", 20);
    let line = "10.0.1.1 10.0.1.20 --pings=1 --seconds=0 --from=10.0.1.11 --from=enp2s1";
    let said = check(&lab.server, line);
    let ways: Vec<_> = said["pairs"].as_array().expect("a list").iter().collect();
    let ways: Vec<_> = ways
        .iter()
        .map(|pair| (&pair["from"], &pair["source"], &pair["to"]))
        .map(|(from, source, to)| format!("{from} {source} {to}").replace('"', ""))
        .collect();
    assert_eq!(
        ways,
        [
            "10.0.1.11 10.0.1.11 10.0.1.1",
            "10.0.1.11 10.0.1.11 10.0.1.20",
            "enp2s1 10.0.1.10 10.0.1.1",
            "enp2s1 10.0.1.10 10.0.1.20",
        ]
    );
    let text = lab.server.must(&format!("check {line}"));
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split("  ").collect()).collect();
    let cells = |line: usize| lines[line].iter().filter(|cell| !cell.is_empty()).count();
    assert_eq!([cells(0), cells(1), cells(2)], [3, 3, 3], "{text}");
    assert!(text.starts_with("FROM \\ TO  10.0.1.1 "), "{text}");
    assert!(text.contains("\n10.0.1.11  ok, "), "{text}");
    assert!(text.ends_with("\nGood: 4 paths.\n"), "{text}");
    drop(neighbour);
}

#[test]
fn usage_has_an_exit_status_of_its_own() {
    let lab = lab();
    for line in [
        "check",
        "check --help",
        "check 10.0.1.1 --pings=many",
        "check 10.0.1.1 --pings=0 --seconds=0",
        "check --url=http://10.0.1.1:99999/",
    ] {
        let output = lab.server.hhnet(line);
        assert_eq!((output.code(), output.stdout.as_str()), (2, ""), "{line}");
    }
}

/// A user becomes root by sudo, and sees on his terminal how far it is.
#[test]
fn a_user_is_told_how_far_it_is() {
    let lab = lab();
    sudo::rules(lab.server.namespace(), sudo::ALLOWED);
    let text = told(
        &lab.server,
        "check 10.0.1.1 --pings=2 --seconds=0",
        "Good: 1 path.",
    );
    expect_end(&text, " s  10.0.1.1: 2 of 2 pings answered, path MTU 1500");
    // Of many each is told when it is done.
    let many = "check 10.0.1.1 10.0.1.10 localhost --pings=2 --seconds=0";
    let text = told(&lab.server, many, "Good: 3 paths.");
    for number in 1..=3 {
        expect_end(&text, &format!(" ({number} of 3)"));
    }
}

/// What a user sees on his terminal, until `last`.
fn told(server: &Host, line: &str, last: &str) -> String {
    let terminal = Terminal::new(80, 24);
    let mut command = server.hhnet_command(line);
    unprivileged(&mut command);
    let status = terminal.start(&mut command).wait().expect("own child");
    assert!(status.success());
    terminal.text_until(last)
}

#[track_caller]
fn expect_end(text: &str, end: &str) {
    let is_it = |line: &str| line.trim_end().ends_with(end);
    assert!(text.lines().any(is_it), "{text}");
}
