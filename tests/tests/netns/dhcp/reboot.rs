// SPDX-License-Identifier: Apache-2.0
//! An agent that was killed: the next one takes the lease up (INIT-REBOOT).

use dhcproto::v4::{DhcpOption, OptionCode};
use hhnet_tests::dhcp::{Kind, Software};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::{Host, assert_refusal};
use hhnet_tests::monitor::Monitor;
use hhnet_tests::wait::{self, PATIENCE};
use ipnet::Ipv4Net;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{agent, has, lease};

with_every_server!(
    a_killed_agent_is_followed_by_one_with_the_same_address,
    a_killed_agent_whose_address_is_refused_gets_another,
);

fn kill_agent(server: &Host) {
    kill(Pid::from_raw(agent(server)), Signal::SIGKILL).expect("the agent can be killed");
    wait::until("the agent is gone", PATIENCE, || {
        server.hhnet_processes().is_empty()
    });
}

/// Any verb starts the next agent; this one is refused, because the interface
/// has a session by then.
fn start_another(server: &Host) {
    let line = format!("dhcp {NIC} --xdp=off");
    assert_refusal(&line, &server.hhnet(&line), &[NIC, "done already"]);
}

/// One REQUEST as RFC 2131, 4.3.2 wants it, and the address is never absent.
fn a_killed_agent_is_followed_by_one_with_the_same_address(software: Software) {
    let segment = Segment::with_wire(1);
    let _daemon = segment.serve(software, &Segment::pool());
    let server = segment.server();
    let address = lease(&server);
    let discovers = segment.wire().seen(Kind::Discover).len();
    kill_agent(&server);
    assert!(has(&server, address), "the kernel keeps it");

    let monitor = Monitor::of(server.namespace());
    let acks = segment.wire().seen(Kind::Ack).len();
    start_another(&server);
    wait::until("the lease is confirmed", PATIENCE, || {
        segment.wire().seen(Kind::Ack).len() > acks && monitor.times_set(address) >= 1
    });
    assert!(server.valid_lft(NIC) >= 118, "{}", server.valid_lft(NIC));
    assert!(has(&server, address));
    let requests = segment.wire().seen(Kind::Reboot);
    let request = &requests[0];
    // A slow answer is asked for once more.
    let xid = request.message.xid();
    assert!(requests.iter().all(|again| again.message.xid() == xid));
    let requested = DhcpOption::RequestedIpAddress(address);
    let code = OptionCode::RequestedIpAddress;
    assert_eq!(request.option(code), Some(&requested));
    assert!(!request.has(OptionCode::ServerIdentifier));
    assert!(request.message.ciaddr().is_unspecified());
    assert!(request.destination.is_broadcast());
    assert_eq!(segment.wire().seen(Kind::Discover).len(), discovers);
    assert_eq!(monitor.losses(), []);
}

/// The server leases other addresses by now.
fn a_killed_agent_whose_address_is_refused_gets_another(software: Software) {
    let segment = Segment::with_wire(2);
    let pool = Segment::pool();
    let mut daemon = segment.serve(software, &pool);
    let server = segment.server();
    let address = lease(&server);
    kill_agent(&server);
    let moved = pool.moved();
    daemon.forget(segment.router(), &moved);

    start_another(&server);
    let other = wait::poll(PATIENCE, || match &server.addresses(NIC)[..] {
        [only] => {
            let only = only.parse::<Ipv4Net>().ok()?.addr();
            moved.range.contains(&only).then_some(only)
        }
        _ => None,
    });
    let other = other.expect("another address, alone");
    assert_ne!(other, address);
    assert!(!segment.wire().seen(Kind::Nak).is_empty());
}

/// The fabric's server knows no INIT-REBOOT, and in L3 mode gives ten seconds again.
#[test]
fn a_killed_agent_in_l3_mode_keeps_its_address() {
    let segment = Segment::with_wire(3);
    let mut subnet = Segment::subnet();
    subnet.l3 = true;
    let _dhcp = segment.fabric_dhcp(subnet);
    let server = segment.server();
    let address = lease(&server);
    wait::until("the long lease", PATIENCE, || server.valid_lft(NIC) > 3000);
    kill_agent(&server);
    let monitor = Monitor::of(server.namespace());
    start_another(&server);
    assert!(has(&server, address));
    wait::until("the long lease again", PATIENCE, || {
        server.valid_lft(NIC) > 3000
    });
    assert_eq!(monitor.losses(), []);
}
