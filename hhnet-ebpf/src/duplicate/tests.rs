// SPDX-License-Identifier: Apache-2.0
//! Verdicts on frames in a row.

use proptest::prelude::*;

use super::*;
use crate::veil::Numbered as _;

const HASH: u64 = 0xdead_beef_0123_4567;
const STRONG: Evidence = Evidence::Strong;
const WEAK: Evidence = Evidence::Weak;
const ACK: Evidence = Evidence::Acknowledgement;
const STAMPED: Evidence = Evidence::Stamped;
const SEGMENT: Evidence = Evidence::Segment;
const STAMPED_ACK: Evidence = Evidence::StampedAcknowledgement;

/// A slot that frames come to, at so many microseconds.
#[derive(Default)]
struct Place(Slot);

impl Place {
    fn see(&mut self, evidence: Evidence, note: u64, member: u8, micros: u64) -> Finding {
        let fingerprint = Fingerprint {
            hash: HASH,
            evidence: Veiled::new(evidence),
            note,
        };
        let sighting = Sighting::new(&fingerprint, micros * 1_000, member);
        let (finding, next) = sighting.judge(self.0);
        self.0 = next;
        finding
    }

    fn verdicts(evidence: Evidence, frames: &[(u8, u64)]) -> Vec<Verdict> {
        let mut place = Self::default();
        let see = |&(member, micros): &(u8, u64)| {
            let finding = place.see(evidence, 0, member, 1_000_000 + micros);
            finding.verdict.value()
        };
        frames.iter().map(see).collect()
    }
}

use Verdict::{
    Ambiguous, Answered, Repetitive, StrongCross, StrongSame, Unique, WeakCross, WeakSame,
};

#[test]
fn a_frame_with_an_identity_has_copies_for_fifty_milliseconds() {
    let frames = [
        (0, 0),
        (0, 12),
        (1, 49_990),
        (0, 50_010),
        (1, 50_020),
        (1, 99_999),
    ];
    let expected = [
        Unique,
        StrongSame,
        StrongCross,
        Unique,
        StrongCross,
        StrongCross,
    ];
    assert_eq!(Place::verdicts(STRONG, &frames), expected);
}

#[test]
fn each_of_many_copies_is_one() {
    let frames: Vec<_> = (0..100).map(|number| (0, number * 20)).collect();
    let verdicts = Place::verdicts(STRONG, &frames);
    assert_eq!(verdicts.iter().filter(|v| **v == StrongSame).count(), 99);
}

#[test]
fn delays_are_those_since_the_first() {
    let mut place = Place::default();
    place.see(STRONG, 0, 3, 5_000_000);
    for (micros, ticks) in [(1_024, 1_000), (2_048, 2_000)] {
        let finding = place.see(STRONG, 0, 4, 5_000_000 + micros);
        assert!(finding.delay.abs_diff(ticks) <= 1, "{finding:?}");
        assert_eq!(finding.original, 3);
        assert_eq!(finding.firsts, u64::from(micros == 1_024));
    }
}

#[test]
fn another_answer_to_one_request_is_no_copy() {
    let mut place = Place::default();
    for (note, verdict) in [(7, Unique), (7, StrongSame), (9, Answered), (7, StrongSame)] {
        assert_eq!(place.see(STRONG, note, 1, 1_000).verdict, verdict);
    }
}

#[test]
fn one_without_has_copies_for_two_on_the_same_member_and_fifty_on_another() {
    assert_eq!(
        Place::verdicts(WEAK, &[(0, 0), (0, 1_990)]),
        [Unique, WeakSame]
    );
    assert_eq!(
        Place::verdicts(WEAK, &[(0, 0), (0, 2_010)]),
        [Unique, Unique]
    );
    assert_eq!(
        Place::verdicts(WEAK, &[(0, 0), (1, 49_990)]),
        [Unique, WeakCross]
    );
    assert_eq!(
        Place::verdicts(WEAK, &[(0, 0), (1, 50_010)]),
        [Unique, Unique]
    );
}

#[test]
fn acknowledgements_repeat_themselves_but_not_on_another_member() {
    let frames = [(0, 0), (0, 20), (1, 40), (0, 4_000)];
    let expected = [Unique, Ambiguous, WeakCross, Unique];
    assert_eq!(Place::verdicts(ACK, &frames), expected);
}

#[test]
fn data_may_be_sent_again_after_a_round_trip_and_no_sooner() {
    let frames = [(0, 0), (0, 60), (0, 200), (0, 4_000)];
    let expected = [Unique, WeakSame, Ambiguous, Unique];
    assert_eq!(Place::verdicts(SEGMENT, &frames), expected);
    assert_eq!(
        Place::verdicts(SEGMENT, &[(0, 0), (1, 49_990), (1, 50_010)]),
        [Unique, WeakCross, Unique]
    );
}

#[test]
fn under_the_same_timestamp_only_within_a_tick() {
    let frames = [(0, 0), (0, 60), (0, 200), (0, 4_000), (0, 49_000)];
    let expected = [Unique, WeakSame, Ambiguous, StrongSame, StrongSame];
    assert_eq!(Place::verdicts(STAMPED, &frames), expected);
    assert_eq!(
        Place::verdicts(STAMPED, &[(0, 0), (1, 1_000), (1, 50_010)]),
        [Unique, StrongCross, Unique]
    );
}

#[test]
fn a_receiver_that_cannot_say_what_it_has_is_doubted_after_the_first() {
    let frames = [(0, 0), (0, 20), (0, 40), (0, 60), (0, 4_000), (1, 4_020)];
    let expected = [Unique, WeakSame, Ambiguous, Ambiguous, Unique, WeakCross];
    assert_eq!(Place::verdicts(STAMPED_ACK, &frames), expected);
}

#[test]
fn what_was_learned_of_a_stream_is_kept_while_it_lasts() {
    let mut place = Place::default();
    for number in 0..10 {
        place.see(WEAK, 0, 0, 1_000_000 + number * 1_000);
    }
    let learned = place.0;
    place.0 = Slot(learned.0 ^ 1 << 63);
    // Of another flow, which is not remembered.
    assert_eq!(place.see(STRONG, 0, 0, 1_010_000).verdict, Unique);
    assert_eq!(place.see(STRONG, 0, 0, 1_010_010).verdict, Unique);
    assert_eq!(place.0.0, learned.0 ^ 1 << 63);
    // The stream has ended.
    assert_eq!(place.see(STRONG, 0, 0, 1_090_000).verdict, Unique);
    assert_eq!(place.see(STRONG, 0, 0, 1_090_010).verdict, StrongSame);
}

#[test]
fn a_stream_of_equal_frames_is_learned_after_two() {
    let frames: Vec<_> = (0..100).map(|number| (0, number * 1_000)).collect();
    let verdicts = Place::verdicts(WEAK, &frames);
    assert_eq!(verdicts[..3], [Unique, WeakSame, WeakSame]);
    assert!(
        verdicts[3..].iter().all(|v| *v == Repetitive),
        "{verdicts:?}"
    );
}

#[test]
fn copies_in_such_a_stream_are_found_by_their_distance() {
    let mut frames: Vec<_> = (0..20).map(|number| (0, number * 1_000)).collect();
    frames.extend([(1, 15_020), (0, 17_030)]);
    frames.sort_by_key(|(_, micros)| *micros);
    let verdicts = Place::verdicts(WEAK, &frames);
    let copies: Vec<_> = frames
        .iter()
        .zip(&verdicts)
        .skip(3)
        .filter(|(_, v)| **v != Repetitive)
        .collect();
    assert_eq!(
        copies,
        [(&(1, 15_020), &WeakCross), (&(0, 17_030), &WeakSame)]
    );
}

#[test]
fn a_stream_that_slows_down_or_speeds_up_is_learned_anew() {
    for periods in [[1_000, 1_900], [1_900, 500]] {
        let mut frames = Vec::new();
        let mut now = 0;
        for period in periods {
            frames.extend((0..30).map(|_| {
                now += period;
                (0, now)
            }));
        }
        let verdicts = Place::verdicts(WEAK, &frames);
        let wrong = verdicts.iter().filter(|v| **v == WeakSame).count();
        assert!(wrong <= 5, "{periods:?}: {verdicts:?}");
    }
}

#[test]
fn heartbeats_are_unique_on_one_member_and_on_two() {
    let slow: Vec<_> = (0..100).map(|number| (0, number * 5_000)).collect();
    assert!(Place::verdicts(WEAK, &slow).iter().all(|v| *v == Unique));
    let slower: Vec<_> = (0..100)
        .map(|number| (number as u8 % 2, number * 1_000_000))
        .collect();
    assert!(Place::verdicts(WEAK, &slower).iter().all(|v| *v == Unique));
}

#[test]
fn another_frame_takes_the_place() {
    let (place, other) = (Slot::new(1, 0, 0, 100, 2), Slot::new(2, 0, 0, 100, 2));
    assert_ne!(place.tag(), other.tag());
    let mut taken = Place(place);
    assert_eq!(taken.see(STRONG, 0, 2, 101).verdict, Unique);
    assert_eq!(taken.see(STRONG, 0, 2, 102).verdict, StrongSame);
}

#[test]
fn the_clock_wraps() {
    let wraps_at = (1 << (TIME_BITS + 10)) / 1_000;
    let mut place = Place::default();
    assert_eq!(place.see(STRONG, 0, 0, wraps_at - 10).verdict, Unique);
    let finding = place.see(STRONG, 0, 0, wraps_at + 10);
    assert_eq!(
        (finding.verdict.value(), finding.delay / 10),
        (StrongSame, 1)
    );
}

#[test]
fn a_copy_that_another_cpu_has_just_put_there_is_found() {
    let fingerprint = Fingerprint {
        hash: HASH,
        evidence: Veiled::new(STRONG),
        note: 0,
    };
    let [ours, theirs] = [1, 2].map(|member| Sighting::new(&fingerprint, 5_000, member));
    let empty = Slot::default();
    let ((first, slot), (second, _)) = (ours.judge(empty), theirs.judge(empty));
    assert_eq!(
        (first.verdict.value(), second.verdict.value()),
        (Unique, Unique)
    );
    let raced = theirs.raced(slot).expect("ours");
    assert_eq!(
        (raced.verdict.value(), raced.original, raced.firsts),
        (StrongCross, 1, 1)
    );
    assert_eq!(theirs.raced(Slot(slot.0 ^ 1 << 63)), None);
}

#[test]
fn logarithms_of_distances() {
    let of = [0, 1, 2, 3, 4, 1023, 1024, (1 << 24) - 1].map(log2);
    assert_eq!(of, [0, 0, 1, 1, 2, 9, 10, 23]);
}

proptest! {
    /// Whatever comes, each field stays in its place.
    #[test]
    fn fields_do_not_spill(slot: u64, hash: u64, note in 0..16_u64, member in 0..32_u8, now: u64, evidence in 0..7_usize) {
        let fingerprint = Fingerprint { hash, evidence: Veiled::new(Evidence::ALL[evidence]), note };
        let sighting = Sighting::new(&fingerprint, now, member);
        let before = Slot(slot);
        // As if it were the same frame's.
        let before = Slot::new(sighting.tag, before.note(), before.matches(), before.time(), before.member());
        let (finding, next) = sighting.judge(before);
        prop_assert_eq!(next.tag(), sighting.tag);
        prop_assert!(next.member() == member || next.member() == before.member());
        prop_assert!(next.time() == sighting.now || next.time() == before.time());
        prop_assert!(finding.delay < 1 << TIME_BITS);
    }
}
