// SPDX-License-Identifier: Apache-2.0
//! From two reports, how fast things went between them.

use std::{cmp::Reverse, collections::HashMap};

use serde::{Deserialize, Serialize};

use super::report::{Counted, Flow, FlowReport, Member};
use crate::cli::By;

/// Frames and their bits between two reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Frames a second.
    pub packets_per_second: u64,
    /// Bits a second, those of the Ethernet header included.
    pub bits_per_second: u64,
}

impl Rate {
    /// Between two counts, so many milliseconds apart. One that has shrunk was
    /// begun anew.
    fn between(before: Counted, now: Counted, elapsed: u64) -> Self {
        let before = if now.packets < before.packets || now.bytes < before.bytes {
            Counted::default()
        } else {
            before
        };
        let a_second = |amount: u64| (1000 * amount + elapsed / 2) / elapsed;
        Self {
            packets_per_second: a_second(now.packets - before.packets),
            bits_per_second: a_second(8 * (now.bytes - before.bytes)),
        }
    }

    /// What flows are ordered by.
    const fn by(&self, by: By) -> u64 {
        match by {
            By::Bytes => self.bits_per_second,
            By::Packets | By::Dups => self.packets_per_second,
        }
    }
}

impl FlowReport {
    /// Writes into flows and members how fast they went since `before`, and puts
    /// the fastest flows first. Nothing if no time has passed.
    pub fn compare(&mut self, before: &Self) {
        let elapsed = self.at_ms.saturating_sub(before.at_ms);
        if elapsed == 0 {
            return;
        }
        let known: HashMap<_, _> = before
            .flows
            .iter()
            .map(|f| (f.name(), counted(f)))
            .collect();
        for flow in &mut self.flows {
            let then = known.get(&flow.name()).copied().unwrap_or_default();
            flow.rate = Some(Rate::between(then, counted(flow), elapsed));
        }
        for member in &mut self.members {
            let same =
                |old: &&Member| (&old.name, old.direction) == (&member.name, member.direction);
            let then = before.members.iter().find(same).map(Member::frames);
            let then = then.unwrap_or_default();
            member.rate = Some(Rate::between(then, member.frames(), elapsed));
        }
        let by = self.by;
        let speed = |flow: &Flow| flow.rate.unwrap_or_default().by(by);
        self.flows.sort_by_key(|flow| Reverse(speed(flow)));
    }

    /// Shows so many flows at most.
    pub fn shorten(&mut self, top: usize) {
        self.flows.truncate(top);
    }
}

fn counted(flow: &Flow) -> Counted {
    Counted {
        packets: flow.packets,
        bytes: flow.bytes,
    }
}
