// SPDX-License-Identifier: Apache-2.0
//! `hhnet dups` as text.

use super::{Compared, DupReport, MemberDups};
use crate::xdp::text::columns::{Column, table};

const COLUMNS: [Column; 10] = [
    ("MEMBER", false),
    ("COMPARED", true),
    ("STRONG", true),
    ("WEAK", true),
    ("OTHER-MEMBER", true),
    ("ANSWERED", true),
    ("SUPPRESSED", true),
    ("LOOPED", true),
    ("UNSURE", true),
    ("SKIPPED", true),
];

impl DupReport {
    /// The text for a terminal: what it means, then the counters. Ends with a
    /// newline.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for explanation in &self.explanations {
            text += &format!("{explanation}\n");
        }
        let total = &self.total;
        if total.copies() + total.answered_again == 0 {
            text += &format!("no duplicates among {} frames\n", total.compared);
        }
        if self.members.is_empty() {
            return text;
        }
        text.push('\n');
        text += &table(&COLUMNS, self.members.iter().map(row));
        text += &ratios(total);
        text
    }
}

fn row(member: &MemberDups) -> [String; 10] {
    let c = &member.compared;
    let numbers = [
        c.compared,
        c.strong_same_member + c.strong_other_member,
        c.weak_same_member + c.weak_other_member,
        c.strong_other_member + c.weak_other_member,
        c.answered_again,
        c.suppressed,
        c.looped,
        c.ambiguous + c.repetitive,
        c.skipped + c.merged,
    ];
    let name = member.member.clone();
    let mut cells = std::iter::once(name).chain(numbers.iter().map(u64::to_string));
    std::array::from_fn(|_| cells.next().unwrap_or_default())
}

/// RFC 5560's ratios, and how far apart the copies are.
fn ratios(total: &Compared) -> String {
    if total.copies() == 0 {
        return String::new();
    }
    let mut text = String::new();
    if let (Some(fraction), Some(rate)) = (total.duplication_fraction, total.replicated_packet_rate)
    {
        text +=
            &format!("duplication fraction {fraction}, replicated packet rate {rate} (RFC 5560)\n");
    }
    if let (Some(half), Some(most)) = (total.delay_quantile(0.5), total.delay_quantile(0.99)) {
        text += &format!("half of the copies within {half:.0} µs, 99% within {most:.0} µs\n");
    }
    text
}
