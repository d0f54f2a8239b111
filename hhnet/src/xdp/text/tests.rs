// SPDX-License-Identifier: Apache-2.0
//! Tables and the lines below them.

use super::{
    super::{Mode, report::Duplicates, spread::Share},
    *,
};

fn flow(protocol: u8, addresses: (&str, &str), transport: Transport) -> Flow {
    Flow {
        member: "enp2s1".to_owned(),
        direction: Direction::In,
        vlan: Some(1001),
        protocol,
        source: addresses.0.parse().expect("address"),
        destination: addresses.1.parse().expect("address"),
        transport,
        packets: 7,
        bytes: 1234,
        duplicates: Duplicates::default(),
        age_ms: 0,
        idle_ms: 0,
        expected: None,
        rate: None,
    }
}

#[test]
fn columns_line_up() {
    let v4 = ("10.0.1.10", "10.0.1.1");
    let mut flows = vec![
        flow(
            6,
            v4,
            Transport::Ports {
                source_port: 40000,
                destination_port: 443,
            },
        ),
        flow(
            1,
            v4,
            Transport::Icmp {
                icmp_type: 8,
                icmp_code: 0,
                icmp_id: 77,
            },
        ),
        flow(
            17,
            ("fd00::10", "fd00::1"),
            Transport::Ports {
                source_port: 53,
                destination_port: 5353,
            },
        ),
        flow(17, v4, Transport::Fragments { fragments: true }),
        flow(250, v4, Transport::Nothing {}),
    ];
    flows[0].bytes = 98_765_432;
    flows[1].vlan = None;
    let packets = Counted {
        packets: 12,
        bytes: 0,
    };
    let mode = Some(Mode::Native);
    let member = Member {
        name: "enp2s1".into(),
        mode,
        ipv4: packets,
        ..Member::default()
    };
    let sent = Member {
        name: "enp2s1".into(),
        direction: Direction::Out,
        mode: Some(Mode::Tcx),
        share: Some(Share {
            packets: 0.5,
            bytes: 0.256,
        }),
        ..Member::default()
    };
    let spread = Spread {
        bond: "bond0".into(),
        direction: Direction::Out,
        members: 2,
        jain_packets: 1.0,
        jain_bytes: 0.8125,
    };
    let report = FlowReport {
        at_ms: 0,
        members: vec![member, sent],
        spread: vec![spread],
        policies: Vec::new(),
        by: By::Bytes,
        flows,
        total_flows: 9,
    };
    let expected = "\
MEMBER  DIR  VLAN  PROTO  SOURCE           DESTINATION     PACKETS     BYTES  DUPS  INFO
enp2s1  in   1001  tcp    10.0.1.10:40000  10.0.1.1:443          7  98765432     0
enp2s1  in      -  icmp   10.0.1.10        10.0.1.1              7      1234     0  echo request, id 77
enp2s1  in   1001  udp    [fd00::10]:53    [fd00::1]:5353        7      1234     0
enp2s1  in   1001  udp    10.0.1.10        10.0.1.1              7      1234     0  later fragments
enp2s1  in   1001  250    10.0.1.10        10.0.1.1              7      1234     0
(5 of 9 flows)

MEMBER  DIR  HOOK    IPV4  IPV6  ARP  LACP  LLDP  OTHER  MALFORMED  SHARE
enp2s1  in   native    12     0    0     0     0      0          0      -
enp2s1  out  tcx        0     0    0     0     0      0          0  25.6%
bond0, sent: Jain's index of bytes over 2 members is 0.81
";
    assert_eq!(report.text(), expected);
}

#[test]
fn says_which_flows_are_not_where_the_policy_puts_them() {
    let ports = Transport::Ports {
        source_port: 40000,
        destination_port: 443,
    };
    let mut elsewhere = flow(6, ("10.0.1.10", "10.0.1.1"), ports);
    elsewhere.expected = Some(Expected::Member("enp2s2".into()));
    let mut verdict = Verdict {
        bond: "bond0".into(),
        policy: "layer2+3".into(),
        members: Vec::new(),
        as_expected: 98,
        elsewhere: 2,
        unknown: 3,
        examples: vec![elsewhere],
    };
    let expected = "\
bond0, sent: 98 of 100 flows are on the member that layer2+3 chooses; of 3 more that is not known
  enp2s1 instead of enp2s2: VLAN 1001 tcp 10.0.1.10:40000 > 10.0.1.1:443
  and 1 more
";
    assert_eq!(obedience(&verdict), expected);
    verdict = Verdict {
        as_expected: 5,
        elsewhere: 0,
        unknown: 0,
        examples: Vec::new(),
        ..verdict
    };
    let all = "bond0, sent: 5 of 5 flows are on the member that layer2+3 chooses\n";
    assert_eq!(obedience(&verdict), all);
}

#[test]
fn says_what_is_left_out() {
    let lost = Counted {
        packets: 12,
        bytes: 720,
    };
    let member = Member {
        name: "enp2s1".into(),
        lost,
        lost_flows: 9,
        ..Member::default()
    };
    let expected = "enp2s1: 9 flows, 12 packets, 720 bytes came too fast to be listed\n";
    assert_eq!(left_out(&member), expected);
    assert_eq!(left_out(&Member::default()), "");
}

#[test]
fn nothing_counted_yet() {
    assert_eq!(FlowReport::default().text(), "no flows yet\n");
}

#[test]
fn icmp_in_words() {
    assert_eq!(icmp(58, 135, 0, 0), "neighbour solicitation");
    assert_eq!(icmp(1, 3, 4, 0), "unreachable, code 4");
    assert_eq!(icmp(1, 200, 3, 0), "type 200 code 3");
}
