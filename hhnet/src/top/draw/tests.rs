// SPDX-License-Identifier: Apache-2.0
//! Pages as text, and every size there is.

use ratatui::{Terminal, backend::TestBackend, style::Color};

use super::{
    super::view::{FlowOrder, MemberOrder},
    *,
};
use crate::{
    status::{Agent, Bond, Dhcp, Interface, Lacp, LacpState, Lease, Port, Program, Status},
    xdp::{
        Mode,
        dups::{Compared, MemberDups},
        rates::Rate,
        report::{Counted, Direction, Flow, FlowReport, Member, Transport},
    },
};

fn rate(packets: u64, bits: u64) -> Option<Rate> {
    Some(Rate {
        packets_per_second: packets,
        bits_per_second: bits,
    })
}

fn counted(name: &str, direction: Direction, rate: Option<Rate>) -> Member {
    Member {
        name: name.into(),
        direction,
        rate,
        ..Member::default()
    }
}

fn port(name: &str, actor: u8) -> Port {
    let program = |direction, mode| Program {
        direction,
        mode,
        fallback_reason: None,
    };
    Port {
        name: name.into(),
        up: true,
        carrier: true,
        speed_mbps: Some(10_000),
        lacp: Some(Lacp {
            active: true,
            distributing: LacpState(actor).passes(),
            actor: LacpState(actor),
            partner_mac: Some("0a:0a:0a:0a:0a:0a".into()),
            ..Lacp::default()
        }),
        programs: vec![
            program(Direction::In, Mode::Native),
            program(Direction::Out, Mode::Tcx),
        ],
        duplicates: Some(Compared {
            strong_same_member: 3,
            ..Compared::default()
        }),
        ..Port::default()
    }
}

fn flow(member: &str, port: u16, packets: u64, rate: Option<Rate>) -> Flow {
    Flow {
        member: member.into(),
        direction: Direction::In,
        vlan: Some(1001),
        protocol: 17,
        source: [10, 0, 1, 1].into(),
        destination: [10, 0, 1, 10].into(),
        transport: Transport::Ports {
            source_port: port,
            destination_port: 9,
        },
        packets,
        bytes: packets * 100,
        duplicates: Default::default(),
        age_ms: 0,
        idle_ms: 0,
        expected: None,
        rate,
    }
}

fn status() -> Status {
    let lease = Lease {
        address: "10.0.1.10/24".into(),
        server: [10, 0, 1, 1].into(),
        relay: None,
        age_ms: 4000,
        remaining_ms: Some(86_396_000),
        renew_in_ms: Some(43_196_000),
        routes: vec![],
        mtu: None,
        dns: vec![],
        ntp: vec![],
        domain: None,
        search: vec![],
        hostname: None,
    };
    Status {
        agent: Some(Agent {
            pid: 181,
            uptime_ms: 250_000,
            build: "0.1.0".into(),
            adopted: 0,
        }),
        bonds: vec![Bond {
            name: "bond0".into(),
            members: vec![port("enp2s1", 0x3d), port("enp2s2", 0x45)],
            ..Bond::default()
        }],
        interfaces: vec![Interface {
            name: "bond0.1001".into(),
            dhcp: Some(Dhcp {
                state: "BOUND".into(),
                lease: Some(lease),
                ..Dhcp::default()
            }),
            ..Interface::default()
        }],
        duplicates: Some(Compared::default()),
        ..Status::default()
    }
}

fn facts() -> Facts {
    let mut facts = Facts {
        status: status(),
        new_copies: Some(2),
        ..Facts::default()
    };
    facts.flows = FlowReport {
        members: vec![
            counted("enp2s1", Direction::In, rate(1200, 9_600_000)),
            counted("enp2s1", Direction::Out, rate(10, 8_000)),
            counted("enp2s2", Direction::In, rate(0, 0)),
        ],
        flows: vec![
            flow("enp2s1", 1, 10_000, rate(5, 4_000)),
            flow("enp2s2", 2, 50, rate(1195, 9_596_000)),
            flow("enp2s1", 3, 7, rate(2000, 100)),
        ],
        total_flows: 3,
        ..FlowReport::default()
    };
    facts.dups.explanations = vec![
        "3 of 3 echo replies from 10.0.1.1 arrived twice, 44 µs apart, both on enp2s2: \
         something before the last switch duplicated them (reply leg)"
            .into(),
    ];
    facts.dups.total.strong_same_member = 3;
    facts.dups.members = vec![MemberDups {
        member: "enp2s2".into(),
        ..MemberDups::default()
    }];
    facts
}

/// The page as text, without blanks at the ends of lines.
fn shown(facts: Option<&Facts>, view: &View, columns: u16, lines: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    let draw = |frame: &mut Frame| _ = page(frame, facts, view, Paint::Coloured);
    terminal.draw(draw).unwrap();
    let buffer = terminal.backend().buffer();
    let rows = (0..lines).map(|y| {
        let cells = (0..columns).map(|x| buffer[(x, y)].symbol());
        cells.collect::<String>().trim_end().to_owned()
    });
    rows.collect::<Vec<_>>().join("\n").trim_end().to_owned() + "\n"
}

fn looking(table: Table) -> View {
    View {
        table,
        ..View::default()
    }
}

#[test]
fn everything_on_one_screen() {
    let expected = "\
hhnet top  agent 0.1.0, pid 181, up 4m10s
bond0.1001 10.0.1.10/24 from 10.0.1.1, BOUND, 23h59m left, renewal in 11h59m
MEMBER  LINK       LACP               IN   OUT  SHARE  DUPS
enp2s1  10 Gbit/s  distributing     9.6M  8.0k      -     3
enp2s2  10 Gbit/s  no LACPDU heard     0     -      -     3
 1 Members   2 Flows   3 Duplicates  3 flows, by bits
BITS/S  PACKETS/S  DUPS  MEMBER  DIR  VLAN  FLOW
  9.6M       1.2k     0  enp2s2  in   1001  udp 10.0.1.1:2 to 10.0.1.10:9
  4.0k          5     0  enp2s1  in   1001  udp 10.0.1.1:1 to 10.0.1.10:9
   100       2.0k     0  enp2s1  in   1001  udp 10.0.1.1:3 to 10.0.1.10:9
";
    let page = shown(Some(&facts()), &View::default(), 80, 24);
    let (page, keys) = page.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(page.trim_end(), expected.trim_end());
    assert_eq!(keys, KEYS);
}

#[test]
fn flows_in_another_order() {
    let view = View {
        flows: FlowOrder::Packets,
        ..View::default()
    };
    let page = shown(Some(&facts()), &view, 80, 24);
    let first = page.lines().nth(7).unwrap();
    assert!(first.contains("10.0.1.1:3 "), "{page}");
}

#[test]
fn members_with_all_that_is_known() {
    let view = View {
        members: MemberOrder::Bits,
        ..looking(Table::Members)
    };
    let page = shown(Some(&facts()), &view, 140, 24);
    assert!(page.contains("1.2k/10"), "{page}");
    assert!(page.contains("0a:0a:0a:0a:0a:0a"), "{page}");
    assert!(page.contains("native/tcx"), "{page}");
    let narrow = shown(Some(&facts()), &view, 80, 24);
    assert!(narrow.contains("0a:0a:0a:0a:0a:0a"), "{narrow}");
    assert_eq!(page.matches("MEMBER").count(), 1, "no strip above:\n{page}");
}

#[test]
fn duplicates_are_explained_in_whole_words() {
    let page = shown(Some(&facts()), &looking(Table::Duplicates), 80, 24);
    assert!(
        page.contains("3 Duplicates  2 more than a second ago"),
        "{page}"
    );
    assert!(
        page.contains("on enp2s2:\n  something before the last"),
        "{page}"
    );
    assert!(page.contains("MEMBER  COMPARED  STRONG"), "{page}");
}

#[test]
fn without_an_agent_it_says_so_and_shows_links() {
    let mut facts = facts();
    facts.status.agent = None;
    facts.flows = FlowReport::default();
    facts.status.duplicates = None;
    let page = shown(Some(&facts), &View::default(), 80, 24);
    assert!(
        page.contains("no agent is running: nothing is counted"),
        "{page}"
    );
    assert!(page.contains("enp2s1  10 Gbit/s"), "{page}");
    assert!(page.contains("no flows yet"), "{page}");
    let page = shown(Some(&facts), &looking(Table::Duplicates), 80, 24);
    assert!(page.contains("nothing is compared"), "{page}");
    assert!(shown(None, &View::default(), 80, 24).starts_with("asking"));
}

#[test]
fn trouble_pause_and_help_are_told() {
    let view = View {
        trouble: Some("the agent, process 7, does not answer".into()),
        paused: true,
        ..View::default()
    };
    let page = shown(Some(&facts()), &view, 80, 24);
    assert!(page.contains(" paused "), "{page}");
    assert!(page.contains("no news: the agent, process 7,"), "{page}");
    let help = View {
        help: true,
        ..View::default()
    };
    assert!(shown(Some(&facts()), &help, 80, 24).contains("quit"));
}

/// However small: no panic, and what is most important first.
#[test]
fn every_size_has_a_page() {
    let facts = facts();
    for table in Table::ALL {
        for (help, above) in [(false, 0), (true, 0), (false, usize::MAX)] {
            let view = View {
                help,
                above,
                ..looking(table)
            };
            for columns in (1..20).chain([40, 79, 80, 200]) {
                for lines in (1..9).chain([13, 14, 24, 60]) {
                    shown(Some(&facts), &view, columns, lines);
                }
            }
        }
    }
    let narrow = shown(Some(&facts), &View::default(), 20, 4);
    assert!(narrow.contains("BITS/S"), "{narrow}");
}

#[test]
fn scrolling_keeps_the_heading_and_ends_at_the_last_row() {
    let mut facts = facts();
    facts.flows.flows = (1..=100)
        .map(|port| flow("enp2s1", port, 1000 - u64::from(port), None))
        .collect();
    let view = View {
        above: 1000,
        ..View::default()
    };
    let page = shown(Some(&facts), &view, 80, 24);
    assert!(
        page.contains("BITS/S") && page.contains("10.0.1.1:100 "),
        "{page}"
    );
    assert!(!page.contains("10.0.1.1:1 "), "{page}");
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    let mut most = 0;
    let mut draw = |frame: &mut Frame| most = page_of(frame, &facts, &view);
    terminal.draw(&mut draw).unwrap();
    // 24 lines but for head, members, titles, heading and keys.
    assert_eq!(most, 100 - (24 - 2 - 3 - 1 - 1 - 1));
}

fn page_of(frame: &mut Frame, facts: &Facts, view: &View) -> usize {
    page(frame, Some(facts), view, Paint::Plain)
}

/// What does not work is red or yellow, or bold where nobody wants colours.
#[test]
fn colours_are_used_if_wanted() {
    let mut facts = facts();
    facts.status.bonds[0].members[0].carrier = false;
    for (paint, colours) in [(Paint::Coloured, true), (Paint::Plain, false)] {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        let draw = |frame: &mut Frame| _ = page(frame, Some(&facts), &View::default(), paint);
        terminal.draw(draw).unwrap();
        let buffer = terminal.backend().buffer();
        let (dead, alone) = (&buffer[(0, 3)], &buffer[(0, 4)]);
        assert_eq!(dead.fg == Color::Red, colours);
        assert_eq!(alone.fg == Color::Yellow, colours);
        let any = buffer.content().iter().any(|cell| cell.fg != Color::Reset);
        assert_eq!(any, colours);
        assert_eq!(dead.modifier.contains(Modifier::BOLD), !colours);
    }
}

/// A line of the feed is read as it was written, rates and all.
#[test]
fn facts_come_through_the_feed_unchanged() {
    let facts = facts();
    let line = serde_json::to_string(&facts).unwrap();
    assert!(!line.contains('\n'));
    assert_eq!(serde_json::from_str::<Facts>(&line).unwrap(), facts);
}

#[test]
fn each_order_keeps_its_flows() {
    let mut facts = facts();
    facts.flows.flows[0].duplicates.same_member = 9;
    facts.flows.flows.push(flow("enp2s1", 4, 1, None));
    facts.shorten(1);
    let ports = facts.flows.flows.iter().map(|flow| match flow.transport {
        Transport::Ports { source_port, .. } => source_port,
        _ => 0,
    });
    assert_eq!(ports.collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn rates_and_news_are_of_two_reports() {
    let mut before = facts();
    before.flows.at_ms = 1000;
    before.flows.members[0].ipv4 = Counted::default();
    let mut now = before.clone();
    now.flows.at_ms = 3000;
    now.flows.members[0].ipv4 = Counted {
        packets: 20,
        bytes: 2000,
    };
    now.dups.total.strong_same_member = 10;
    now.compare(&before);
    let member = port("enp2s1", 0x3d);
    assert_eq!(now.rate(&member, Direction::In), rate(10, 8000));
    assert_eq!(now.new_copies, Some(7));
    before.compare(&now);
    assert_eq!(before.new_copies, Some(3), "another agent began anew");
}
