// SPDX-License-Identifier: Apache-2.0
//! The three tables.

use std::cmp::Reverse;

use ratatui::{
    style::{Color, Style, Stylize as _},
    text::Line,
};

use super::marked;
use crate::{
    status::{Paint, Port, words::speed},
    top::{
        facts::Facts,
        view::{MemberOrder, View},
    },
    xdp::{
        rates::Rate,
        report::Direction,
        text::{
            columns::{Column, table},
            live::scaled,
            words::summary,
        },
    },
};

/// Lines of a table.
pub(super) struct Rows {
    pub(super) heading: Option<Line<'static>>,
    pub(super) rows: Vec<Line<'static>>,
}

impl Rows {
    /// From text whose first line is the heading.
    fn new(text: &str, style: impl Fn(usize) -> Style) -> Rows {
        let mut lines = text.lines().map(|line| Line::from(line.to_owned()));
        let heading = lines.next().map(|line| line.bold());
        let rows = lines.enumerate();
        let rows = rows.map(|(row, line)| line.style(style(row))).collect();
        Rows { heading, rows }
    }

    /// A table that has nothing in it.
    fn empty(text: &'static str) -> Rows {
        Rows {
            heading: None,
            rows: vec![Line::from(text)],
        }
    }

    /// So many lines of it at most.
    pub(super) fn all(self, room: usize) -> Vec<Line<'static>> {
        self.heading
            .into_iter()
            .chain(self.rows)
            .take(room)
            .collect()
    }
}

/// How much of a member is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// What fits eighty columns.
    Brief,
    /// Everything.
    Full,
}

const MEMBER: [Column; 6] = [
    ("MEMBER", false),
    ("LINK", false),
    ("LACP", false),
    ("IN", true),
    ("OUT", true),
    ("SHARE", true),
];

/// What follows in brief.
const DUPS: [Column; 1] = [("DUPS", true)];

/// What follows in full. Of eighty columns the partner still has some.
const MORE: [Column; 6] = [
    ("PARTNER", false),
    ("PACKETS/S", true),
    ("PROGRAMS", false),
    ("DUPS", true),
    ("FAILED", true),
    ("BOND", false),
];

/// Members of bonds, and the other ports.
pub(super) fn members(facts: &Facts, view: &View, paint: Paint, detail: Detail) -> Rows {
    let bonds = facts.status.bonds.iter();
    let members = bonds.flat_map(|bond| bond.members.iter().map(|port| (port, &*bond.name)));
    let others = facts.status.ports.iter().map(|port| (port, "-"));
    let mut ports: Vec<(&Port, &str)> = members.chain(others).collect();
    if view.members == MemberOrder::Bits {
        let bits = |port: &Port| {
            let rates = rates(facts, port).into_iter().flatten();
            rates.map(|rate| rate.bits_per_second).sum::<u64>()
        };
        ports.sort_by_key(|(port, _)| Reverse(bits(port)));
    }
    if ports.is_empty() {
        return Rows::empty("no bond, and nothing is counted");
    }
    let rows = ports.iter().map(|(port, _)| member(facts, port));
    let text = match detail {
        Detail::Brief => {
            let more = ports.iter().map(|(port, _)| [copies(port)]);
            let columns: [Column; 7] = joined(MEMBER, DUPS);
            table(
                &columns,
                rows.zip(more).map(|(row, more)| joined(row, more)),
            )
        }
        Detail::Full => {
            let more = ports.iter().map(|(port, bond)| more(facts, port, bond));
            let columns: [Column; 12] = joined(MEMBER, MORE);
            table(
                &columns,
                rows.zip(more).map(|(row, more)| joined(row, more)),
            )
        }
    };
    Rows::new(&text, |row| condition(ports[row].0, paint))
}

/// Two halves of a row.
fn joined<T, const N: usize, const M: usize, const ALL: usize>(a: [T; N], b: [T; M]) -> [T; ALL] {
    const { assert!(N + M == ALL) };
    let all: Vec<T> = a.into_iter().chain(b).collect();
    all.try_into()
        .unwrap_or_else(|_| unreachable!("N and M cells"))
}

fn member(facts: &Facts, port: &Port) -> [String; 6] {
    let bits =
        rates(facts, port).map(|rate| or_dash(rate.map(|rate| scaled(rate.bits_per_second))));
    let [received, sent] = bits;
    let share = [&port.received, &port.sent].map(|counted| {
        let share = counted.as_ref().and_then(|member| member.share);
        share.map(|share| format!("{:.0}%", share.bytes * 100.0))
    });
    let share = match share {
        [None, None] => "-".to_owned(),
        [received, sent] => format!("{}/{}", or_dash(received), or_dash(sent)),
    };
    [
        port.name.clone(),
        link(port),
        lacp(port),
        received,
        sent,
        share,
    ]
}

fn copies(port: &Port) -> String {
    let all = port.duplicates.as_ref();
    or_dash(all.map(|all| (all.copies() + all.answered_again).to_string()))
}

fn more(facts: &Facts, port: &Port, bond: &str) -> [String; 6] {
    let packets = rates(facts, port).map(|rate| rate.map(|rate| scaled(rate.packets_per_second)));
    let [received, sent] = packets.map(or_dash);
    let programs = port.programs.iter().map(|program| program.mode.to_string());
    let programs: Vec<String> = programs.collect();
    let lacp = port.lacp.as_ref();
    [
        or_dash(lacp.and_then(|lacp| lacp.partner_mac.clone())),
        format!("{received}/{sent}"),
        or_dash(Some(programs.join("/")).filter(|programs| !programs.is_empty())),
        copies(port),
        or_dash(lacp.map(|lacp| lacp.failures.to_string())),
        bond.to_owned(),
    ]
}

/// Received and sent.
fn rates(facts: &Facts, port: &Port) -> [Option<Rate>; 2] {
    [Direction::In, Direction::Out].map(|direction| facts.rate(port, direction))
}

fn or_dash(cell: Option<String>) -> String {
    cell.unwrap_or_else(|| "-".to_owned())
}

fn link(port: &Port) -> String {
    match (port.up, port.carrier) {
        (false, _) => "down".to_owned(),
        (true, false) => "no carrier".to_owned(),
        (true, true) => port.speed_mbps.map_or_else(|| "up".to_owned(), speed),
    }
}

fn lacp(port: &Port) -> String {
    let Some(lacp) = &port.lacp else {
        return "-".to_owned();
    };
    let text = match lacp {
        _ if lacp.distributing => "distributing",
        _ if lacp.actor.is_defaulted() => "no LACPDU heard",
        _ if lacp.actor.is_expired() => "no LACPDU any more",
        _ if lacp.active => "in use without",
        _ => lacp.actor.progress(),
    };
    let churned = if lacp.churned { ", churned" } else { "" };
    format!("{text}{churned}")
}

/// What does not work is seen at once.
fn condition(port: &Port, paint: Paint) -> Style {
    let agreed = port.lacp.as_ref().is_none_or(|lacp| lacp.distributing);
    match port.up && port.carrier {
        false => marked(Color::Red, paint),
        true if !agreed => marked(Color::Yellow, paint),
        true => Style::new(),
    }
}

/// What a flow is comes last: addresses of IPv6 are long.
const FLOW: [Column; 7] = [
    ("BITS/S", true),
    ("PACKETS/S", true),
    ("DUPS", true),
    ("MEMBER", false),
    ("DIR", false),
    ("VLAN", true),
    ("FLOW", false),
];

/// Flows, the busiest first.
pub(super) fn flows(facts: &Facts, view: &View) -> Rows {
    let mut flows: Vec<_> = facts.flows.flows.iter().collect();
    if flows.is_empty() {
        return Rows::empty("no flows yet");
    }
    flows.sort_by_key(|flow| view.flows.key(flow));
    let rows = flows.iter().map(|flow| {
        let bits = flow.rate.map(|rate| scaled(rate.bits_per_second));
        let packets = flow.rate.map(|rate| scaled(rate.packets_per_second));
        [
            or_dash(bits),
            or_dash(packets),
            flow.duplicates.number().to_string(),
            flow.member.clone(),
            flow.direction.to_string(),
            or_dash(flow.vlan.map(|vlan| vlan.to_string())),
            summary(flow.protocol, flow.source, flow.destination, flow.transport),
        ]
    });
    Rows::new(&table(&FLOW, rows), |_| Style::new())
}

/// What came twice and what that means, as `hhnet dups` says it.
pub(super) fn duplicates(facts: &Facts, width: usize) -> Rows {
    if facts.status.duplicates.is_none() {
        return Rows::empty("nothing is compared: no program is loaded");
    }
    let mut rows = Vec::new();
    for (number, line) in facts.dups.text().lines().enumerate() {
        // Sentences are wrapped, the table below them is cut.
        if number < facts.dups.explanations.len() {
            rows.extend(wrapped(line, width).into_iter().map(Line::from));
        } else {
            rows.push(Line::from(line.to_owned()));
        }
    }
    Rows {
        heading: None,
        rows,
    }
}

/// A sentence in lines of so many characters; those after the first are indented.
fn wrapped(sentence: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) => lines.push(format!("  {word}")),
            None => lines.push(word.to_owned()),
        }
    }
    lines
}
