// SPDX-License-Identifier: Apache-2.0
//! Numbers and words of a report.

use std::net::Ipv4Addr;

use super::*;
use crate::xdp::report::{Direction, Flow};

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 5, 10));
const US: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 1, 10));

fn echo(member: &str, icmp_type: u8, packets: u64, duplicates: Duplicates) -> Flow {
    Flow {
        member: member.to_owned(),
        direction: Direction::In,
        vlan: Some(1001),
        protocol: 1,
        source: HOST,
        destination: US,
        transport: Transport::Icmp {
            icmp_type,
            icmp_code: 0,
            icmp_id: 7,
        },
        packets,
        bytes: 100 * packets,
        duplicates,
        age_ms: 0,
        idle_ms: 0,
        expected: None,
        rate: None,
    }
}

fn cross(other_member: u64, delay_us: u64) -> Duplicates {
    Duplicates {
        other_member,
        delay_us,
        ..Duplicates::default()
    }
}

fn same(same_member: u64, delay_us: u64) -> Duplicates {
    Duplicates {
        same_member,
        delay_us,
        ..Duplicates::default()
    }
}

fn explanation(flows: &[Flow]) -> String {
    let flows = FlowDups::of(flows);
    assert_eq!(flows.len(), 1, "{flows:?}");
    flows[0].explanation.clone()
}

#[test]
fn replies_by_both_switches() {
    // In whatever order the maps have them.
    let flows = [
        echo("enp2s2", 0, 31, cross(31, 12)),
        echo("enp2s1", 0, 300, Duplicates::default()),
    ];
    assert_eq!(
        explanation(&flows),
        "31 of 300 echo replies from 10.0.5.10 arrived twice, 12 µs apart, once on enp2s1 and \
         once on enp2s2: both switches forwarded them (reply leg)"
    );
}

#[test]
fn requests_twice_on_one_link() {
    assert_eq!(
        explanation(&[echo("enp2s1", 8, 331, same(31, 20_500))]),
        "31 of 300 echo requests from 10.0.5.10 arrived twice, 20 ms apart, both on enp2s1: \
         something before the last switch duplicated them (request leg)"
    );
}

#[test]
fn several_copies_each() {
    assert_eq!(
        explanation(&[echo("enp2s1", 0, 900, same(600, 0))]),
        "300 echo replies from 10.0.5.10 arrived 900 times, less than 1 µs apart, both on \
         enp2s1: something before the last switch duplicated them (reply leg)"
    );
}

#[test]
fn a_single_frame() {
    let explanation = explanation(&[echo("enp2s1", 0, 3, same(2, 1))]);
    let beginning = "1 echo reply from 10.0.5.10 arrived 3 times";
    assert!(explanation.starts_with(beginning), "{explanation}");
}

#[test]
fn requests_that_were_answered_twice() {
    let answered = Duplicates {
        answered_again: 31,
        delay_us: 90,
        ..Duplicates::default()
    };
    assert_eq!(
        explanation(&[echo("enp2s1", 0, 331, answered)]),
        "31 of 300 requests were answered twice by 10.0.5.10, with different IP \
         identifications: the requests were duplicated on their way there (request leg)"
    );
}

#[test]
fn both_ways_of_one_flow_and_other_protocols() {
    let both = Duplicates {
        same_member: 2,
        other_member: 3,
        answered_again: 0,
        delay_us: 5,
    };
    let mut flows = [
        echo("enp2s1", 0, 10, Duplicates::default()),
        echo("enp2s2", 0, 5, both),
    ];
    for flow in &mut flows {
        flow.protocol = 17;
        flow.transport = Transport::Ports {
            source_port: 53,
            destination_port: 4000,
        };
    }
    assert_eq!(
        explanation(&flows),
        "5 of 10 packets of udp 10.0.5.10:53 to 10.0.1.10:4000 arrived twice, 5 µs apart, 3 \
         of them once on enp2s1 and once on enp2s2, as both switches forwarded them, and 2 on one \
         member, duplicated before"
    );
}

#[test]
fn flows_without_duplicates_and_sent_ones_are_left_out_and_the_worst_is_first() {
    let mut sent = echo("enp2s1", 8, 5, same(5, 1));
    sent.direction = Direction::Out;
    let mut other = echo("enp2s1", 0, 100, same(50, 1));
    other.source = IpAddr::V4(Ipv4Addr::new(10, 0, 5, 11));
    let flows = [
        echo("enp2s1", 0, 100, same(1, 1)),
        other.clone(),
        sent,
        echo("enp2s1", 8, 100, Duplicates::default()),
    ];
    let found = FlowDups::of(&flows);
    let sources: Vec<_> = found.iter().map(|flow| flow.source).collect();
    assert_eq!(sources, [other.source, HOST]);
}

fn counters() -> CopyCounters {
    let mut counters = CopyCounters::default();
    for (verdict, count) in [
        (Verdict::StrongSame, 1),
        (Verdict::StrongCross, 2),
        (Verdict::WeakSame, 3),
        (Verdict::WeakCross, 4),
        (Verdict::Skipped, 100),
        (Verdict::Looped, 50),
        (Verdict::Merged, 40),
        (Verdict::Suppressed, 5),
    ] {
        counters.verdicts[verdict as usize] = count;
    }
    counters.replicated = 8;
    counters.delays[1][3] = 1;
    counters.delays[4][9] = 9;
    counters
}

fn received(packets: u64) -> Counted {
    Counted { packets, bytes: 0 }
}

#[test]
fn ratios_are_of_packets_that_arrived_and_were_compared() {
    let mut compared = Compared::new(received(1_005), &counters());
    assert_eq!(compared.duplication_fraction, None);
    compared.compare_ratios();
    assert_eq!(compared.compared, 815);
    assert_eq!(compared.copies(), 10);
    // 815 less 10 copies and 5 that bonding drops.
    assert_eq!(compared.duplication_fraction, Some(0.0125));
    assert_eq!(compared.replicated_packet_rate, Some(0.01));
    let nothing = Compared::new(received(0), &CopyCounters::default());
    assert_eq!(nothing, Compared::default());
}

#[test]
fn sums_have_ratios_of_their_own() {
    let mut sum = Compared::new(received(1_005), &counters());
    sum.add(&Compared::new(received(800), &CopyCounters::default()));
    assert_eq!((sum.compared, sum.copies()), (1_615, 10));
    sum.compare_ratios();
    assert_eq!(sum.duplication_fraction, Some(0.0063));
    assert_eq!(sum.delays[9], 9);
}

#[test]
fn quantiles_of_delays() {
    let compared = Compared::new(received(1_005), &counters());
    assert_eq!(compared.delay_quantile(0.1), Some(16.0 * 1.024));
    assert_eq!(compared.delay_quantile(0.5), Some(1024.0 * 1.024));
    assert_eq!(Compared::default().delay_quantile(0.5), None);
}

fn report() -> DupReport {
    let member = |name: &str, is_inactive| MemberDups {
        member: name.to_owned(),
        bond: Some("bond0".to_owned()),
        is_inactive,
        compared: Compared::new(received(1_005), &counters()),
        originals: Vec::new(),
    };
    let mut report = DupReport {
        members: vec![member("enp2s1", false), member("enp2s2", true)],
        flows: FlowDups::of(&[echo("enp2s1", 0, 331, same(31, 12))]),
        ..DupReport::default()
    };
    report.finish();
    report
}

#[test]
fn what_is_told_of_members() {
    let told = report().explanations;
    let expected = [
        "31 of 300 echo replies from 10.0.5.10",
        "50 frames of our own came back on enp2s1",
        "5 copies came on enp2s1, while bonding did not use one of the members",
        "40 frames on enp2s1 were merged by GRO",
        "50 frames of our own came back on enp2s2",
        "5 copies came on enp2s2, which bonding does not use now",
        "40 frames on enp2s2 were merged by GRO",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (line, beginning) in told.iter().zip(expected) {
        assert!(line.starts_with(beginning), "{line}");
    }
}

#[test]
fn text_of_counters() {
    let mut report = report();
    report.explanations.truncate(1);
    report.members.truncate(1);
    let (_, table) = report
        .text()
        .split_once("\n\n")
        .map(|(a, b)| (a.len(), b.to_owned()))
        .expect("two parts");
    assert_eq!(
        table,
        "\
MEMBER  COMPARED  STRONG  WEAK  OTHER-MEMBER  ANSWERED  SUPPRESSED  LOOPED  UNSURE  SKIPPED
enp2s1       815       3     7             6         0           5      50       0      140
duplication fraction 0.0125, replicated packet rate 0.01 (RFC 5560)
half of the copies within 1049 µs, 99% within 1049 µs
"
    );
    assert_eq!(
        DupReport::default().text(),
        "no duplicates among 0 frames\n"
    );
}

#[test]
fn json_has_these_names() {
    let json = serde_json::to_value(report()).expect("JSON");
    let names: Vec<_> = json
        .as_object()
        .expect("an object")
        .keys()
        .cloned()
        .collect();
    assert_eq!(
        names,
        ["examples", "explanations", "flows", "members", "total"]
    );
    assert_eq!(json["members"][1]["is_inactive"], true);
    assert_eq!(json["members"][0]["strong_other_member"], 2);
    assert_eq!(json["flows"][0]["icmp_id"], 7);
    assert_eq!(json["flows"][0]["duplicates"]["same_member"], 31);
}
