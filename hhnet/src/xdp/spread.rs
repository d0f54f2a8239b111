// SPDX-License-Identifier: Apache-2.0
//! How evenly the members share what is received and sent.

use serde::Serialize;

use super::report::{Counted, Direction, Member};

/// A member's part of all IP packets of its direction, 0 to 1. Other frames are
/// left out: LACP has its own on each member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Share {
    /// By packets.
    pub packets: f64,
    /// By bytes.
    pub bytes: f64,
}

/// Jain's fairness index of a direction: 1 if all members have the same share,
/// 1/n if one of n has everything (Jain, Chiu, Hawe, DEC-TR-301).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Received or sent.
    pub direction: Direction,
    /// Members that are compared.
    pub members: usize,
    /// By packets.
    pub jain_packets: f64,
    /// By bytes.
    pub jain_bytes: f64,
}

/// Gives each member that has a program its share, and tells how even the
/// shares are, where there are several.
pub(super) fn spread(members: &mut [Member]) -> Vec<Spread> {
    [Direction::In, Direction::Out]
        .into_iter()
        .filter_map(|direction| {
            let compared = |m: &&mut Member| m.direction == direction && m.mode.is_some();
            let mut compared: Vec<_> = members.iter_mut().filter(compared).collect();
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
                direction,
                members: compared.len(),
                jain_packets: jain(&packets),
                jain_bytes: jain(&bytes),
            })
        })
        .collect()
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
fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::{super::Mode, *};

    fn member(direction: Direction, mode: Option<Mode>, packets: u64) -> Member {
        let half = packets / 2;
        let of = |packets| Counted {
            packets,
            bytes: 100 * packets,
        };
        Member {
            direction,
            mode,
            ipv4: of(half),
            ipv6: of(packets - half),
            lacp: of(1_000),
            ..Member::default()
        }
    }

    #[test]
    fn jains_index_is_one_for_equal_shares_and_the_least_for_a_single_one() {
        assert_eq!(jain(&[7, 7, 7]), 1.0);
        assert_eq!(jain(&[0, 9, 0, 0]), 0.25);
        assert_eq!(jain(&[1, 3]), 0.8);
    }

    #[test]
    fn each_direction_by_itself_and_members_with_a_program_alone() {
        let (on, off) = (Some(Mode::Tcx), None);
        let mut members = [
            member(Direction::In, on, 10),
            member(Direction::In, on, 30),
            member(Direction::In, off, 500),
            member(Direction::Out, on, 5),
        ];
        let spread = spread(&mut members);
        let shares = members.map(|m| m.share.map(|share| (share.packets, share.bytes)));
        assert_eq!(
            shares,
            [
                Some((0.25, 0.25)),
                Some((0.75, 0.75)),
                None,
                Some((1.0, 1.0))
            ]
        );
        let expected = Spread {
            direction: Direction::In,
            members: 2,
            jain_packets: 0.8,
            jain_bytes: 0.8,
        };
        assert_eq!(spread, [expected]);
    }

    #[test]
    fn nothing_counted_is_no_share() {
        let mut members = [
            member(Direction::Out, Some(Mode::Tcx), 0),
            member(Direction::Out, Some(Mode::Tcx), 0),
        ];
        assert_eq!(spread(&mut members), []);
        assert_eq!(members[0].share, None);
    }
}
