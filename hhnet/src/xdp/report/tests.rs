// SPDX-License-Identifier: Apache-2.0
//! Order, choice and JSON of a report.

use std::net::Ipv4Addr;

use hhnet_ebpf::veil::Numbered as _;
use serde_json::json;

use super::*;

fn flow(member: &str, bytes: u64, transport: Transport) -> Flow {
    Flow {
        member: member.to_owned(),
        direction: Direction::In,
        vlan: None,
        protocol: 6,
        source: Ipv4Addr::new(10, 0, 1, 10).into(),
        destination: Ipv4Addr::new(10, 0, 1, 1).into(),
        transport,
        packets: 3,
        bytes,
        duplicates: Duplicates::default(),
        age_ms: 2000,
        idle_ms: 10,
        expected: None,
        rate: None,
    }
}

#[test]
fn most_bytes_first_and_equal_ones_by_name() {
    let flows = [("b", 5), ("a", 5), ("c", 70)]
        .map(|(member, bytes)| flow(member, bytes, Transport::Nothing {}));
    let two = Choice {
        top: Some(2),
        ..Choice::default()
    };
    let report = FlowReport::new(Vec::new(), flows.to_vec(), &two);
    let members: Vec<_> = report
        .flows
        .iter()
        .map(|flow| flow.member.as_str())
        .collect();
    assert_eq!((members, report.total_flows), (vec!["c", "a"], 3));
    assert_eq!(
        FlowReport::new(Vec::new(), flows.to_vec(), &Choice::default())
            .flows
            .len(),
        3
    );
}

#[test]
fn by_packets_and_of_one_member() {
    let mut flows = [("a", 900), ("b", 70), ("b", 500)]
        .map(|(member, bytes)| flow(member, bytes, Transport::Nothing {}));
    flows[1].packets = 8;
    let choice = Choice {
        by: By::Packets,
        members: vec!["b".into()],
        ..Choice::default()
    };
    let members = ["a", "b"].map(|name| Member {
        name: name.into(),
        bond: Some("bond0".into()),
        mode: Some(Mode::Native),
        ipv4: Counted {
            packets: 50,
            bytes: 5_000,
        },
        ..Member::default()
    });
    let report = FlowReport::new(members.to_vec(), flows.to_vec(), &choice);
    let bytes: Vec<_> = report.flows.iter().map(|flow| flow.bytes).collect();
    assert_eq!((bytes, report.total_flows), (vec![70, 500], 2));
    let [b] = report.members.as_slice() else {
        panic!("{report:?}")
    };
    assert_eq!(b.name, "b");
    assert_eq!(
        b.share.map(|share| share.packets),
        Some(0.5),
        "of all the bond's members"
    );
}

#[test]
fn json_shows_what_the_protocol_has_and_nothing_else() {
    let ports = Transport::Ports {
        source_port: 40000,
        destination_port: 443,
    };
    let mut tagged = flow("enp2s1", 300, ports);
    tagged.vlan = Some(1001);
    let expected = json!({
        "member": "enp2s1", "direction": "in", "vlan": 1001, "protocol": 6,
        "source": "10.0.1.10", "destination": "10.0.1.1",
        "source_port": 40000, "destination_port": 443,
        "packets": 3, "bytes": 300,
        "duplicates": {"same_member": 0, "other_member": 0, "answered_again": 0, "delay_us": 0},
        "age_ms": 2000, "idle_ms": 10,
    });
    assert_eq!(serde_json::to_value(tagged).expect("JSON"), expected);

    let echo = Transport::Icmp {
        icmp_type: 8,
        icmp_code: 0,
        icmp_id: 77,
    };
    let echo = serde_json::to_value(flow("enp2s1", 1, echo)).expect("JSON");
    assert_eq!(
        (&echo["icmp_type"], &echo["icmp_id"]),
        (&json!(8), &json!(77))
    );
    assert_eq!(
        (&echo["vlan"], echo.get("source_port")),
        (&json!(null), None)
    );
}

#[test]
fn a_report_is_read_back_as_it_was_written() {
    let transports = [
        Transport::Ports {
            source_port: 40000,
            destination_port: 443,
        },
        Transport::Icmp {
            icmp_type: 8,
            icmp_code: 0,
            icmp_id: 77,
        },
        Transport::Fragments { fragments: true },
        Transport::Nothing {},
    ];
    let mut flows = transports.map(|transport| flow("enp2s1", 300, transport));
    flows[0].expected = Some(Expected::Member("enp2s2".into()));
    flows[1].rate = Some(Rate {
        packets_per_second: 5,
        bits_per_second: 4000,
    });
    let members = vec![Member::new(
        "enp2s1",
        Direction::Out,
        Some(Mode::Tcx),
        &MemberCounters::default(),
    )];
    let report = FlowReport::new(members, flows.to_vec(), &Choice::default());
    let text = serde_json::to_string(&report).expect("JSON");
    assert_eq!(
        serde_json::from_str::<FlowReport>(&text).expect("a report"),
        report
    );
}

#[test]
fn member_counters_by_kind() {
    let mut counters = MemberCounters::default();
    for (position, kind) in Kind::ALL.iter().copied().enumerate() {
        let packets = position as u64 + 1;
        counters.kinds[kind as usize] = Count {
            packets,
            bytes: 100 * packets,
        };
    }
    let member = Member::new("enp2s1", Direction::In, Some(Mode::Native), &counters);
    let json = serde_json::to_value(&member).expect("JSON");
    assert_eq!(
        (&json["name"], &json["mode"]),
        (&json!("enp2s1"), &json!("native"))
    );
    let kinds = ["ipv4", "ipv6", "arp", "lacp", "lldp", "other", "malformed"];
    for (position, kind) in kinds.into_iter().enumerate() {
        let packets = position as u64 + 1;
        assert_eq!(
            json[kind],
            json!({ "packets": packets, "bytes": 100 * packets }),
            "{kind}"
        );
    }
}
