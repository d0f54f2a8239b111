// SPDX-License-Identifier: Apache-2.0
//! Servers that do harm: one that never keeps its word, and ones that refuse.

use std::time::Instant;

use hhnet_tests::dhcp::{Answer, FabricDhcp, Forgery, Kind, Subnet};
use hhnet_tests::fabric::{NIC, PORT, Segment};
use hhnet_tests::monitor::Monitor;
use hhnet_tests::process::Running;
use hhnet_tests::wait::{self, PATIENCE};

use super::{agent, assert_between, assert_held_since, has, lease, memory, secs, wait_for};

const NAK: u8 = 6;

/// Offers at once, and then never acknowledges; the honest server is slower.
#[test]
fn a_server_that_never_acknowledges_is_left_for_another() {
    let segment = Segment::with_wire(1);
    let machine = segment.neighbour("rogue", 2);
    let mut subnet = Subnet::new(
        Segment::address(2),
        Segment::address(200)..=Segment::address(209),
    );
    subnet.gateway = Segment::address(1);
    let rogue = FabricDhcp::start(&machine, PORT, subnet);
    rogue.answer(|request| match request.kind {
        Kind::Discover => Answer::Normal,
        _ => Answer::Silence,
    });
    let honest = segment.fabric_dhcp(Segment::subnet());
    honest.answer(|request| match request.kind {
        Kind::Discover => Answer::Late(secs(1)),
        // It hears that another server was chosen.
        Kind::Select if !names(&request.message, 1) => Answer::Silence,
        _ => Answer::Normal,
    });
    let server = segment.server();
    let answer = server.hhnet(&format!("dhcp {NIC} --xdp=off --timeout=20"));
    let answer = answer.success("hhnet dhcp");
    assert_eq!(answer.stdout, "10.0.1.10/24\n");
    assert_between("the lease", 1.0, 6.0, answer.took);
    let chosen = rogue.received(Kind::Select);
    assert!(chosen.iter().any(|request| names(&request.message, 2)));
}

/// Whether a REQUEST takes the offer of the server with this address.
fn names(message: &dhcproto::v4::Message, host: u8) -> bool {
    use dhcproto::v4::{DhcpOption, OptionCode};
    let server = DhcpOption::ServerIdentifier(Segment::address(host));
    message.opts().get(OptionCode::ServerIdentifier) == Some(&server)
}

/// A server that refuses what it has just offered, a hundred times at once: it is
/// asked less and less often.
#[test]
fn a_storm_of_refusals_is_no_reason_to_hurry() {
    let segment = Segment::with_wire(2);
    let dhcp = segment.fabric_dhcp(Segment::subnet());
    let calm = Instant::now() + secs(6);
    dhcp.answer(move |request| match request.kind {
        Kind::Select if Instant::now() < calm => Answer::Naks(100),
        _ => Answer::Normal,
    });
    let server = segment.server();
    let mut verb = Running::start(&mut server.hhnet_command(&format!("dhcp {NIC} --xdp=off")));
    wait_for(segment.wire(), Kind::Nak, 100);
    let before = memory(agent(&server), "VmRSS");
    assert!(verb.wait(PATIENCE).success());
    assert!(has(&server, Segment::address(10)));
    let grown = memory(agent(&server), "VmRSS").saturating_sub(before);
    assert!(grown < 2 << 20, "the agent has grown by {grown} bytes");
    // At 0, 0, 1, 3, 7 s, say: never one a second.
    let asked = segment.wire().seen(Kind::Discover).len();
    assert!((2..=7).contains(&asked), "{asked} DISCOVERs");
}

/// Refusals of other servers, or of other transactions, are not meant for us.
#[test]
fn refusals_by_others_do_not_end_a_lease() {
    let segment = Segment::with_wire(3);
    let mut subnet = Segment::subnet();
    subnet.lease = secs(16);
    let dhcp = segment.fabric_dhcp(subnet);
    let server = segment.server();
    let address = lease(&server);
    let monitor = Monitor::of(server.namespace());
    // It renews in vain while the storm blows.
    dhcp.answer(|request| match request.kind {
        Kind::Renew => Answer::Silence,
        _ => Answer::Normal,
    });
    let renewal = wait_for(segment.wire(), Kind::Renew, 1);
    let (xid, client) = (renewal.message.xid(), renewal.message.chaddr());
    let client = client.try_into().expect("an Ethernet address");
    let stranger = Segment::address(77);
    let forgery = Forgery::new(segment.router(), PORT, stranger, client);
    for round in 0..500 {
        for (xid, server) in [(xid, stranger), (xid ^ (1 + round), Segment::address(1))] {
            let nak = forgery.reply(NAK, xid, [0; 4].into(), &[(54, &server.octets())]);
            forgery.send(&forgery.frame(&nak, [255; 4].into()));
        }
    }
    wait_for(segment.wire(), Kind::Rebind, 1);
    wait::until("it is rebound", secs(2), || monitor.times_set(address) == 1);
    assert_eq!(monitor.losses(), []);
    assert_held_since(segment.wire());
    assert!(
        segment.wire().seen(Kind::Nak).len() >= 900,
        "the storm blew"
    );
}
