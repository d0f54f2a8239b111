// SPDX-License-Identifier: Apache-2.0
//! From what was found to the verdict, the text, the matrix and the JSON.

use std::net::Ipv4Addr;

use super::*;

const US: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 10);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 0, 5, 10);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 1);

fn answered(received: u32, lost: &[u16]) -> Pings {
    Pings {
        sent: received + lost.len() as u32,
        received,
        lost: lost.to_vec(),
        rtt: (received > 0).then_some(Rtt {
            min_us: 412,
            avg_us: 520,
            max_us: 1801,
        }),
        ttl: (received > 0).then_some(63),
        ..Pings::default()
    }
}

fn pair() -> Pair {
    Pair {
        source: Some(US),
        to: "server-2".into(),
        address: Some(HOST),
        pings: Some(answered(5, &[])),
        path_mtu: Some(PathMtu {
            mtu: 1500,
            link_mtu: 1500,
            ..PathMtu::default()
        }),
        ..Pair::default()
    }
}

fn measured(mbits: f64) -> Throughput {
    Throughput {
        seconds: 10,
        min_mbits: 8200,
        mbits: Some(mbits),
        retransmits: Some(1),
        ..Throughput::default()
    }
}

fn unmeasured(is_required: bool) -> Throughput {
    Throughput {
        mbits: None,
        problem: Some("iperf3 is not installed on this server".into()),
        is_required,
        ..measured(0.0)
    }
}

/// What is said of one pair, and whether it is good.
#[track_caller]
fn expect(pair: Pair, text: &str, status: u8) {
    let report = Report::new(vec![pair], vec![]);
    assert_eq!(report.text(), text);
    assert_eq!(report.status(), status);
    assert_eq!(report.good, status == 0);
}

#[test]
fn all_is_good() {
    let port = Port {
        port: 22,
        connect_us: Some(610),
        problem: None,
    };
    let pair = Pair {
        ports: vec![port],
        throughput: Some(measured(9412.3)),
        ..pair()
    };
    expect(
        pair,
        "\
server-2 (10.0.5.10) from 10.0.1.10
  ping        5 of 5 answered, 0.412/0.520/1.801 ms, TTL 63
  path MTU    1500
  TCP 22      connected in 0.610 ms
  throughput  9412 Mbit/s in 10 s, 1 segment sent again
Good: 1 path.
",
        0,
    );
}

#[test]
fn a_name_or_a_route_that_is_missing_is_all_there_is_to_say() {
    let pair = Pair {
        source: None,
        problem: Some(Problem::new(
            ProblemKind::NoRoute,
            "this server has no route to 10.0.5.10",
        )),
        pings: None,
        path_mtu: None,
        ..pair()
    };
    expect(
        pair,
        "\
server-2 (10.0.5.10)
server-2: this server has no route to 10.0.5.10.
Failed: 1 of 1 path.
",
        1,
    );
}

#[test]
fn who_says_that_it_is_unreachable() {
    let mut pings = answered(0, &[1, 2]);
    pings.errors.push(IcmpError {
        from: GATEWAY,
        icmp_type: 3,
        icmp_code: 0,
        count: 2,
        meaning: "network unreachable, says 10.0.1.1".into(),
    });
    let pair = Pair {
        pings: Some(pings),
        path_mtu: None,
        ..pair()
    };
    expect(
        pair,
        "\
server-2 (10.0.5.10) from 10.0.1.10
  ping        0 of 2 answered, 2 × network unreachable, says 10.0.1.1
server-2: none of 2 pings was answered: network unreachable, says 10.0.1.1.
Failed: 1 of 1 path.
",
        1,
    );
}

#[test]
fn silence_and_loss() {
    let with = |pings| Pair {
        pings: Some(pings),
        ..pair()
    };
    let many: Vec<u16> = (1..=20).collect();
    for (pings, said) in [
        (
            answered(0, &[1]),
            "none of 1 ping was answered, and no ICMP error says why",
        ),
        (answered(3, &[2, 5]), "2 of 5 pings lost (icmp_seq 2, 5)"),
        (
            answered(30, &many),
            "20 of 50 pings lost (icmp_seq 1, 2, 3, 4, 5, 6, 7, 8, …)",
        ),
    ] {
        let report = Report::new(vec![with(pings)], vec![]);
        assert_eq!(report.failures, [format!("server-2: {said}")]);
        assert_eq!(report.pairs[0].failures, [said]);
    }
}

/// As the fabric's own test has it: they are told of, and nothing more.
#[test]
fn duplicates_are_no_failure() {
    let mut pings = answered(5, &[]);
    pings.duplicates = 2;
    let unknown = Pair {
        pings: Some(pings.clone()),
        ..pair()
    };
    let line = |pair: Pair| {
        let report = Report::new(vec![pair], vec![]);
        assert!(report.good);
        report.text().lines().nth(2).unwrap_or_default().to_owned()
    };
    assert_eq!(
        line(unknown),
        "  duplicates  2, by which member is unknown: no agent has counted them"
    );
    pings.copies = Some(Copies {
        same_member: 2,
        explanation: "2 of 5 echo replies from 10.0.5.10 arrived twice".into(),
        ..Copies::default()
    });
    let known = Pair {
        pings: Some(pings.clone()),
        ..pair()
    };
    assert_eq!(
        line(known),
        "  duplicates  2: 2 of 5 echo replies from 10.0.5.10 arrived twice"
    );
    pings.duplicates = 3;
    let known = Pair {
        pings: Some(pings),
        ..pair()
    };
    let more = "arrived twice; by which members 1 more came is unknown";
    assert!(line(known).ends_with(more));
}

#[test]
fn a_smaller_path_is_good_only_if_somebody_says_so() {
    let with = |path| Pair {
        path_mtu: Some(path),
        ..pair()
    };
    let told = PathMtu {
        mtu: 1400,
        link_mtu: 1500,
        told_by: Some(GATEWAY),
        black_hole: false,
    };
    let report = Report::new(vec![with(told.clone())], vec![]);
    assert!(report.good);
    let line = "  path MTU    1400, says 10.0.1.1; the interface sends up to 1500\n";
    assert!(report.text().contains(line), "{}", report.text());
    let hole = PathMtu {
        told_by: None,
        black_hole: true,
        ..told
    };
    let report = Report::new(vec![with(hole)], vec![]);
    let said = "server-2: packets of more than 1400 bytes vanish without an ICMP error, and the \
                interface sends up to 1500";
    assert_eq!(report.failures, [said]);
}

#[test]
fn throughput_has_a_minimum_and_has_to_be_measured_where_it_was_asked_for() {
    for (throughput, failure) in [
        (measured(8200.0), None),
        (
            measured(8199.4),
            Some("8199 Mbit/s is less than 8200 (--min-mbits; 0 where switches are virtual)"),
        ),
        (unmeasured(false), None),
        (
            unmeasured(true),
            Some("throughput was not measured: iperf3 is not installed on this server"),
        ),
    ] {
        let pair = Pair {
            throughput: Some(throughput),
            ..pair()
        };
        let report = Report::new(vec![pair], vec![]);
        let found = report.pairs[0].failures.first().map(String::as_str);
        assert_eq!(found, failure);
    }
}

/// Of many a reason is told once, not for each of them.
#[test]
fn throughput_that_nobody_asked_for_is_missed_in_a_line() {
    let to = |to: &str, throughput| Pair {
        to: to.into(),
        throughput: Some(throughput),
        ..pair()
    };
    let pairs = vec![
        to("a", unmeasured(false)),
        to("b", measured(9000.0)),
        to("c", unmeasured(false)),
        to(
            "d",
            Throughput {
                problem: Some("iperf3 does not end".into()),
                ..measured(100.0)
            },
        ),
    ];
    let text = Report::new(pairs, vec![]).text();
    let lines = "\
throughput was not measured on 2 of 4 paths: iperf3 is not installed on this server
d: 100 Mbit/s is less than 8200 (--min-mbits; 0 where switches are virtual).
Failed: 1 of 4 paths.
";
    assert!(text.ends_with(lines), "{text}");
}

#[test]
fn pings_that_were_not_even_sent_say_why() {
    let mut pings = answered(2, &[3]);
    pings.unsent = Some("this server has no route to 10.0.5.10".into());
    let pair = Pair {
        pings: Some(pings),
        ..pair()
    };
    let report = Report::new(vec![pair], vec![]);
    let why = "1 of 3 pings lost (icmp_seq 3): this server has no route to 10.0.5.10";
    assert_eq!(report.pairs[0].failures, [why]);
}

fn page(status: Option<u16>, problem: Option<&str>) -> Fetch {
    Fetch {
        url: "http://server-2/".into(),
        status,
        bytes: status.map(|_| 1),
        took_us: 2500,
        problem: problem.map(str::to_owned),
        ..Fetch::default()
    }
}

#[test]
fn pages_are_there_or_not() {
    for (page, text, status) in [
        // What the fabric's own test looks for.
        (
            page(Some(301), None),
            "http://server-2/  301, 1 byte in 2.500 ms\nGood: 1 page.\n",
            0,
        ),
        (
            page(Some(404), None),
            "http://server-2/  404, 1 byte in 2.500 ms\n\
             http://server-2/: HTTP status 404.\nFailed: 1 of 1 page.\n",
            1,
        ),
        (
            page(None, Some("refused: nobody listens there")),
            "http://server-2/  refused: nobody listens there\n\
             http://server-2/: refused: nobody listens there.\nFailed: 1 of 1 page.\n",
            1,
        ),
    ] {
        let report = Report::new(vec![], vec![page]);
        assert_eq!(report.text(), text);
        assert_eq!(report.status(), status);
    }
}

/// Two sources and two hosts: a row each, a column each, and details of what failed.
#[test]
fn several_pairs_are_a_matrix() {
    let from = |from: &str, to: &str, pair: Pair| Pair {
        from: Some(from.into()),
        to: to.into(),
        ..pair
    };
    let refused = Port {
        port: 5201,
        connect_us: None,
        problem: Some("refused: nobody listens there".into()),
    };
    let mut copied = answered(5, &[]);
    copied.duplicates = 1;
    let pairs = vec![
        from("10.0.1.10", "server-2", pair()),
        from(
            "10.0.1.10",
            "server-3",
            Pair {
                ports: vec![refused],
                ..pair()
            },
        ),
        from(
            "enp2s2",
            "server-2",
            Pair {
                pings: Some(copied),
                throughput: Some(measured(9000.0)),
                ..pair()
            },
        ),
        from(
            "enp2s2",
            "server-3",
            Pair {
                problem: Some(Problem::new(ProblemKind::Unresolved, "no name")),
                ..pair()
            },
        ),
    ];
    let text = Report::new(pairs, vec![]).text();
    let (details, rest) = text.split_once("FROM").expect("a matrix");
    assert!(details.contains("  TCP 5201    refused"), "{details}");
    assert!(details.contains("  duplicates  1"), "{details}");
    assert!(!details.contains("10.0.1.10 to server-2"), "{details}");
    assert_eq!(
        format!("FROM{rest}"),
        "\
FROM \\ TO  server-2                                server-3
10.0.1.10  ok, 0.520 ms                            no TCP port 5201
enp2s2     ok, 0.520 ms, 9000 Mbit/s, 1 duplicate  no such name
10.0.1.10 to server-3: TCP port 5201: refused: nobody listens there.
enp2s2 to server-3: no name.
Failed: 2 of 4 paths.
"
    );
}

#[test]
fn a_source_that_nobody_named_is_what_the_kernel_has_chosen() {
    let to = |to: &str, source| Pair {
        to: to.into(),
        source,
        ..pair()
    };
    let other = Some(Ipv4Addr::new(10, 0, 2, 10));
    let rows = |pairs: Vec<Pair>| {
        let text = Report::new(pairs, vec![]).text();
        text.lines().nth(1).unwrap_or_default().to_owned()
    };
    let row = rows(vec![to("a", Some(US)), to("b", other), to("c", None)]);
    assert!(row.starts_with("10.0.1.10, 10.0.2.10  ok"), "{row}");
    let row = rows(vec![to("a", None), to("b", None)]);
    assert!(row.starts_with("this server  ok"), "{row}");
}

/// What must not change under the same schema: see [`SCHEMA`].
#[test]
fn json_has_these_names() {
    let mut pings = answered(4, &[3]);
    pings.copies = Some(Copies::default());
    let mut whole = pair();
    whole.pings = Some(pings);
    whole.throughput = Some(measured(9000.0));
    whole.ports = vec![Port {
        port: 22,
        connect_us: Some(1),
        problem: None,
    }];
    let report = Report::new(vec![whole], vec![page(Some(200), None)]);
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!(json["schema"], 1);
    assert_eq!(json["good"], false);
    let pair = &json["pairs"][0];
    for (value, names) in [
        (&json, "failures fetches good pairs schema"),
        (
            pair,
            "address failures from path_mtu pings ports problem source throughput to",
        ),
        (
            &pair["pings"],
            "copies duplicates errors lost received rtt sent ttl unsent",
        ),
        (&pair["pings"]["rtt"], "avg_us max_us min_us"),
        (
            &pair["pings"]["copies"],
            "answered_again explanation members other_member same_member",
        ),
        (&pair["path_mtu"], "black_hole link_mtu mtu told_by"),
        (&pair["ports"][0], "connect_us port problem"),
        (
            &pair["throughput"],
            "attempts is_required mbits min_mbits problem retransmits seconds",
        ),
        (&json["fetches"][0], "bytes from problem status took_us url"),
    ] {
        let found: Vec<_> = value.as_object().expect("an object").keys().collect();
        let mut found: Vec<_> = found.into_iter().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found.join(" "), names);
    }
    let back: Report = serde_json::from_value(json).expect("the same");
    assert_eq!(back, report);
}
