// SPDX-License-Identifier: Apache-2.0
//! An agent that was killed: the next one takes the lease up (INIT-REBOOT).

use dhcproto::v4::{DhcpOption, OptionCode};
use hhnet_tests::dhcp::{Kind, Software};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::host::Host;
use hhnet_tests::monitor::Monitor;
use hhnet_tests::wait::{self, PATIENCE};
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
    assert_eq!(lease(&server), address);
    let requests = segment.wire().seen(Kind::Reboot);
    let [request] = &requests[..] else {
        panic!("{} INIT-REBOOTs", requests.len());
    };
    let requested = DhcpOption::RequestedIpAddress(address);
    let code = OptionCode::RequestedIpAddress;
    assert_eq!(request.option(code), Some(&requested));
    assert!(!request.has(OptionCode::ServerIdentifier));
    assert!(request.message.ciaddr().is_unspecified());
    assert!(request.destination.is_broadcast());
    assert_eq!(segment.wire().seen(Kind::Discover).len(), discovers);
    assert_eq!(monitor.losses(), []);
    assert!(server.valid_lft(NIC) >= 118);
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

    let other = lease(&server);
    assert!(moved.range.contains(&other), "{other}");
    assert_ne!(other, address);
    wait::until("the old address is gone", PATIENCE, || has(&server, other));
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
    assert_eq!(lease(&server), address);
    wait::until("the long lease again", PATIENCE, || {
        server.valid_lft(NIC) > 3000
    });
    assert_eq!(monitor.losses(), []);
}
