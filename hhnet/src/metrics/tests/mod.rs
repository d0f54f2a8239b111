// SPDX-License-Identifier: Apache-2.0
//! Every series there is, as text.

mod bounds;
mod documents;

use std::collections::BTreeSet;

use super::{series::all, *};
use crate::{
    status::{Agent, Bond, Dhcp, Interface, Lacp, LacpState, Lease, Port, Program, Step},
    xdp::{
        Mode,
        dups::Compared,
        report::{Counted, Direction, Member, Share, Spread, Transport},
    },
};

fn member(name: &str, direction: Direction) -> Member {
    Member {
        name: name.into(),
        bond: Some("bond0".into()),
        direction,
        mode: Some(Mode::Native),
        share: Some(Share {
            packets: 0.5,
            bytes: 0.25,
        }),
        ipv4: Counted {
            packets: 3,
            bytes: 306,
        },
        unlisted_flows: 5,
        lost_flows: 6,
        double_tagged: 7,
        later_fragments: 8,
        ..Member::default()
    }
}

fn port(name: &str) -> Port {
    Port {
        name: name.into(),
        up: true,
        carrier: true,
        speed_mbps: Some(10_000),
        mtu: 1500,
        lacp: Some(Lacp {
            distributing: true,
            aggregator: Some(1),
            partner: LacpState(0x3d),
            partner_mac: Some("0a:0a:0a:0a:0a:0a".into()),
            failures: 2,
            ..Lacp::default()
        }),
        programs: vec![Program {
            direction: Direction::In,
            mode: Mode::Native,
            fallback_reason: None,
        }],
        received: Some(member(name, Direction::In)),
        sent: Some(member(name, Direction::Out)),
        duplicates: Some(Compared {
            compared: 10,
            strong_same_member: 2,
            looped: 1,
            replicated: 2,
            ..Compared::default()
        }),
        ..Port::default()
    }
}

fn lease() -> Lease {
    Lease {
        address: "10.0.1.10/24".into(),
        server: [10, 0, 1, 1].into(),
        relay: Some([172, 30, 0, 9].into()),
        age_ms: 600_000,
        remaining_ms: Some(3_000_000),
        renew_in_ms: None,
        routes: vec![],
        mtu: None,
        dns: vec![],
        ntp: vec![],
        domain: None,
        search: vec![],
        hostname: None,
    }
}

fn dhcp() -> Dhcp {
    let step = |step: &str, ms| Step {
        step: step.into(),
        ms,
    };
    Dhcp {
        state: "BOUND".into(),
        discovers: 3,
        duplicate_offers: 1,
        renewals: 4,
        dropped: [("stray".to_owned(), 1)].into(),
        steps: vec![step("link", 0.0), step("lacp", 1500.0), step("offer", 0.7)],
        time_to_lease_ms: Some(1502.5),
        lease: Some(lease()),
        ..Dhcp::default()
    }
}

/// A server of which everything is known.
fn status() -> Status {
    Status {
        agent: Some(Agent {
            pid: 181,
            uptime_ms: 5000,
            build: "0.1.0".into(),
            adopted: 2,
        }),
        bonds: vec![Bond {
            name: "bond0".into(),
            lacp: true,
            policy: "layer2+3".into(),
            up: true,
            carrier: true,
            mtu: 1500,
            aggregator: Some(1),
            ports_in_aggregator: 1,
            partner: Some("0a:0a:0a:0a:0a:0a".into()),
            members: vec![port("enp2s1")],
            ..Bond::default()
        }],
        interfaces: vec![Interface {
            name: "bond0.1001".into(),
            vlan: Some(1001),
            up: true,
            carrier: true,
            mtu: 1500,
            dhcp: Some(dhcp()),
            ..Interface::default()
        }],
        spread: vec![Spread {
            bond: "bond0".into(),
            direction: Direction::Out,
            members: 2,
            jain_packets: 0.9,
            jain_bytes: 0.8,
        }],
        duplicates: Some(Compared {
            duplication_fraction: Some(0.25),
            replicated_packet_rate: Some(0.125),
            ..Compared::default()
        }),
        ..Status::default()
    }
}

fn flow(transport: Transport) -> Flow {
    Flow {
        member: "enp2s1".into(),
        direction: Direction::In,
        vlan: Some(1001),
        protocol: 6,
        source: [10, 0, 1, 1].into(),
        destination: [10, 0, 1, 10].into(),
        transport,
        packets: 3,
        bytes: 306,
        duplicates: Default::default(),
        age_ms: 0,
        idle_ms: 0,
        expected: None,
        rate: None,
    }
}

fn process() -> Process {
    Process {
        cpu_seconds: 0.75,
        max_fds: Some(1024),
        ..Process::default()
    }
}

fn rendered(format: Format) -> String {
    let flows = [
        flow(Transport::Ports {
            source_port: 443,
            destination_port: 50_000,
        }),
        flow(Transport::Fragments { fragments: true }),
        flow(Transport::Nothing {}),
    ];
    let facts = Facts {
        status: &status(),
        flows: Some((7, &flows)),
        process: Some(process()),
        took: Duration::from_millis(2),
    };
    render(&facts, format)
}

#[test]
fn a_bonded_server_with_a_lease() {
    let text = rendered(Format::Prometheus);
    for line in [
        "# HELP hhnet_dhcp_discovers_total DISCOVERs sent.",
        "# TYPE hhnet_dhcp_discovers_total counter",
        "hhnet_dhcp_discovers_total{interface=\"bond0.1001\"} 3",
        "hhnet_dhcp_duplicate_replies_total{interface=\"bond0.1001\",message=\"offer\"} 1",
        "hhnet_dhcp_renewals_total{interface=\"bond0.1001\",result=\"ok\"} 4",
        "hhnet_dhcp_dropped_total{interface=\"bond0.1001\",reason=\"stray\"} 1",
        "hhnet_dhcp_dropped_total{interface=\"bond0.1001\",reason=\"checksum\"} 0",
        "hhnet_dhcp_bound{interface=\"bond0.1001\"} 1",
        "hhnet_dhcp_lease_remaining_seconds{interface=\"bond0.1001\"} 3000.0",
        "hhnet_dhcp_acquisition_seconds{interface=\"bond0.1001\",step=\"lacp\"} 1.5",
        "hhnet_dhcp_time_to_lease_seconds{interface=\"bond0.1001\"} 1.5025",
        "hhnet_dhcp_lease_info{interface=\"bond0.1001\",address=\"10.0.1.10/24\",\
         server=\"10.0.1.1\",relay=\"172.30.0.9\"} 1",
        "# TYPE hhnet_build_info gauge",
        "hhnet_build_info{version=\"0.1.0\"} 1",
        "hhnet_agent_up 1",
        "hhnet_agent_adopted_leases 2",
        "hhnet_member_info{bond=\"bond0\",interface=\"enp2s1\",aggregator=\"1\",\
         partner=\"0a:0a:0a:0a:0a:0a\"} 1",
        "hhnet_member_distributing{bond=\"bond0\",interface=\"enp2s1\",end=\"partner\"} 1",
        "hhnet_link_speed_bytes{interface=\"enp2s1\"} 1250000000",
        "hhnet_frame_bytes_total{interface=\"enp2s1\",bond=\"bond0\",direction=\"out\",\
         kind=\"ipv4\"} 306",
        "hhnet_duplicates_total{interface=\"enp2s1\",bond=\"bond0\",class=\"strong_same_member\"} 2",
        "hhnet_compared_frames_total{interface=\"enp2s1\",bond=\"bond0\"} 10",
        "hhnet_fairness_ratio{bond=\"bond0\",direction=\"out\"} 0.8",
        "hhnet_known_flows 7",
        "hhnet_flow_packets_total{interface=\"enp2s1\",direction=\"in\",vlan=\"1001\",\
         protocol=\"tcp\",source=\"10.0.1.1\",source_port=\"443\",destination=\"10.0.1.10\",\
         destination_port=\"50000\"} 3",
        "process_cpu_seconds_total 0.75",
        "hhnet_scrape_duration_seconds 0.002",
    ] {
        assert!(text.lines().any(|l| l == line), "no {line:?} in\n{text}");
    }
    assert!(!text.contains("# EOF"));
}

#[test]
fn openmetrics_names_families_without_their_suffix() {
    let text = rendered(Format::OpenMetrics);
    for line in [
        "# TYPE hhnet_dhcp_discovers counter",
        "hhnet_dhcp_discovers_total{interface=\"bond0.1001\"} 3",
        "# TYPE hhnet_build info",
        "hhnet_build_info{version=\"0.1.0\"} 1",
    ] {
        assert!(text.lines().any(|l| l == line), "no {line:?} in\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n"));
}

#[test]
fn without_an_agent_there_is_little_to_tell() {
    let facts = Facts {
        status: &Status::default(),
        flows: None,
        process: None,
        took: Duration::ZERO,
    };
    let text = render(&facts, Format::Prometheus);
    let names = samples(&text).map(|(name, _)| name).collect::<Vec<_>>();
    let expected = [
        "hhnet_build_info",
        "hhnet_agent_up",
        "hhnet_scrape_duration_seconds",
    ];
    assert_eq!(names, expected, "{text}");
}

#[test]
fn what_is_for_ever_and_what_has_odd_names_can_be_read() {
    let mut status = status();
    let interface = &mut status.interfaces[0];
    interface.name = "a\"b\\c".into();
    let lease = interface.dhcp.as_mut().and_then(|dhcp| dhcp.lease.as_mut());
    lease.expect("a lease").remaining_ms = None;
    let facts = Facts {
        status: &status,
        flows: None,
        process: None,
        took: Duration::ZERO,
    };
    let text = render(&facts, Format::Prometheus);
    let line = "hhnet_dhcp_lease_remaining_seconds{interface=\"a\\\"b\\\\c\"} +Inf";
    assert!(text.lines().any(|l| l == line), "no {line:?} in\n{text}");
}

/// Name and labels of every sample.
fn samples(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let (sample, _value) = line.rsplit_once(' ').expect("a value");
        sample.split_once('{').unwrap_or((sample, ""))
    })
}

#[test]
fn every_series_is_written_and_no_sample_twice() {
    let text = rendered(Format::Prometheus);
    let written: BTreeSet<_> = samples(&text).map(|(name, _)| name).collect();
    let known: BTreeSet<_> = all().map(|series| series.name).collect();
    assert_eq!(written, known);
    assert_eq!(all().count(), known.len(), "a name is there twice");
    let mut seen = BTreeSet::new();
    for sample in samples(&text) {
        assert!(seen.insert(sample), "{sample:?} is there twice");
    }
}
