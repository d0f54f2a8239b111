// SPDX-License-Identifier: Apache-2.0
//! Why there is no address, on an interface without VLANs and bonds.

use hhnet_tests::dhcp::{Answer, FabricDhcp, Kind, udhcpc};
use hhnet_tests::diagnosis::{diagnose, expect_cause, in_vain};
use hhnet_tests::fabric::{NIC, PORT, Segment};
use hhnet_tests::host::Host;

/// A server on a segment with the model of the fabric's own DHCP server. Dropped in
/// this order.
struct Lab {
    server: Host,
    dhcp: FabricDhcp,
    segment: Segment,
}

fn lab() -> Lab {
    let segment = Segment::new();
    let dhcp = segment.fabric_dhcp(Segment::subnet());
    Lab {
        server: segment.server(),
        dhcp,
        segment,
    }
}

/// Fails to lease an address because of `cause`; the first sentence of stderr.
#[track_caller]
fn first_sentence(lab: &Lab, flags: &str, cause: &str) -> String {
    let line = format!("dhcp {NIC} --xdp=off {flags}");
    let said = in_vain(&lab.server, &line, NIC, cause);
    let (sentence, rest) = said.split_once(".\n").expect("a sentence");
    assert!(rest.starts_with("  Next: "), "{said}");
    sentence.to_owned()
}

#[track_caller]
fn expect(sentence: &str, words: &[&str]) {
    for words in words {
        assert!(sentence.contains(words), "no {words:?} in {sentence:?}");
    }
}

#[test]
fn the_cable_is_unplugged() {
    let lab = lab();
    lab.segment
        .router()
        .ip_batch(&format!("link set {PORT} down"));
    let said = first_sentence(&lab, "--timeout=2", "no_carrier");
    expect(
        &said,
        &["enp2s1 has no carrier: the cable or the switch port is down"],
    );
    lab.segment
        .router()
        .ip_batch(&format!("link set {PORT} up"));
}

#[test]
fn nobody_answers() {
    let lab = lab();
    lab.dhcp.answer(|_| Answer::Silence);
    let said = first_sentence(&lab, "--timeout=3", "no_offer");
    expect(
        &said,
        &[
            "no DHCP server has answered",
            "DISCOVERs on enp2s1 in 3s",
            "the link is up",
        ],
    );
}

#[test]
fn the_pool_is_exhausted() {
    let lab = lab();
    // The one address there is belongs to somebody else.
    lab.dhcp.configure(|subnet| {
        subnet.range = Segment::address(10)..=Segment::address(10);
        subnet
            .fixed
            .insert([2, 0, 0, 0, 0, 9], Segment::address(10));
    });
    let said = first_sentence(&lab, "--timeout=3", "empty_offers");
    expect(
        &said,
        &[
            "OFFERs without an address came on enp2s1",
            "pool",
            "exhausted",
        ],
    );
}

#[test]
fn a_server_offers_and_gives_nothing() {
    let lab = lab();
    lab.dhcp.answer(|request| match request.kind {
        Kind::Discover => Answer::Normal,
        _ => Answer::Silence,
    });
    let said = first_sentence(&lab, "--timeout=4", "no_ack");
    expect(
        &said,
        &["OFFER", "came on enp2s1, but no ACK to", "REQUEST"],
    );
}

#[test]
fn a_server_refuses() {
    let lab = lab();
    lab.dhcp.answer(|request| match request.kind {
        Kind::Discover => Answer::Normal,
        _ => Answer::Nak,
    });
    let said = first_sentence(&lab, "--timeout=3", "nak");
    expect(
        &said,
        &["the DHCP server has refused enp2s1 an address", "NAK"],
    );
}

#[test]
fn another_machine_has_the_address() {
    let lab = lab();
    let only = Segment::address(10)..=Segment::address(10);
    lab.dhcp.configure(|subnet| subnet.range = only);
    let _squatter = lab.segment.neighbour("squatter", 10);
    let said = first_sentence(&lab, "--timeout=6 --arp-probe", "address_conflict");
    expect(
        &said,
        &["another machine uses the address that was leased for enp2s1"],
    );
}

/// A real client, by a socket of which it is known.
#[test]
fn another_client_is_on_the_interface() {
    let lab = lab();
    lab.dhcp.answer(|_| Answer::Silence);
    let client = udhcpc(lab.server.namespace(), NIC);
    let said = first_sentence(&lab, "--timeout=3", "another_client");
    let who = format!("busybox (process {}) holds a packet socket", client.pid());
    expect(&said, &["another DHCP client is at work on enp2s1", &who]);
    drop(client);
}

/// An address that somebody has added, beside a lease that is in order.
#[test]
fn a_lease_is_in_order_until_somebody_adds_an_address() {
    let lab = lab();
    lab.server.must(&format!("dhcp {NIC} --xdp=off"));
    let said = diagnose(&lab.server);
    assert_eq!(said["findings"], serde_json::json!([]), "{said:#}");
    let pings = &said["facts"]["pings"][0];
    assert_eq!(pings["small_answered"], 3, "{said:#}");
    assert_eq!(pings["large_answered"], 3, "{said:#}");
    assert_eq!(lab.server.must("diagnose"), "Nothing is wrong.\n");
    lab.server.ip(&format!("addr add 10.9.9.9/24 dev {NIC}"));
    let said = expect_cause(&lab.server, "foreign_address");
    let sentence = said["findings"][0]["sentence"].as_str().expect("text");
    expect(
        sentence,
        &["enp2s1 has 10.9.9.9/24, which hhnet has not set"],
    );
    let text = lab.server.hhnet("diagnose");
    assert!(!text.ok());
    expect(
        &text.stdout,
        &["  Next: find out who, then ip addr del 10.9.9.9/24 dev enp2s1.\n"],
    );
    lab.server.ip(&format!("addr del 10.9.9.9/24 dev {NIC}"));
}

/// The server falls silent: renewals are in vain, and then the address is gone.
#[test]
fn a_lease_that_nobody_renews_is_lost() {
    let lab = lab();
    lab.dhcp
        .configure(|subnet| subnet.lease = std::time::Duration::from_secs(6));
    lab.server.must(&format!("dhcp {NIC} --xdp=off"));
    lab.dhcp.answer(|_| Answer::Silence);
    let said = expect_cause(&lab.server, "renewal_unanswered");
    let sentence = said["findings"][0]["sentence"].as_str().expect("text");
    expect(
        sentence,
        &[
            "the lease of 10.0.1.10/24 on enp2s1",
            "10.0.1.1 does not answer",
        ],
    );
    let said = expect_cause(&lab.server, "lease_lost");
    let sentence = said["findings"][0]["sentence"].as_str().expect("text");
    expect(sentence, &["enp2s1 has lost its lease"]);
}

/// Without an agent there is nothing to be said of a machine without networks.
#[test]
fn an_empty_machine_is_healthy() {
    let lab = lab();
    assert_eq!(lab.server.must("diagnose"), "Nothing is wrong.\n");
    assert!(lab.server.hhnet_processes().is_empty());
}
