// SPDX-License-Identifier: Apache-2.0
//! Which flows are compared with the policy's choice, and with what result.

use super::*;
use crate::xdp::report::Duplicates;

const PORTS: [&str; 2] = ["enp2s1", "enp2s2"];

fn bond(policy: HashPolicy, usable: &[&str]) -> Bond {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    Bond {
        name: "bond0".into(),
        index: 4,
        policy,
        members: names(&PORTS),
        vlans: vec![1001],
        usable: names(usable),
        unchanged_ms: 60_000,
    }
}

fn udp(member: &str, source_port: u16) -> Flow {
    Flow {
        member: member.into(),
        direction: Direction::Out,
        vlan: Some(1001),
        protocol: 17,
        source: [10, 0, 1, 10].into(),
        destination: [10, 0, 1, 1].into(),
        transport: Transport::Ports {
            source_port,
            destination_port: 9,
        },
        packets: 1,
        bytes: source_port.into(),
        duplicates: Duplicates::default(),
        age_ms: 100,
        idle_ms: 50,
        expected: None,
        rate: None,
    }
}

fn expected(bond: &Bond, flow: Flow) -> Option<Expected> {
    let mut flows = [flow];
    expect(&mut flows, std::slice::from_ref(bond), &HashMap::new());
    flows[0].expected.clone()
}

fn member(name: &str) -> Option<Expected> {
    Some(Expected::Member(name.into()))
}

#[test]
fn the_hash_is_counted_off_in_the_bonds_order() {
    let bonds = [
        bond(HashPolicy::Layer34, &PORTS),
        bond(HashPolicy::Layer34, &["enp2s2", "enp2s1"]),
    ];
    for port in 20_000..20_040 {
        let [one, other] = bonds.each_ref().map(|b| expected(b, udp("enp2s1", port)));
        assert_ne!(one, other);
        assert!(
            PORTS.map(member).contains(&one) && one != Some(Expected::Unknown),
            "{one:?}"
        );
    }
}

#[test]
fn only_what_bonds_have_sent_is_compared() {
    let bond = bond(HashPolicy::Layer34, &PORTS);
    let received = Flow {
        direction: Direction::In,
        ..udp("enp2s1", 1)
    };
    assert_eq!(expected(&bond, received), None);
    assert_eq!(expected(&bond, udp("enp2s9", 1)), None);
}

#[test]
fn a_single_member_gets_everything_and_none_gets_nothing() {
    let flow = || udp("enp2s1", 7);
    let one = bond(HashPolicy::Layer23, &["enp2s2"]);
    assert_eq!(expected(&one, flow()), member("enp2s2"));
    assert!(ways(&[flow()], &[one]).is_empty(), "nothing is asked");
    let none = bond(HashPolicy::Layer34, &[]);
    assert_eq!(expected(&none, flow()), Some(Expected::Unknown));
}

#[test]
fn tags_inside_tags_are_not_compared() {
    let bond = bond(HashPolicy::Layer34, &PORTS);
    let inner = Flow {
        vlan: Some(7),
        ..udp("enp2s1", 1)
    };
    assert_eq!(expected(&bond, inner), Some(Expected::Unknown));
    let untagged = Flow {
        vlan: None,
        ..udp("enp2s1", 1)
    };
    assert_ne!(expected(&bond, untagged), Some(Expected::Unknown));
}

#[test]
fn flows_from_before_a_change_are_not_compared() {
    let mut bond = bond(HashPolicy::Layer34, &["enp2s2"]);
    let flow = || udp("enp2s1", 7);
    assert_eq!(flow().idle_ms, 50);
    bond.unchanged_ms = 50 + SETTLING_MS;
    assert_eq!(expected(&bond, flow()), Some(Expected::Unknown));
    bond.unchanged_ms += 1;
    assert_eq!(expected(&bond, flow()), member("enp2s2"));
}

#[test]
fn first_fragments_make_ports_unreliable() {
    let bond = bond(HashPolicy::Layer34, &PORTS);
    let fragments = Flow {
        transport: Transport::Fragments { fragments: true },
        ..udp("enp2s1", 0)
    };
    let alone = expected(&bond, fragments.clone()).expect("of a bond");
    let mut flows: Vec<Flow> = (0..20).map(|port| udp("enp2s1", port)).collect();
    flows.push(fragments);
    expect(&mut flows, std::slice::from_ref(&bond), &HashMap::new());
    let mut unknown = 0;
    for flow in &flows {
        match flow.expected.as_ref().expect("of a bond") {
            Expected::Unknown => unknown += 1,
            known => assert_eq!(*known, alone, "the same either way"),
        }
    }
    assert!((1..20).contains(&unknown), "{unknown}");
}

#[test]
fn ways_are_asked_once_and_where_the_policy_looks_at_macs() {
    let flows = [udp("enp2s1", 1), udp("enp2s2", 2), udp("enp2s9", 3)];
    let asked = |policy| ways(&flows, &[bond(policy, &PORTS)]);
    assert_eq!(asked(HashPolicy::Layer34), HashSet::new());
    let way = bond(HashPolicy::Layer2, &PORTS).way(&flows[0]);
    assert_eq!(asked(HashPolicy::Layer2), HashSet::from([way]));
    let known = Ethernet {
        source: Some([2, 0, 0, 0, 0, 1]),
        destination: Some([2, 0, 0, 0, 0, 2]),
        local: true,
    };
    let mut compared = flows.clone();
    expect(
        &mut compared,
        &[bond(HashPolicy::Layer2, &PORTS)],
        &HashMap::from([(way, known)]),
    );
    // 1 ^ 2 ^ 0x800 is odd.
    assert_eq!(compared[0].expected, member("enp2s2"));
}

#[test]
fn a_verdict_counts_and_shows_what_is_elsewhere() {
    let bond = bond(HashPolicy::Layer34, &PORTS);
    let mut flows: Vec<Flow> = (1..=40).map(|port| udp("enp2s1", port)).collect();
    flows[0].idle_ms = 70_000;
    expect(&mut flows, std::slice::from_ref(&bond), &HashMap::new());
    let verdicts = verdicts(&flows, std::slice::from_ref(&bond), &Choice::default());
    let [verdict] = verdicts.as_slice() else {
        panic!("{verdicts:?}")
    };
    assert_eq!(verdict.unknown, 1);
    assert_eq!(verdict.as_expected + verdict.elsewhere, 39);
    assert!(verdict.elsewhere > EXAMPLES, "{verdict:?}");
    let examples = &verdict.examples;
    assert_eq!(examples.len(), EXAMPLES);
    assert!(examples.is_sorted_by(|a, b| a.bytes >= b.bytes));
    assert!(examples.iter().all(|f| f.expected == member("enp2s2")));
    let json = serde_json::to_value(&flows[0]).expect("JSON");
    assert_eq!(json.get("expected_member"), Some(&serde_json::Value::Null));
}
