// SPDX-License-Identifier: Apache-2.0
//! On a cable without VLANs, which takes milliseconds.

use dhcproto::v4::DhcpOption;
use hhnet_tests::dhcp::Kind;
use hhnet_tests::fabric::{NIC, PORT, Segment};
use hhnet_tests::footprint::Footprint;
use hhnet_tests::host::Host;
use hhnet_tests::monitor::Monitor;
use hhnet_tests::wait::{self, PATIENCE};

use crate::{WARM_UP, again_and_again, agent, compare, from_environment, say, secs};

/// How often a command is given.
const CYCLES: &str = "HHNET_SOAK_CYCLES";

/// For how many seconds a lease is renewed each second.
const SECONDS: &str = "HHNET_SOAK_SECONDS";

/// After the last cleanup nothing of the machine is left that the kernel would hold it for:
/// its end of the cable goes with it, and so does the other one.
#[test]
fn cleanup_and_dhcp_leave_nothing() {
    let segment = Segment::new();
    let _dhcp = segment.fabric_dhcp(Segment::subnet());
    let server = segment.server();
    let cycles = from_environment(CYCLES, [20, 1000]);
    again_and_again(&server, &format!("dhcp {NIC}"), "10.0.1.10/24\n", cycles);
    drop(server);
    wait::until("the kernel has let go of the machine", PATIENCE, || {
        let links = segment.router().must("ip -o link show");
        !links.contains(PORT)
    });
}

/// Everything one may ask of an agent, also what fails, while another lease keeps it.
fn ask_everything(server: &Host) {
    server.ip(&format!(
        "link add link {NIC} name mac0 address 02:00:00:00:00:01 type macvlan mode private"
    ));
    server.must("dhcp mac0");
    for question in ["status --json", "flows --json", "dups --json", "metrics"] {
        assert!(!server.must(question).is_empty(), "hhnet {question}");
    }
    // A VLAN that nobody serves, or that this kernel does not know.
    assert!(!server.hhnet("vlan 1001 mac0 --timeout=1").ok());
    assert!(!server.hhnet("dhcp nothing0").ok());
    server.ip("link del mac0");
    wait::until("the agent has seen it go", PATIENCE, || {
        !server.must("status").contains("mac0")
    });
}

#[test]
fn one_agent_bears_many_commands() {
    let segment = Segment::new();
    let dhcp = segment.fabric_dhcp(Segment::subnet());
    let server = segment.server();
    server.must(&format!("dhcp {NIC}"));
    let pid = agent(&server);
    (0..WARM_UP).for_each(|_| ask_everything(&server));
    let first = Footprint::of(pid);
    let cycles = from_environment(CYCLES, [10, 100]);
    (0..cycles).for_each(|_| ask_everything(&server));
    assert_eq!(agent(&server), pid, "it is the same");
    say(&format!("{cycles} times eight commands of one agent"));
    compare("the agent", first, Footprint::of(pid));
    drop((server, dhcp));
}

/// Renewals of ten-second leases come every five: one each second is five times as many.
#[test]
fn a_lease_is_renewed_for_ever() {
    let segment = Segment::new();
    let mut subnet = Segment::subnet();
    subnet.lease = secs(10);
    subnet.options = vec![DhcpOption::Renewal(1), DhcpOption::Rebinding(8)];
    let dhcp = segment.fabric_dhcp(subnet);
    let server = segment.server();
    server.must(&format!("dhcp {NIC}"));
    let pid = agent(&server);
    let monitor = Monitor::of(server.namespace());
    wait::until("it is renewed", PATIENCE, || {
        dhcp.received(Kind::Renew).len() >= 2
    });
    let (first, early) = (Footprint::of(pid), dhcp.received(Kind::Renew).len());
    let seconds = u64::from(from_environment(SECONDS, [6, 720]));
    wait::throughout(secs(seconds), "no address and no route is lost", || {
        monitor.losses().is_empty()
    });
    let renewals = dhcp.received(Kind::Renew).len() - early;
    say(&format!("{renewals} renewals in {seconds} s"));
    compare("the agent", first, Footprint::of(pid));
    assert!(renewals as u64 >= seconds * 4 / 5, "{renewals} renewals");
    let discovers = dhcp.received(Kind::Discover);
    let xid = discovers[0].message.xid();
    assert!(discovers.iter().all(|again| again.message.xid() == xid));
    drop((server, dhcp));
}
