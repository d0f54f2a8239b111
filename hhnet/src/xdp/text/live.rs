// SPDX-License-Identifier: Apache-2.0
//! `hhnet flows --watch` as text: members first, then the flows there is room
//! for.

use super::{
    Column, FLOW_COLUMNS, Flow, FlowReport, MEMBER_COLUMNS, Member, evenness, flow_row, member_row,
    table,
};
use crate::xdp::rates::Rate;

/// What comes after the first columns of a flow, which tell what it is.
const RATES: [Column; 2] = [("PACKETS/S", true), ("BITS/S", true)];

impl FlowReport {
    /// The text for a terminal of so many lines, or without a limit. Ends with a
    /// newline.
    pub fn live_text(&self, lines: Option<usize>) -> String {
        let mut text = String::new();
        if !self.members.is_empty() {
            let rows = self.members.iter().map(|m| live_member(m, self));
            text += &table(&member_columns(), rows);
        }
        for spread in &self.spread {
            text += &evenness(spread, self.by);
        }
        if !text.is_empty() {
            text.push('\n');
        }
        if self.flows.is_empty() {
            return text + "no flows yet\n";
        }
        // A heading above, and below how many there are.
        let taken = text.lines().count() + 2;
        let room = lines.map_or(self.flows.len(), |lines| lines.saturating_sub(taken).max(1));
        let shown = &self.flows[..room.min(self.flows.len())];
        text += &table(&flow_columns(), shown.iter().map(live_flow));
        if shown.len() < self.total_flows {
            text += &format!("({} of {} flows)\n", shown.len(), self.total_flows);
        }
        text
    }
}

fn flow_columns() -> [Column; 12] {
    with_rates(FLOW_COLUMNS, RATES, 2)
}

fn live_flow(flow: &Flow) -> [String; 12] {
    with_rates(flow_row(flow), rate(flow.rate), 2)
}

fn member_columns() -> [Column; 13] {
    with_rates(MEMBER_COLUMNS, RATES, 1)
}

fn live_member(member: &Member, report: &FlowReport) -> [String; 13] {
    with_rates(member_row(member, report.by), rate(member.rate), 1)
}

/// Cells with those of the rates among them, before the `last` ones.
fn with_rates<T, const N: usize, const M: usize>(
    cells: [T; N],
    rates: [T; 2],
    last: usize,
) -> [T; M] {
    const { assert!(M == N + 2) };
    let mut all: Vec<T> = cells.into();
    let place = N - last;
    all.splice(place..place, rates);
    all.try_into()
        .unwrap_or_else(|_| unreachable!("N cells and two more"))
}

fn rate(rate: Option<Rate>) -> [String; 2] {
    rate.map_or_else(
        || ["-".to_owned(), "-".to_owned()],
        |rate| [rate.packets_per_second, rate.bits_per_second].map(scaled),
    )
}

/// Three digits or four, and the unit's prefix.
pub(crate) fn scaled(amount: u64) -> String {
    let mut amount = amount as f64;
    for prefix in ["", "k", "M", "G"] {
        if amount < 999.95 {
            return match prefix {
                "" => format!("{amount:.0}"),
                prefix => format!("{amount:.1}{prefix}"),
            };
        }
        amount /= 1000.0;
    }
    format!("{amount:.1}T")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xdp::report::{Direction, Transport};

    fn flow(port: u16, packets: u64) -> Flow {
        Flow {
            member: "enp2s1".into(),
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
            bytes: packets * 1000,
            duplicates: Default::default(),
            age_ms: 0,
            idle_ms: 0,
            expected: None,
            rate: None,
        }
    }

    fn report(at_ms: u64, flows: &[(u16, u64)]) -> FlowReport {
        FlowReport {
            at_ms,
            flows: flows
                .iter()
                .map(|(port, count)| flow(*port, *count))
                .collect(),
            total_flows: flows.len(),
            ..FlowReport::default()
        }
    }

    #[test]
    fn the_fastest_flows_since_the_last_look_come_first() {
        let before = report(1_000, &[(1, 1_000), (2, 50), (3, 900)]);
        let mut now = report(3_000, &[(1, 1_000), (2, 62), (3, 8), (4, 4)]);
        let first = before.live_text(None);
        assert!(
            first
                .lines()
                .nth(1)
                .is_some_and(|l| l.contains(" -  ") || l.ends_with('-')),
            "{first}"
        );
        now.compare(&before);
        let expected = "\
MEMBER  DIR  VLAN  PROTO  SOURCE      DESTINATION  PACKETS    BYTES  PACKETS/S  BITS/S  DUPS  INFO
enp2s1  in   1001  udp    10.0.1.1:2  10.0.1.10:9       62    62000          6   48.0k     0
enp2s1  in   1001  udp    10.0.1.1:3  10.0.1.10:9        8     8000          4   32.0k     0
enp2s1  in   1001  udp    10.0.1.1:4  10.0.1.10:9        4     4000          2   16.0k     0
enp2s1  in   1001  udp    10.0.1.1:1  10.0.1.10:9     1000  1000000          0       0     0
";
        assert_eq!(now.live_text(None), expected);
        let short = now.live_text(Some(4));
        assert_eq!(short.lines().count(), 4, "{short}");
        assert!(short.ends_with("(2 of 4 flows)\n"), "{short}");
    }

    #[test]
    fn the_same_moment_twice_has_no_rates() {
        let before = report(1_000, &[(1, 10)]);
        let mut now = report(1_000, &[(1, 20)]);
        now.compare(&before);
        assert_eq!(now.flows[0].rate, None);
    }

    #[test]
    fn rates_have_prefixes() {
        let texts = [
            0,
            999,
            1_000,
            123_456,
            9_999_960,
            10_000_000_000,
            4_200_000_000_000,
        ]
        .map(scaled);
        assert_eq!(
            texts,
            ["0", "999", "1.0k", "123.5k", "10.0M", "10.0G", "4.2T"]
        );
    }
}
