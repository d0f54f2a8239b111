// SPDX-License-Identifier: Apache-2.0
//! How evenly the members of a bond share what it receives and sends.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::report::{Counted, Direction, Member};

/// A member's part of all IP packets of its bond and direction, 0 to 1. Other
/// frames are left out: LACP has its own on each member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// By packets.
    pub packets: f64,
    /// By bytes.
    pub bytes: f64,
}

/// Jain's fairness index of a bond's direction: 1 if all members have the same
/// share, 1/n if one of n has everything (Jain, Chiu, Hawe, DEC-TR-301).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The bond.
    pub bond: String,
    /// Received or sent.
    pub direction: Direction,
    /// Members that are compared.
    pub members: usize,
    /// By packets.
    pub jain_packets: f64,
    /// By bytes.
    pub jain_bytes: f64,
}

/// Gives each member of a bond that has a program its share, and tells how even
/// the shares are, where there are several. Two bonds, or a bond and a port that
/// is none's, do not share anything.
pub(super) fn spread(members: &mut [Member]) -> Vec<Spread> {
    let bonds = members.iter().filter_map(|member| member.bond.clone());
    let bonds: BTreeSet<String> = bonds.collect();
    bonds
        .iter()
        .flat_map(|bond| [Direction::In, Direction::Out].map(|direction| (bond, direction)))
        .filter_map(|(bond, direction)| {
            let compared = |m: &&mut Member| {
                m.bond.as_ref() == Some(bond) && m.direction == direction && m.mode.is_some()
            };
            let compared = members.iter_mut().filter(compared).collect();
            share(bond, direction, compared)
        })
        .collect()
}

fn share(bond: &str, direction: Direction, mut compared: Vec<&mut Member>) -> Option<Spread> {
    let counts: Vec<Counted> = compared.iter().map(|member| ip(member)).collect();
    let [packets, bytes] = [|c: &Counted| c.packets, |c: &Counted| c.bytes]
        .map(|unit| counts.iter().map(unit).collect::<Vec<u64>>());
    if packets.iter().all(|count| *count == 0) {
        return None;
    }
    let shares = shares(&packets).zip(shares(&bytes));
    for (member, (packets, bytes)) in compared.iter_mut().zip(shares) {
        member.share = Some(Share { packets, bytes });
    }
    (compared.len() > 1).then(|| Spread {
        bond: bond.to_owned(),
        direction,
        members: compared.len(),
        jain_packets: jain(&packets),
        jain_bytes: jain(&bytes),
    })
}

fn ip(member: &Member) -> Counted {
    Counted {
        packets: member.ipv4.packets + member.ipv6.packets,
        bytes: member.ipv4.bytes + member.ipv6.bytes,
    }
}

fn shares(counts: &[u64]) -> impl Iterator<Item = f64> {
    let sum: u64 = counts.iter().sum();
    counts
        .iter()
        .map(move |count| rounded(*count as f64 / sum as f64))
}

/// Of counts that are not all 0.
fn jain(counts: &[u64]) -> f64 {
    let sum: f64 = counts.iter().map(|count| *count as f64).sum();
    let squares: f64 = counts.iter().map(|count| (*count as f64).powi(2)).sum();
    rounded(sum * sum / (counts.len() as f64 * squares))
}

/// To four digits, which is more than anybody reads.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::{super::Mode, *};

    fn member(bond: Option<&str>, direction: Direction, packets: u64) -> Member {
        let half = packets / 2;
        let of = |packets| Counted {
            packets,
            bytes: 100 * packets,
        };
        Member {
            bond: bond.map(str::to_owned),
            direction,
            mode: Some(Mode::Tcx),
            ipv4: of(half),
            ipv6: of(packets - half),
            lacp: of(1_000),
            ..Member::default()
        }
    }

    fn shares_of(members: &[Member]) -> Vec<Option<f64>> {
        let shares = members.iter().map(|member| member.share);
        shares.map(|share| share.map(|s| s.packets)).collect()
    }

    #[test]
    fn jains_index_is_one_for_equal_shares_and_the_least_for_a_single_one() {
        assert_eq!(jain(&[7, 7, 7]), 1.0);
        assert_eq!(jain(&[0, 9, 0, 0]), 0.25);
        assert_eq!(jain(&[1, 3]), 0.8);
    }

    #[test]
    fn each_direction_by_itself_and_members_with_a_program_alone() {
        let bond = Some("bond0");
        let off = Member {
            mode: None,
            ..member(bond, Direction::In, 500)
        };
        let mut members = [
            member(bond, Direction::In, 10),
            member(bond, Direction::In, 30),
            off,
            member(bond, Direction::Out, 5),
        ];
        let spread = spread(&mut members);
        assert_eq!(
            shares_of(&members),
            [Some(0.25), Some(0.75), None, Some(1.0)]
        );
        assert!(
            members
                .iter()
                .all(|m| m.share.is_none_or(|s| s.packets == s.bytes))
        );
        let expected = Spread {
            bond: "bond0".into(),
            direction: Direction::In,
            members: 2,
            jain_packets: 0.8,
            jain_bytes: 0.8,
        };
        assert_eq!(spread, [expected]);
    }

    #[test]
    fn bonds_and_single_ports_are_not_mixed() {
        let received = |bond, packets| member(bond, Direction::In, packets);
        let mut members = [
            received(Some("bond1"), 40),
            received(Some("bond0"), 10),
            received(None, 1_000),
            received(Some("bond0"), 30),
            received(Some("bond1"), 40),
        ];
        let found = spread(&mut members);
        let found: Vec<_> = found
            .iter()
            .map(|s| (s.bond.as_str(), s.members, s.jain_bytes))
            .collect();
        assert_eq!(found, [("bond0", 2, 0.8), ("bond1", 2, 1.0)]);
        let expected = [Some(0.5), Some(0.25), None, Some(0.75), Some(0.5)];
        assert_eq!(shares_of(&members), expected);
    }

    #[test]
    fn nothing_counted_is_no_share() {
        let mut members = [
            member(Some("bond0"), Direction::Out, 0),
            member(Some("bond0"), Direction::Out, 0),
        ];
        assert_eq!(spread(&mut members), []);
        assert_eq!(shares_of(&members), [None, None]);
    }
}
