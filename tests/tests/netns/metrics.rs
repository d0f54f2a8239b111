// SPDX-License-Identifier: Apache-2.0
//! Metrics: over HTTP, where they are wanted, and read by a real Prometheus.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use hhnet_tests::dhcp::{Daemon, Kind, Pool, Software};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::Host;
use hhnet_tests::http::{self, Answer};
use hhnet_tests::process::{run, run_with_stdin};
use hhnet_tests::prometheus::{Prometheus, program, shipped};
use hhnet_tests::service;
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::wire::Fate;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::Lab;

const ADDRESS: &str = "10.0.1.10/24\n";
const OPENMETRICS: &str = "Accept: application/openmetrics-text;version=1.0.0";

/// A port of the server's loopback interface; the first one is the usual one.
fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

const USUAL: u16 = 19478;

impl Lab {
    fn get(&self, address: SocketAddr) -> Option<Answer> {
        http::get(self.server.namespace(), address, "/metrics", &[]).ok()
    }

    #[track_caller]
    fn expect_at(&self, address: SocketAddr) -> String {
        let answer = self.get(address).expect("somebody listens");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(has(&answer.body, "hhnet_agent_up 1"), "{answer:?}");
        answer.body
    }
}

fn has(metrics: &str, line: &str) -> bool {
    metrics.lines().any(|found| found == line)
}

/// The usual place, in either format, until the agent leaves.
#[test]
fn they_are_served_on_the_loopback_interface_as_long_as_there_is_an_agent() {
    let lab = Lab::new();
    assert!(lab.get(local(USUAL)).is_none(), "nobody is there yet");
    let leased = lab.server.hhnet(&format!("dhcp {NIC}"));
    assert_eq!(
        (leased.stdout.as_str(), leased.stderr.as_str()),
        (ADDRESS, "")
    );
    let served = lab.expect_at(local(USUAL));
    // One, on a machine that is not busy.
    let status = lab.server.must("status --json");
    let status: Value = serde_json::from_str(&status).expect("JSON");
    let discovers = &status["interfaces"][0]["dhcp"]["discovers"];
    for line in [
        format!("hhnet_dhcp_bound{{interface=\"{NIC}\"}} 1"),
        format!(
            "hhnet_dhcp_lease_info{{interface=\"{NIC}\",address=\"10.0.1.10/24\",\
             server=\"10.0.1.1\"}} 1"
        ),
        format!("hhnet_dhcp_discovers_total{{interface=\"{NIC}\"}} {discovers}"),
        format!("hhnet_program_info{{interface=\"{NIC}\",direction=\"in\",mode=\"native\"}} 1"),
    ] {
        assert!(has(&served, &line), "no {line} in\n{served}");
    }
    let steps = served
        .lines()
        .filter(|line| line.starts_with("hhnet_dhcp_acquisition_seconds{"));
    let steps: Vec<_> = steps.filter_map(|line| line.split('"').nth(3)).collect();
    assert_eq!(steps, ["link", "offer", "ack", "apply"]);
    let printed = lab.server.must("metrics");
    let names = |text: &str| -> Vec<String> {
        let samples = text
            .lines()
            .map(|line| line.rsplit_once(' ').expect("a value").0.to_owned());
        samples.collect()
    };
    assert_eq!(
        names(&served),
        names(&printed),
        "the command prints the same"
    );
    let open = http::get(
        lab.server.namespace(),
        local(USUAL),
        "/metrics",
        &[OPENMETRICS],
    );
    let open = open.expect("somebody listens");
    assert!(
        open.head.contains("application/openmetrics-text"),
        "{}",
        open.head
    );
    assert!(open.body.ends_with("\n# EOF\n"), "{}", open.body);
    let elsewhere = SocketAddr::from(([10, 0, 1, 10], USUAL));
    assert!(
        lab.get(elsewhere).is_none(),
        "on the loopback interface alone"
    );
    lab.server.must("cleanup");
    assert!(lab.get(local(USUAL)).is_none(), "nobody is there any more");
}

/// The last command that says where decides, and the next agent knows.
#[test]
fn they_are_where_the_last_command_that_says_so_wants_them() {
    let lab = Lab::new();
    let other = SocketAddr::from(([10, 0, 1, 10], 9999));
    // Not there before it is leased.
    let line = format!("dhcp {NIC} --metrics={other}");
    let leased = lab.server.hhnet(&line);
    assert_eq!(
        (leased.stdout.as_str(), leased.stderr.as_str()),
        (ADDRESS, "")
    );
    lab.expect_at(other);
    assert!(lab.get(local(USUAL)).is_none());
    let agent = lab.server.hhnet_processes();
    let agent = agent
        .iter()
        .find(|process| process.cmdline.ends_with(" agent"));
    kill(Pid::from_raw(agent.expect("an agent").pid), Signal::SIGKILL).expect("it is alive");
    wait::until("the agent is dead", PATIENCE, || lab.get(other).is_none());
    // Without a flag, and beside the lease that is found.
    lab.server.ip("link add enp2s2 type veth peer name peer");
    for link in ["enp2s2", "peer"] {
        lab.server.owns(link);
        lab.server.ip(&format!("link set {link} up"));
    }
    assert_eq!(
        lab.server.must("p2p enp2s2 10.9.0.0/31 10.9.0.1"),
        "10.9.0.0/31\n"
    );
    wait::until("its lease is confirmed", PATIENCE, || {
        let acks = format!("hhnet_dhcp_acks_total{{interface=\"{NIC}\"}} 1");
        has(&lab.expect_at(other), &acks)
    });
    // Packet socket and port have both heard it, which makes no copy of it.
    wait::throughout(Duration::from_millis(300), "no copy was heard", || {
        let copies = "hhnet_dhcp_duplicate_replies_total";
        let copies = format!("{copies}{{interface=\"{NIC}\",message=\"ack\"}} 0");
        has(&lab.expect_at(other), &copies)
    });
    lab.server.ip("addr flush dev enp2s2");
    lab.server
        .must("p2p enp2s2 10.9.0.0/31 10.9.0.1 --metrics=127.0.0.1:9998");
    lab.expect_at(local(9998));
    assert!(lab.get(other).is_none(), "not in two places");
    lab.server.ip("addr flush dev enp2s2");
    lab.server
        .must("p2p enp2s2 10.9.0.0/31 10.9.0.1 --metrics=off");
    assert!(lab.get(local(9998)).is_none(), "off is off");
    assert!(has(&lab.server.must("metrics"), "hhnet_agent_up 1"));
}

/// Somebody else has the port: that costs nobody an address.
#[test]
fn a_port_in_use_is_a_warning() {
    let lab = Lab::new();
    let bind = || TcpListener::bind(local(USUAL)).expect("a free port");
    let other = lab.server.namespace().enter(bind);
    let leased = lab.server.hhnet(&format!("dhcp {NIC}"));
    assert_eq!((leased.code(), leased.stdout.as_str()), (0, ADDRESS));
    let warning = "warning: no metrics at 127.0.0.1:19478: Address already in use";
    assert!(leased.stderr.starts_with(warning), "{}", leased.stderr);
    assert_eq!(leased.stderr.lines().count(), 1, "{}", leased.stderr);
    drop(other);
}

/// With the rights that the unit leaves it, and a flag in its file.
#[test]
fn the_service_serves_them_where_its_file_says() {
    let lab = Lab::new();
    let line = format!("dhcp {NIC} --metrics=127.0.0.1:9997\n");
    let service = service::start(&lab.server, &line);
    wait::until("the address is there", PATIENCE, || {
        service.stderr().contains("line 1: 10.0.1.10/24")
    });
    let served = lab.expect_at(local(9997));
    let start = served
        .lines()
        .find(|line| line.starts_with("process_start_time_seconds "));
    assert!(start.is_some(), "{served}");
    drop(service);
}

/// What a reader costs: he comes every few seconds, for months.
#[test]
#[expect(clippy::print_stdout, reason = "figures, with --nocapture")]
fn a_scrape_costs_little() {
    const SCRAPES: u32 = 200;
    let lab = Lab::new();
    lab.server.must(&format!("dhcp {NIC}"));
    let value = |name: &str| -> f64 {
        let served = lab.expect_at(local(USUAL));
        let mut lines = served.lines().filter_map(|line| line.split_once(' '));
        let (_, value) = lines.find(|(found, _)| *found == name).expect(name);
        value.parse().expect("a number")
    };
    let before = value("process_cpu_seconds_total");
    let began = Instant::now();
    for _ in 0..SCRAPES {
        lab.expect_at(local(USUAL));
    }
    let took = began.elapsed() / SCRAPES;
    let cpu = (value("process_cpu_seconds_total") - before) / f64::from(SCRAPES);
    let resident = value("process_resident_memory_bytes");
    println!(
        "{took:?} and {:.2} ms of CPU each; {resident} bytes",
        1000.0 * cpu
    );
    assert!(cpu < 0.02, "{cpu} s of CPU each");
    assert!(took < Duration::from_millis(200), "{took:?} each");
    assert!(resident < 20e6, "{resident} bytes");
    assert!(value("process_open_fds") < 100.0);
}

/// Two servers, and one Prometheus that is asked about both.
#[test]
fn prometheus_scrapes_two_agents_and_answers_a_query() {
    let lab = Lab::new();
    let router = lab.segment.router();
    let second = Host::new("server-02");
    router.ip_batch(&format!(
        "link add port2 type veth peer name cable2
         link set cable2 netns {} name {NIC}
         addr add 10.0.2.1/24 dev port2
         link set port2 up",
        second.namespace().path()
    ));
    second.owns(NIC);
    second.ip("link set lo up");
    second.ip(&format!("link set {NIC} up"));
    let pool = Pool::of(Ipv4Addr::new(10, 0, 2, 1));
    let dhcp = Daemon::start(Software::Dnsmasq, router, "port2", &pool);
    let targets = [[10, 0, 1, 10], [10, 0, 2, 10]].map(|ip| SocketAddr::from((ip, USUAL)));
    for (server, target) in [&lab.server, &second].into_iter().zip(targets) {
        server.must(&format!("dhcp {NIC} --metrics={target}"));
    }
    let prometheus = Prometheus::start(router, &targets);
    let query = "hhnet_dhcp_bound * on (instance) group_left (version) hhnet_build_info";
    let found = wait::poll(PATIENCE, || {
        Some(prometheus.query(query)).filter(|found| found.len() == 2)
    });
    let mut instances = Vec::new();
    for (labels, value) in found.expect("both are scraped") {
        assert_eq!(value, 1.0, "{labels}");
        assert_eq!(labels["interface"], NIC, "{labels}");
        instances.push(labels["instance"].as_str().expect("a label").to_owned());
    }
    instances.sort();
    assert_eq!(instances, targets.map(|target| target.to_string()));
    // It knows what each series is.
    let metadata = prometheus.api("metadata?metric=hhnet_dhcp_discovers");
    let metadata = &metadata["hhnet_dhcp_discovers"][0];
    assert_eq!(metadata["type"], "counter", "{metadata}");
    // Every rule can be evaluated, and one of them is about to alert.
    lab.server.ip(&format!("link set {NIC} down"));
    let rules = || prometheus.api("rules");
    wait::until("rules are evaluated", PATIENCE, || {
        let all = rules();
        let all = all["groups"].as_array().expect("groups").iter();
        all.flat_map(|group| group["rules"].as_array().expect("rules"))
            .all(|rule| rule["health"] == "ok")
    });
    let silent = || prometheus.query("up{job=\"hhnet\"} == 0").len();
    wait::until("one is missed", PATIENCE, || silent() == 1);
    wait::until("and will be told", PATIENCE, || {
        let alerts = prometheus.api("alerts");
        let mut alerts = alerts["alerts"].as_array().expect("alerts").iter();
        alerts.any(|alert| alert["labels"]["alertname"] == "HhnetDown")
    });
    lab.server.ip(&format!("link set {NIC} up"));
    assert!(
        !prometheus.log().contains("level=error"),
        "{}",
        prometheus.log()
    );
    drop((prometheus, dhcp));
}

/// As two leaves make them, which both relay a broadcast.
#[test]
fn offers_that_come_twice_are_counted() {
    let segment = Segment::with_wire(1);
    let _dhcp = segment.serve(Software::Dnsmasq, &Segment::pool());
    segment.wire().treat(|frame, _| match frame.is_dhcp() {
        true => Fate::Twice,
        false => Fate::Pass,
    });
    let server = segment.server();
    assert_eq!(server.must(&format!("dhcp {NIC}")), ADDRESS);
    let copies =
        format!("hhnet_dhcp_duplicate_replies_total{{interface=\"{NIC}\",message=\"offer\"}}");
    // The DISCOVER comes twice, and both answers do: the first one is none.
    wait::until("all are counted", PATIENCE, || {
        let asked = segment.wire().seen(Kind::Discover).len();
        has(
            &server.must("metrics"),
            &format!("{copies} {}", 4 * asked - 1),
        )
    });
    let offers = format!("hhnet_dhcp_offers_total{{interface=\"{NIC}\"}} 1");
    assert!(has(&server.must("metrics"), &offers));
}

/// Prometheus' own opinion of names, types and helps.
#[test]
fn promtool_has_nothing_to_say_of_metrics() {
    let lab = Lab::new();
    let check = |line: &str| {
        let text = lab.server.must(line);
        let mut promtool = lab.server.namespace().command(program("promtool"));
        promtool.args(["check", "metrics"]);
        let said = run_with_stdin(&mut promtool, &text, PATIENCE);
        let all = said.stdout.clone() + &said.stderr;
        assert_eq!((said.code(), all.as_str()), (0, ""), "hhnet {line}");
    };
    check("metrics");
    lab.server.must(&format!("dhcp {NIC}"));
    lab.server.namespace().must("ping -c 1 -W 2 10.0.1.1");
    check("metrics");
    check("metrics --flows=5");
    let flows = lab.server.must("metrics --flows=5");
    let flow = flows.lines().find(|line| {
        line.starts_with("hhnet_flow_packets_total") && line.contains("source=\"10.0.1.10\"")
    });
    assert!(flow.is_some(), "{flows}");
}

/// The rules that are shipped do what they say.
#[test]
fn promtool_tests_the_rules() {
    let directory = shipped().join("prometheus");
    for arguments in [
        ["check", "rules", "hhnet.rules.yml"],
        ["test", "rules", "hhnet.rules.test.yml"],
    ] {
        let mut promtool = std::process::Command::new(program("promtool"));
        promtool.args(arguments).current_dir(&directory);
        let output = run(&mut promtool, PATIENCE).success(&format!("promtool {arguments:?}"));
        assert!(output.stdout.contains("SUCCESS"), "{}", output.stdout);
    }
}
