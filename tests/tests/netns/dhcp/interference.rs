// SPDX-License-Identifier: Apache-2.0
//! Others change the interface under hhnet's feet.

use std::time::Instant;

use hhnet_tests::dhcp::{Answer, Kind, Software};
use hhnet_tests::fabric::{NIC, Segment};
use hhnet_tests::monitor::{Event, Monitor};
use hhnet_tests::process::Running;
use hhnet_tests::wait::{self, PATIENCE};
use hhnet_tests::wire::Way;
use serde_json::Value;

use super::{agent, assert_between, has, lease, leased, secs, wait_for};

#[test]
fn an_address_that_somebody_removes_comes_back() {
    let segment = Segment::new();
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool());
    let server = segment.server();
    let address = lease(&server);
    let routes = server.ip("route show");
    for _ in 0..3 {
        server.ip(&format!("addr del {address}/24 dev {NIC}"));
        wait::until("the address is back", PATIENCE, || has(&server, address));
        wait::until("the routes are back", PATIENCE, || {
            server.ip("route show") == routes
        });
    }
}

#[test]
fn a_route_that_somebody_removes_comes_back() {
    let segment = Segment::new();
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool());
    let server = segment.server();
    lease(&server);
    let routes = server.ip("route show");
    for _ in 0..2 {
        server.ip("route del default");
        wait::until("the routes are back", PATIENCE, || {
            server.ip("route show") == routes
        });
    }
}

/// What a lease has set goes with it: the MTU, and the name servers, also when
/// the interface itself goes.
#[test]
fn mtu_and_name_servers_go_with_the_lease() {
    let segment = Segment::new();
    let mut subnet = Segment::subnet();
    subnet.mtu = 1400;
    subnet.dns = vec![[1, 1, 1, 1].into()];
    let dhcp = segment.fabric_dhcp(subnet);
    let server = segment.server();
    let resolver = || {
        server
            .namespace()
            .read("/etc/resolv.conf")
            .unwrap_or_default()
    };
    let before = resolver();
    server.ip(&format!(
        "link add link {NIC} name mac0 address 02:00:00:00:00:01 type macvlan mode private"
    ));
    server.must("dhcp mac0 --xdp=off");
    assert!(resolver().contains("nameserver 1.1.1.1"));
    server.ip("link del mac0");
    wait::until("the name servers are gone", secs(2), || {
        resolver() == before
    });

    dhcp.answer(|request| match request.kind {
        Kind::Discover | Kind::Select => Answer::Normal,
        _ => Answer::Nak,
    });
    dhcp.configure(|subnet| subnet.lease = secs(4));
    let mtu = || server.ip_json(&format!("link show {NIC}"))[0]["mtu"].clone();
    lease(&server);
    assert_eq!(mtu(), 1400);
    dhcp.answer(|request| match request.kind {
        Kind::Renew => Answer::Nak,
        _ => Answer::Silence,
    });
    wait::until("the MTU is its own again", PATIENCE, || mtu() == 1500);
    assert_eq!(resolver(), before);
}

/// What systemd-networkd and people do: no address, link down. Nothing is said
/// while it is, and all is back when it is up again.
#[test]
fn an_interface_that_is_flushed_and_set_down_is_left_alone_until_it_is_up() {
    let segment = Segment::with_wire(1);
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool().renewed_after(2, 4));
    let server = segment.server();
    let address = lease(&server);
    server.namespace().ip_batch(&format!(
        "addr flush dev {NIC}
         link set {NIC} down"
    ));
    let down = Instant::now();
    let monitor = Monitor::of(server.namespace());
    let said = || {
        let mut passages = segment.wire().passages();
        passages.retain(|passage| passage.way == Way::Out && passage.at > down);
        passages
    };
    wait::throughout(secs(4), "nothing is sent", || said().is_empty());
    assert!(
        monitor.times_set(address) <= 1,
        "the address is not fought for: {:?}",
        monitor.events()
    );
    server.ip(&format!("link set {NIC} up"));
    wait::until("the address is back", secs(3), || has(&server, address));
    wait::until("the default route is back", secs(3), || {
        server.ip("route show").contains("default via 10.0.1.1")
    });
}

/// A lease is the interface's, whatever that is called: it is renewed, shown and given back
/// under the new name, and so are the name servers that came with it.
#[test]
fn a_renamed_interface_keeps_its_lease() {
    let segment = Segment::with_wire(4);
    let pool = Segment::pool().renewed_after(2, 4);
    let pool = pool.with(&["--dhcp-option=6,1.1.1.1"]);
    let _daemon = segment.serve(Software::Dnsmasq, &pool);
    let server = segment.server();
    server.ip(&format!(
        "link add link {NIC} name mac0 address 02:00:00:00:00:01 type macvlan mode private"
    ));
    let address = leased(&server.must("dhcp mac0"));
    let monitor = Monitor::of(server.namespace());
    server.namespace().ip_batch(
        "link set mac0 down
         link set mac0 name tenant0
         link set tenant0 up",
    );
    let resolver = || server.namespace().read("/etc/resolv.conf");
    wait::until("it is known by its new name", secs(3), || {
        let status: Value = serde_json::from_str(&server.must("status --json")).expect("JSON");
        let [interface, port] = ["interfaces", "ports"].map(|list| &status[list][0]);
        interface["name"] == "tenant0"
            && interface["dhcp"]["state"] == "BOUND"
            && port["received"]["name"] == "tenant0"
            && resolver().is_some_and(|text| text.contains("hhnet: begin tenant0\nnameserver 1"))
    });
    let renewals = segment.wire().seen(Kind::Renew).len();
    wait_for(segment.wire(), Kind::Renew, renewals + 2);
    let lost = |event: &Event| *event == Event::AddressGone(address);
    assert!(!monitor.losses().iter().any(lost), "{:?}", monitor.losses());
    server.must("cleanup");
    assert_eq!(server.addresses("tenant0"), [""; 0]);
    assert!(resolver().is_some_and(|text| !text.contains("hhnet")));
    server.ip("link del tenant0");
}

/// A command that waits gives up what it began, whatever that is called by then.
#[test]
fn a_renamed_interface_is_given_up() {
    let segment = Segment::new();
    let server = segment.server();
    server.ip(&format!(
        "link add link {NIC} name mac0 address 02:00:00:00:00:01 type macvlan mode private"
    ));
    let mut command = Running::start(&mut server.hhnet_command("dhcp mac0 --timeout=3"));
    wait::until("it waits", PATIENCE, || {
        server.must("status").contains("SELECTING")
    });
    server.namespace().ip_batch(
        "link set mac0 down
         link set mac0 name tenant0
         link set tenant0 up",
    );
    assert!(!command.wait(PATIENCE).success());
    wait::until("the agent has nothing to stay for", PATIENCE, || {
        server.hhnet_processes().is_empty()
    });
    server.ip("link del tenant0");
}

/// The session of an interface ends with it; the agent and its other lease go on.
#[test]
fn an_interface_that_is_deleted_takes_its_lease_with_it_and_no_more() {
    let segment = Segment::with_wire(2);
    let _daemon = segment.serve(Software::Dnsmasq, &Segment::pool().renewed_after(2, 4));
    let server = segment.server();
    let address = lease(&server);
    let before = agent(&server);
    for round in 1..=2 {
        server.ip(&format!(
            "link add link {NIC} name mac0 address 02:00:00:00:00:0{round} type macvlan mode private"
        ));
        let other = leased(&server.must("dhcp mac0 --xdp=off"));
        assert_ne!(other, address);
        server.ip("link del mac0");
        server.must("status");
    }
    let renewals = segment.wire().seen(Kind::Renew).len();
    wait_for(segment.wire(), Kind::Renew, renewals + 2);
    assert!(has(&server, address));
    assert_eq!(agent(&server), before, "the agent is the same");
}

/// Deleted while it is still looking for a server: the command fails at once.
#[test]
fn an_interface_that_is_deleted_ends_the_command_that_waits_for_it() {
    use hhnet_tests::process::Running;
    let segment = Segment::with_wire(3);
    let server = segment.server();
    server.ip(&format!(
        "link add link {NIC} name mac0 type macvlan mode private"
    ));
    let mut verb = Running::start(&mut server.hhnet_command("dhcp mac0 --xdp=off"));
    wait_for(segment.wire(), Kind::Discover, 1);
    let deleted = Instant::now();
    server.ip("link del mac0");
    assert!(!verb.wait(PATIENCE).success());
    assert_between("the failure", 0.0, 2.0, deleted.elapsed());
    wait::until("it says why", secs(1), || verb.stderr().contains("mac0"));
}
