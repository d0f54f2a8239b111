// SPDX-License-Identifier: Apache-2.0
//! What a page is made of.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::view::FlowOrder;
use crate::{
    status::{Port, Status},
    xdp::{
        dups::DupReport,
        rates::Rate,
        report::{Direction, FlowReport, Member},
    },
};

/// Everything of one second; as JSON a line of the feed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// Links, leases, the agent if there is one.
    pub(super) status: Status,
    /// Counters, with rates from the second such report on.
    pub(super) flows: FlowReport,
    /// What came twice.
    pub(super) dups: DupReport,
    /// Copies more than a second ago; from the second report on.
    pub(super) new_copies: Option<u64>,
}

impl Facts {
    /// Works out how fast things went since `before`.
    pub(super) fn compare(&mut self, before: &Facts) {
        self.flows.compare(&before.flows);
        let (then, now) = (before.dups.total.copies(), self.dups.total.copies());
        // Fewer than before are those of another agent.
        self.new_copies = Some(now.checked_sub(then).unwrap_or(now));
    }

    /// Keeps so many flows for each order they may be shown in.
    pub(super) fn shorten(&mut self, room: usize) {
        let mut kept = BTreeSet::new();
        for order in FlowOrder::ALL {
            let mut places: Vec<usize> = (0..self.flows.flows.len()).collect();
            places.sort_by_key(|place| order.key(&self.flows.flows[*place]));
            kept.extend(places.into_iter().take(room));
        }
        let mut places = 0..;
        let mut is_kept = |_: &_| places.next().is_some_and(|place| kept.contains(&place));
        self.flows.flows.retain(&mut is_kept);
    }

    /// How fast a port goes in one direction, if it was looked at twice.
    pub(super) fn rate(&self, port: &Port, direction: Direction) -> Option<Rate> {
        let mut members = self.flows.members.iter();
        let same = |m: &&Member| m.name == port.name && m.direction == direction;
        members.find(same)?.rate
    }
}
