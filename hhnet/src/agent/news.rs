// SPDX-License-Identifier: Apache-2.0
//! What the log says of members of bonds: each change once.

use std::collections::BTreeMap;

use crate::link::{Device, Mac, MacText, Nic, PortState};

/// What was last told of each member, by its index.
///
/// It is compared with what all links are at a moment, never with what an event says they
/// were: of two such moments the later one is known, and nothing is told twice.
#[derive(Debug, Default)]
pub(super) struct News(BTreeMap<u32, Told>);

#[derive(Debug)]
struct Told {
    name: String,
    port: PortState,
    partner: Option<Mac>,
}

impl News {
    /// Lines on what has changed since the last time.
    pub(super) fn since(&mut self, devices: &[Device], nics: &BTreeMap<u32, Nic>) -> Vec<String> {
        let members = devices.iter().filter_map(|device| {
            let told = Told {
                name: device.name.clone(),
                port: device.port.clone()?,
                partner: nics.get(&device.index).and_then(|nic| nic.partner),
            };
            Some((device.index, told))
        });
        let now: BTreeMap<u32, Told> = members.collect();
        let mut lines = Vec::new();
        for (index, before) in &self.0 {
            if !now.contains_key(index) {
                lines.push(format!("{}: no member of a bond any more", before.name));
            }
        }
        for (index, member) in &now {
            let before = self.0.get(index);
            let changes = changes(before, member);
            lines.extend(
                changes
                    .iter()
                    .map(|change| format!("{}: {change}", member.name)),
            );
        }
        self.0 = now;
        lines
    }
}

fn changes(before: Option<&Told>, now: &Told) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(before) = before
        && before.port.mii_up != now.port.mii_up
    {
        lines.push(
            if now.port.mii_up {
                "link is up"
            } else {
                "link is lost"
            }
            .to_owned(),
        );
    }
    let partner = before.and_then(|before| before.partner);
    match (partner, now.partner) {
        (None, Some(new)) => lines.push(format!("LACP partner is {}", MacText(new))),
        (Some(old), Some(new)) if old != new => lines.push(format!(
            "LACP partner is {}, no longer {}",
            MacText(new),
            MacText(old)
        )),
        (Some(old), None) => lines.push(format!("no LACP partner, no longer {}", MacText(old))),
        _ => {}
    }
    let path = |port: &PortState| port.distributing().then_some(port.aggregator);
    match (
        before.and_then(|before| path(&before.port)),
        path(&now.port),
    ) {
        (Some(_), None) => lines.push("no longer collecting and distributing".to_owned()),
        (was, Some(aggregator)) if was != Some(aggregator) => {
            let aggregator = aggregator.map_or_else(String::new, |id| format!(", aggregator {id}"));
            lines.push(format!("collecting and distributing{aggregator}"));
        }
        _ => {}
    }
    // IEEE 802.1AX, 6.4.17: not in sync within a minute.
    match (
        before.is_some_and(|before| before.port.churned),
        now.port.churned,
    ) {
        (false, true) => {
            lines.push("churned: LACP has not brought it in sync for a minute".to_owned())
        }
        (true, false) => lines.push("churned no longer".to_owned()),
        _ => {}
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(change: impl FnOnce(&mut PortState)) -> Device {
        let mut port = PortState {
            active: true,
            mii_up: true,
            aggregator: Some(1),
            ..PortState::default()
        };
        change(&mut port);
        Device {
            index: 2,
            name: "enp2s1".into(),
            port: Some(port),
            ..Device::default()
        }
    }

    fn partner(mac: Mac) -> BTreeMap<u32, Nic> {
        let nic = Nic {
            partner: Some(mac),
            ..Nic::default()
        };
        BTreeMap::from([(2, nic)])
    }

    #[test]
    fn each_change_is_told_once() {
        let mut news = News::default();
        let nobody = BTreeMap::new();
        let apart = member(|_| ());
        let joined = member(|port| port.actor = 0x3d);
        let elsewhere = member(|port| (port.actor, port.aggregator) = (0x3d, Some(2)));
        let dead = member(|port| port.mii_up = false);
        let churned = member(|port| port.churned = true);
        let stranger = Device {
            index: 2,
            ..Device::default()
        };
        for (device, nics, told) in [
            (&apart, &nobody, vec![]),
            (
                &apart,
                &partner([10; 6]),
                vec!["LACP partner is 0a:0a:0a:0a:0a:0a"],
            ),
            (
                &joined,
                &partner([10; 6]),
                vec!["collecting and distributing, aggregator 1"],
            ),
            (
                &elsewhere,
                &partner([11; 6]),
                vec![
                    "LACP partner is 0b:0b:0b:0b:0b:0b, no longer 0a:0a:0a:0a:0a:0a",
                    "collecting and distributing, aggregator 2",
                ],
            ),
            (
                &dead,
                &nobody,
                vec![
                    "link is lost",
                    "no LACP partner, no longer 0b:0b:0b:0b:0b:0b",
                    "no longer collecting and distributing",
                ],
            ),
            (&apart, &nobody, vec!["link is up"]),
            (
                &churned,
                &nobody,
                vec!["churned: LACP has not brought it in sync for a minute"],
            ),
            (&apart, &nobody, vec!["churned no longer"]),
            (&stranger, &nobody, vec!["no member of a bond any more"]),
        ] {
            let told: Vec<String> = told.iter().map(|line| format!("enp2s1: {line}")).collect();
            assert_eq!(news.since(std::slice::from_ref(device), nics), told);
            assert_eq!(news.since(std::slice::from_ref(device), nics), [""; 0]);
        }
    }

    /// The agent before this one has told how it came to that.
    #[test]
    fn a_member_that_is_met_as_it_is_is_told_in_a_line_each() {
        let mut news = News::default();
        let joined = member(|port| port.actor = 0x3d);
        let told = news.since(&[joined], &partner([10; 6]));
        assert_eq!(
            told,
            [
                "enp2s1: LACP partner is 0a:0a:0a:0a:0a:0a",
                "enp2s1: collecting and distributing, aggregator 1"
            ]
        );
    }
}
