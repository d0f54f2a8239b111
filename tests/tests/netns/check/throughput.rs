// SPDX-License-Identifier: Apache-2.0
//! How fast another server is reached, by iperf3.

use hhnet_tests::peer;
use hhnet_tests::process::Running;
use hhnet_tests::wait::{self, PATIENCE};
use serde_json::{Value, json};

use super::{check, lab};

/// A real iperf3 on either side.
#[test]
fn throughput_is_measured_and_has_a_minimum() {
    let lab = lab();
    let server = peer::iperf3(lab.segment.router());
    let line = "10.0.1.1 --pings=1 --seconds=1";
    let good = check(&lab.server, &format!("{line} --min-mbits=1"));
    let throughput = &good["pairs"][0]["throughput"];
    assert!(throughput["mbits"].as_f64() > Some(1.0), "{good:#}");
    assert!(throughput["retransmits"].is_u64(), "{good:#}");
    assert_eq!(good["good"], true, "{good:#}");
    let said = check(&lab.server, &format!("{line} --min-mbits=100000000"));
    let failure = said["failures"][0].as_str().expect("text");
    assert!(failure.contains("is less than 100000000"), "{failure}");
    // As often as the fabric's own test, and no more where the first time will do.
    let attempts = |said: &Value| said["pairs"][0]["throughput"]["attempts"].clone();
    assert_eq!([attempts(&good), attempts(&said)], [json!(1), json!(3)]);
    let text = lab
        .server
        .hhnet(&format!("check {line} --min-mbits=100000000"))
        .stdout;
    assert!(text.contains(", the best of 3 attempts\n"), "{text}");
    drop(server);
}

/// An iperf3 measures for one at a time: the others wait for their turn.
#[test]
fn throughput_is_measured_once_nobody_else_measures() {
    let lab = lab();
    let server = peer::iperf3(lab.segment.router());
    let mut other = lab
        .server
        .namespace()
        .command_line("iperf3 -c 10.0.1.1 -t 3");
    let mut other = Running::start(&mut other);
    wait::until("somebody measures", PATIENCE, || {
        let router = lab.segment.router();
        router.must("ss -Hnt state established").contains(":5201")
    });
    let said = check(&lab.server, "10.0.1.1 --pings=1 --seconds=1 --min-mbits=1");
    assert_eq!(said["good"], true, "{said:#}");
    assert!(other.wait(PATIENCE).success(), "{}", other.stderr());
    drop(server);
}

/// Which is a failure only if it was asked for.
#[test]
fn throughput_that_cannot_be_measured_is_told() {
    let lab = lab();
    let problem = |said: &Value| said["pairs"][0]["throughput"]["problem"].clone();
    let said = check(&lab.server, "10.0.1.1 --pings=1");
    assert_eq!(problem(&said), "nobody listens there (iperf3 -s)");
    assert_eq!(said["good"], true, "{said:#}");
    let wanted = &said["pairs"][0]["throughput"];
    assert_eq!([&wanted["seconds"], &wanted["min_mbits"]], [10, 8200]);
    let said = check(&lab.server, "10.0.1.1 --pings=1 --seconds=1");
    assert_eq!(problem(&said), "nobody listens there (iperf3 -s)");
    assert_eq!(said["good"], false, "{said:#}");
    peer::remove_iperf3(lab.server.namespace());
    let said = check(&lab.server, "10.0.1.1 --pings=1");
    assert_eq!(problem(&said), "iperf3 is not installed on this server");
    let text = lab.server.must("check 10.0.1.1 --pings=1");
    let line = "  throughput  not measured: iperf3 is not installed on this server\n";
    assert!(text.contains(line), "{text}");
    // Of many it is told at once.
    let text = lab.server.must("check 10.0.1.1 10.0.1.10 --pings=1");
    let line =
        "\nthroughput was not measured on 2 of 2 paths: iperf3 is not installed on this server\n";
    assert!(text.contains(line), "{text}");
    // Where nothing else is asked, it is a failure.
    let said = check(&lab.server, "10.0.1.1 --pings=0");
    assert_eq!(said["good"], false, "{said:#}");
}

/// As on the servers of the fabric.
#[test]
fn iperf3_may_be_in_a_container() {
    let lab = lab();
    let server = peer::iperf3(lab.segment.router());
    peer::contain_iperf3(lab.server.namespace());
    let said = check(&lab.server, "10.0.1.1 --pings=1 --seconds=1 --min-mbits=1");
    let mbits = said["pairs"][0]["throughput"]["mbits"].as_f64();
    assert!(mbits > Some(1.0), "{said:#}");
    drop(server);
}
