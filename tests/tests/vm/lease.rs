// SPDX-License-Identifier: Apache-2.0
//! The life of a lease: obtaining, renewing, rebinding, losing it.
//!
//! The server is the model of the fabric's own, told to misbehave; leases last
//! seconds. T1 is half of a lease, T2 seven eighths (RFC 2131, 4.4.5).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dhcproto::v4::{DhcpOption, MessageType, OptionCode};
use hhnet_tests::dhcp::{Answer, FabricDhcp, Kind, Request};
use hhnet_tests::monitor::{Event, Monitor};
use hhnet_tests::process::Running;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{Lab, secs};

const VLAN: &str = "enp2s1.1001";

/// A server with a lease of so many seconds on its VLAN.
fn leased(seconds: u64) -> Lab<FabricDhcp> {
    leased_by(seconds, |_| Answer::Normal)
}

/// The same, from a DHCP server that answers by a rule. What shall go wrong must
/// be in it from the beginning: a renewal may come before the verb returns.
fn leased_by(
    seconds: u64,
    rule: impl FnMut(&Request) -> Answer + Send + 'static,
) -> Lab<FabricDhcp> {
    let lab = Lab::model(|subnet| subnet.lease = secs(seconds));
    lab.dhcp.answer(rule);
    assert_eq!(lab.server.must("vlan 1001 enp2s1"), "10.0.1.10/24\n");
    lab
}

/// When the server granted the current lease first.
fn granted(dhcp: &FabricDhcp) -> Instant {
    dhcp.received(Kind::Select)
        .last()
        .expect("a lease was requested")
        .at
}

/// In how many exchanges this was asked: a question that is repeated is still the same.
fn exchanges(dhcp: &FabricDhcp, kind: Kind) -> usize {
    let questions = dhcp.received(kind);
    let ids: BTreeSet<_> = questions.iter().map(|q| q.message.xid()).collect();
    ids.len()
}

fn wait_for(dhcp: &FabricDhcp, kind: Kind) -> Request {
    let seen = wait::poll(PATIENCE, || dhcp.received(kind).first().cloned());
    seen.unwrap_or_else(|| panic!("no {kind:?} came"))
}

#[track_caller]
fn assert_between(what: &str, earliest: f64, latest: f64, actual: Duration) {
    let seconds = actual.as_secs_f64();
    assert!(
        (earliest..=latest).contains(&seconds),
        "{what} after {seconds:.2} s"
    );
}

/// Half-way through the lease the server is asked again, by unicast and with
/// the address in ciaddr; the lifetime starts anew and nothing flaps.
#[test]
fn a_lease_is_renewed_half_way() {
    let lab = leased(8);
    let renewal = wait_for(&lab.dhcp, Kind::Renew);
    assert_between("the renewal", 3.0, 5.5, renewal.at - granted(&lab.dhcp));
    assert_eq!(renewal.destination, lab.fabric.vpc(1001).gateway);
    assert_eq!(renewal.message.ciaddr(), lab.fabric.vpc(1001).address(10));
    let options = renewal.message.opts();
    assert!(
        !options.contains(OptionCode::RequestedIpAddress),
        "{options:?}"
    );
    assert!(
        !options.contains(OptionCode::ServerIdentifier),
        "{options:?}"
    );
    wait::throughout(secs(8), "the address is there", || {
        lab.server.addresses(VLAN) == ["10.0.1.10/24"]
    });
    assert!(lab.dhcp.received(Kind::Renew).len() >= 2);
    assert_eq!(exchanges(&lab.dhcp, Kind::Discover), 1);
}

/// A renewal keeps the routes, too.
#[test]
fn a_renewal_keeps_the_routes() {
    let lab = leased(4);
    let before = lab.server.ip("route show");
    assert!(before.contains("default via 10.0.1.1"), "{before}");
    wait_for(&lab.dhcp, Kind::Renew);
    wait::throughout(secs(4), "the routes are there", || {
        lab.server.ip("route show") == before
    });
}

/// A server that does not answer the renewal is asked by broadcast at T2.
#[test]
fn a_lease_is_rebound_when_the_server_does_not_answer_its_renewal() {
    let lab = leased_by(16, |request| match request.kind {
        Kind::Renew => Answer::Silence,
        _ => Answer::Normal,
    });
    let rebind = wait_for(&lab.dhcp, Kind::Rebind);
    assert_between("rebinding", 13.0, 15.9, rebind.at - granted(&lab.dhcp));
    assert!(rebind.destination.is_broadcast());
    assert_eq!(rebind.message.ciaddr(), lab.fabric.vpc(1001).address(10));
    assert!(!rebind.message.opts().contains(OptionCode::ServerIdentifier));
    wait::throughout(secs(4), "the address is there", || {
        lab.server.addresses(VLAN) == ["10.0.1.10/24"]
    });
    assert_eq!(exchanges(&lab.dhcp, Kind::Discover), 1);
}

/// A server that is silent to the end: address and routes go when the lease
/// does, hhnet keeps asking, and all comes back with the server.
#[test]
fn a_lost_lease_takes_address_and_routes_away_and_comes_back() {
    let alive = Arc::new(AtomicBool::new(true));
    let is_alive = Arc::clone(&alive);
    let lab = leased_by(6, move |request| match request.kind {
        Kind::Discover if is_alive.load(Ordering::Relaxed) => Answer::Normal,
        Kind::Select => Answer::Normal,
        _ => Answer::Silence,
    });
    alive.store(false, Ordering::Relaxed);
    wait::until("the address is gone", PATIENCE, || {
        lab.server.addresses(VLAN).is_empty()
    });
    assert_between("the loss", 5.0, 8.0, granted(&lab.dhcp).elapsed());
    let routes = lab.server.ip("route show");
    assert!(!routes.contains("default"), "{routes}");
    wait::until("hhnet asks again", PATIENCE, || {
        exchanges(&lab.dhcp, Kind::Discover) >= 2
    });
    alive.store(true, Ordering::Relaxed);
    wait::until("address and route are back", PATIENCE, || {
        let routes = lab.server.ip("route show");
        lab.server.addresses(VLAN) == ["10.0.1.10/24"] && routes.contains("default via 10.0.1.1")
    });
}

/// A refused renewal ends the lease at once; the next one may be another.
#[test]
fn a_refused_renewal_ends_the_lease_at_once() {
    let other = Ipv4Addr::new(10, 0, 1, 42);
    let mut is_refused = false;
    let lab = leased_by(8, move |request| {
        is_refused |= request.kind == Kind::Renew;
        match request.kind {
            Kind::Renew => Answer::Nak,
            _ if is_refused => Answer::Give(other),
            _ => Answer::Normal,
        }
    });
    wait_for(&lab.dhcp, Kind::Renew);
    wait::until("the new address is there, alone", PATIENCE, || {
        lab.server.addresses(VLAN) == ["10.0.1.42/24"]
    });
    assert_eq!(exchanges(&lab.dhcp, Kind::Discover), 2);
    assert_between(
        "the new lease",
        3.0,
        8.0,
        granted(&lab.dhcp) - lab.dhcp.requests()[0].at,
    );
}

/// A server may move a client to another address when it renews: exactly the
/// new one is on the interface, and the routes use it.
#[test]
fn a_renewal_may_bring_another_address() {
    let lab = leased(6);
    let other = lab.fabric.vpc(1001).address(42);
    lab.dhcp.answer(move |_| Answer::Give(other));
    wait::until("the new address is there, alone", PATIENCE, || {
        lab.server.addresses(VLAN) == ["10.0.1.42/24"]
    });
    wait::until("the default route has the new source", secs(2), || {
        lab.server
            .ip("route show default")
            .contains("src 10.0.1.42")
    });
    assert_eq!(exchanges(&lab.dhcp, Kind::Discover), 1);
}

/// A server may acknowledge another address than it offered.
#[test]
fn the_acknowledged_address_counts_not_the_offered_one() {
    let lab = Lab::model(|_| ());
    let other = lab.fabric.vpc(1001).address(42);
    lab.dhcp.answer(move |request| match request.kind {
        Kind::Discover => Answer::Normal,
        _ => Answer::Give(other),
    });
    assert_eq!(lab.server.must("vlan 1001 enp2s1"), "10.0.1.42/24\n");
    assert_eq!(lab.server.addresses(VLAN), ["10.0.1.42/24"]);
}

/// The fabric's server answers its own errors by offers and acknowledgements of
/// nothing; they are no answer.
#[test]
fn empty_offers_and_acknowledgements_are_ignored() {
    let lab = Lab::model(|_| ());
    let (mut offers, mut acks) = (0, 0);
    lab.dhcp.answer(move |request| {
        let seen = if request.kind == Kind::Discover {
            &mut offers
        } else {
            &mut acks
        };
        *seen += 1;
        let empty = if request.kind == Kind::Discover {
            *seen <= 2
        } else {
            *seen <= 1
        };
        if empty { Answer::Empty } else { Answer::Normal }
    });
    let monitor = Monitor::of(lab.server.namespace());
    let output = lab.server.hhnet("vlan 1001 enp2s1").success("hhnet vlan");
    assert_eq!(output.stdout, "10.0.1.10/24\n");
    assert!(output.took < secs(10), "{:?}", output.took);
    assert!(lab.dhcp.received(Kind::Discover).len() >= 3);
    let own = lab.fabric.vpc(1001).address(10);
    for event in monitor.events() {
        if let Event::AddressSet(address, _) = event {
            assert_eq!(address, own);
        }
    }
}

/// Two leaves relay one broadcast: whatever is answered comes twice.
#[test]
fn answers_that_come_twice_are_one_answer() {
    let lab = leased_by(4, |_| Answer::Twice);
    wait_for(&lab.dhcp, Kind::Renew);
    wait::throughout(secs(4), "the address is there, alone", || {
        lab.server.addresses(VLAN) == ["10.0.1.10/24"]
    });
    assert_eq!(exchanges(&lab.dhcp, Kind::Discover), 1);
    assert_eq!(exchanges(&lab.dhcp, Kind::Select), 1);
    let log = lab.server.log();
    let complaints = log
        .lines()
        .filter(|line| line.contains(" WARN ") || line.contains(" ERROR "));
    assert_eq!(complaints.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// The fabric may lease the last address of a subnet, too.
#[test]
fn the_last_address_of_a_subnet_can_be_leased() {
    let lab = Lab::model(|_| ());
    let last = lab.fabric.vpc(1001).address(255);
    lab.dhcp.answer(move |_| Answer::Give(last));
    assert_eq!(lab.server.must("vlan 1001 enp2s1"), "10.0.1.255/24\n");
    assert_eq!(lab.server.addresses(VLAN), ["10.0.1.255/24"]);
    assert_eq!(lab.server.must("cleanup"), "");
}

/// Nothing is waited for before the first question.
#[test]
fn the_first_question_comes_at_once() {
    let lab = Lab::model(|_| ());
    lab.server.must("vlan 1001 enp2s1 --xdp=off");
    lab.server.must("cleanup");
    let before = lab.dhcp.requests().len();
    let mut command = Running::start(&mut lab.server.hhnet_command("vlan 1001 enp2s1 --xdp=off"));
    wait::until("the VLAN is up", PATIENCE, || {
        let shown = lab.server.run(&format!("ip -br link show up dev {VLAN}"));
        shown.stdout.contains(VLAN)
    });
    let up = Instant::now();
    assert!(command.wait(PATIENCE).success());
    let first = lab.dhcp.requests()[before].at;
    assert_between(
        "the first DISCOVER",
        0.0,
        // RFC 2131, 4.4.1 has clients wait for up to ten.
        1.0,
        first.saturating_duration_since(up),
    );
}

/// Questions come early and often while nobody answers, so that a port that
/// opens late costs little.
#[test]
fn discovery_is_patient_and_persistent() {
    let lab = Lab::model(|_| ());
    let opened = Instant::now() + secs(10);
    lab.dhcp.answer(move |_| match Instant::now() < opened {
        true => Answer::Silence,
        false => Answer::Normal,
    });
    assert_eq!(lab.server.must("vlan 1001 enp2s1"), "10.0.1.10/24\n");
    assert_between("the lease", 0.0, 3.0, opened.elapsed());
    assert!(lab.dhcp.received(Kind::Discover).len() >= 8);
}

/// What a DISCOVER says about the client.
#[test]
fn a_discover_carries_what_the_fabric_needs() {
    let lab = leased(3600);
    let discover = &lab.dhcp.received(Kind::Discover)[0].message;
    assert!(discover.ciaddr().is_unspecified());
    assert!(!discover.flags().broadcast());
    let mac: String = discover
        .chaddr()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(":");
    assert_eq!(
        lab.server.ip_json(&format!("link show {VLAN}"))[0]["address"],
        mac.as_str()
    );
    let options = discover.opts();
    let hostname = options.get(OptionCode::Hostname);
    assert_eq!(
        hostname,
        Some(&DhcpOption::Hostname("server-01".to_owned()))
    );
    assert!(matches!(
        options.get(OptionCode::MaxMessageSize),
        Some(DhcpOption::MaxMessageSize(576..))
    ));
    let Some(DhcpOption::ParameterRequestList(wanted)) =
        options.get(OptionCode::ParameterRequestList)
    else {
        panic!("no parameter request list: {options:?}");
    };
    let codes: Vec<u8> = wanted.iter().map(|code| u8::from(*code)).collect();
    for code in [1, 3, 6, 26, 42, 51, 54, 121] {
        assert!(
            codes.contains(&code),
            "option {code} is not requested: {codes:?}"
        );
    }
    for code in [66, 67] {
        assert!(
            !codes.contains(&code),
            "option {code} is for network boot: {codes:?}"
        );
    }
    let request = &lab.dhcp.received(Kind::Select)[0].message;
    assert!(request.opts().has_msg_type(MessageType::Request));
    assert!(request.opts().contains(OptionCode::RequestedIpAddress));
}

/// Nobody answers at all: hhnet gives up after its time, says for which
/// interface, and leaves nothing behind.
#[test]
fn without_a_server_hhnet_gives_up_in_time() {
    let lab = Lab::model(|_| ());
    lab.dhcp.answer(|_| Answer::Silence);
    let before = lab.server.snapshot();
    let output = lab.server.hhnet("vlan 1001 enp2s1 --timeout=4");
    assert!(!output.ok());
    assert_eq!(output.stdout, "");
    let expected = "Failed to get IP address for enp2s1.1001";
    assert!(output.stderr.contains(expected), "{}", output.stderr);
    assert_between("giving up", 3.5, 8.0, output.took);
    lab.server.expect_unchanged(&before);
}
