// SPDX-License-Identifier: Apache-2.0
//! What duplicates mean, in words.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{Compared, DupReport, FlowDups, MemberDups};
use crate::xdp::{
    report::{Direction, Duplicates, Flow, Transport},
    text::words,
};

/// Flows that are explained one by one.
const EXPLAINED: usize = 10;

impl FlowDups {
    /// The flows that have duplicates, each on all its members together.
    pub(super) fn of(flows: &[Flow]) -> Vec<Self> {
        let mut by_name: BTreeMap<_, Vec<&Flow>> = BTreeMap::new();
        for flow in flows.iter().filter(|flow| flow.direction == Direction::In) {
            let name = (
                flow.vlan,
                flow.protocol,
                flow.source,
                flow.destination,
                flow.transport,
            );
            by_name.entry(name).or_default().push(flow);
        }
        let all = by_name.into_values().filter_map(|mut on| {
            on.sort_by(|a, b| a.member.cmp(&b.member));
            Self::together(&on)
        });
        let mut found: Vec<_> = all.collect();
        found.sort_by_key(|flow| Reverse(flow.duplicates.number()));
        found
    }

    /// One flow, as each member had it. None without duplicates.
    fn together(on_members: &[&Flow]) -> Option<Self> {
        let first = on_members.first()?;
        let duplicates = on_members
            .iter()
            .fold(Duplicates::default(), |sum, flow| sum.and(&flow.duplicates));
        if duplicates.number() == 0 {
            return None;
        }
        let names = on_members.iter().map(|flow| flow.member.clone());
        let mut flow = Self {
            vlan: first.vlan,
            protocol: first.protocol,
            source: first.source,
            destination: first.destination,
            transport: first.transport,
            packets: on_members.iter().map(|flow| flow.packets).sum(),
            duplicates,
            members: names.collect(),
            explanation: String::new(),
        };
        flow.explanation = flow.explain();
        Some(flow)
    }

    /// "31 of 300 echo replies from 10.0.5.10 arrived twice, 12 µs apart, once on
    /// enp2s1 and once on enp2s2: both switches forwarded them (reply leg)"
    fn explain(&self) -> String {
        let Duplicates {
            same_member,
            other_member,
            answered_again,
            delay_us,
        } = self.duplicates;
        let copies = same_member + other_member;
        let frames = self.packets - copies;
        let what = self.what(frames);
        let mut parts = Vec::new();
        if copies > 0 {
            let number = if copies <= frames {
                format!("{copies} of {frames} {what} arrived twice")
            } else {
                format!("{frames} {what} arrived {} times", self.packets)
            };
            let cause = self.cause();
            parts.push(format!("{number}, {} apart, {cause}", delay(delay_us)));
        }
        if answered_again > 0 {
            // The second answer is a frame of its own.
            let requests = frames - answered_again.min(frames);
            parts.push(format!(
                "{answered_again} of {requests} requests were answered twice by {}, with \
                 different IP identifications: the requests were duplicated on their way \
                 there (request leg)",
                self.source
            ));
        }
        parts.join("; ")
    }

    /// What so many frames are called.
    fn what(&self, frames: u64) -> String {
        let (source, destination) = (self.source, self.destination);
        let is_one = frames == 1;
        match self.transport {
            Transport::Icmp {
                icmp_type: 0 | 129, ..
            } if self.is_echo() => {
                let replies = if is_one { "reply" } else { "replies" };
                format!("echo {replies} from {source}")
            }
            Transport::Icmp { .. } if self.is_echo() => {
                let plural = if is_one { "" } else { "s" };
                format!("echo request{plural} from {source}")
            }
            transport => {
                let flow = words::summary(self.protocol, source, destination, transport);
                let plural = if is_one { "" } else { "s" };
                format!("packet{plural} of {flow}")
            }
        }
    }

    const fn is_echo(&self) -> bool {
        matches!(
            (self.protocol, self.transport),
            (
                1,
                Transport::Icmp {
                    icmp_type: 0 | 8,
                    ..
                }
            ) | (
                58,
                Transport::Icmp {
                    icmp_type: 128 | 129,
                    ..
                }
            )
        )
    }

    fn cause(&self) -> String {
        let leg = match self.transport {
            Transport::Icmp {
                icmp_type: 0 | 129, ..
            } if self.is_echo() => " (reply leg)",
            Transport::Icmp { .. } if self.is_echo() => " (request leg)",
            _ => "",
        };
        let Duplicates {
            same_member,
            other_member,
            ..
        } = self.duplicates;
        let across = match self.members.as_slice() {
            [one, other] => format!("once on {one} and once on {other}"),
            _ => "on different members".to_owned(),
        };
        let on = self.members.join(", ");
        match (same_member, other_member) {
            (0, _) => format!("{across}: both switches forwarded them{leg}"),
            (_, 0) => {
                format!("both on {on}: something before the last switch duplicated them{leg}")
            }
            (same, other) => format!(
                "{other} of them {across}, as both switches forwarded them, and {same} on \
                 one member, duplicated before{leg}"
            ),
        }
    }
}

impl Duplicates {
    /// Of two members together.
    fn and(self, other: &Self) -> Self {
        let (ours, theirs) = (self.number(), other.number());
        Self {
            same_member: self.same_member + other.same_member,
            other_member: self.other_member + other.other_member,
            answered_again: self.answered_again + other.answered_again,
            delay_us: (ours * self.delay_us + theirs * other.delay_us) / (ours + theirs).max(1),
        }
    }
}

impl DupReport {
    /// Sums up, and puts it into words.
    pub(super) fn finish(&mut self) {
        let mut total = Compared::default();
        self.members.iter().for_each(|m| total.add(&m.compared));
        total.compare_ratios();
        self.total = total;
        let flows = self.flows.iter().take(EXPLAINED);
        let flows = flows.map(|flow| flow.explanation.clone());
        let members = self.members.iter().flat_map(notes);
        self.explanations = flows.chain(members).collect();
    }
}

/// What of a member is to be told besides.
fn notes(member: &MemberDups) -> Vec<String> {
    let name = &member.member;
    let Compared {
        looped,
        suppressed,
        merged,
        ..
    } = member.compared;
    let mut notes = Vec::new();
    if looped > 0 {
        notes.push(format!(
            "{looped} frames of our own came back on {name}: the switch sends them out of the \
             port they came in by, or of another one of the same bond"
        ));
    }
    if suppressed > 0 {
        let why = if member.is_inactive {
            "which bonding does not use now"
        } else {
            "while bonding did not use one of the members"
        };
        notes.push(format!(
            "{suppressed} copies came on {name}, {why}: it drops one of the two, so nobody \
             sees them twice"
        ));
    }
    if merged > 0 {
        notes.push(format!(
            "{merged} frames on {name} were merged by GRO before they could be compared; \
             `ethtool -K {name} gro off` shows them one by one"
        ));
    }
    notes
}

/// In the unit that suits it.
fn delay(micros: u64) -> String {
    match micros {
        0 => "less than 1 µs".to_owned(),
        1..10_000 => format!("{micros} µs"),
        _ => format!("{} ms", micros / 1000),
    }
}
