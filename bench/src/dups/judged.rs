// SPDX-License-Identifier: Apache-2.0
//! What came out for one trace.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use hhnet_ebpf::duplicate::Verdict;
use hhnet_ebpf::veil::Numbered as _;

use crate::detector::program::{cross, is_strong};
use crate::score::Score;
use crate::trace::{Class, Mix, Plan, Trace};

/// Lines of the table of mistakes.
const MISTAKES: usize = 8;

/// All detectors on one trace.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) plan: Plan,
    /// Everything that the program counts as a copy.
    pub(super) all: Score,
    /// What it is certain of.
    pub(super) strong: Score,
    /// By name.
    pub(super) rivals: Vec<(String, Score)>,
    /// Frames by what the program said of them.
    verdicts: [usize; Verdict::COUNT],
    /// Of the copies that were found, those that were said to be on the right member.
    right_member: usize,
    mistakes: BTreeMap<Class, Mistakes>,
}

/// About one sort of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Mistakes {
    false_alarms: usize,
    missed: usize,
}

impl Judged {
    /// The program's part.
    pub(super) fn new(plan: Plan, trace: &Trace, verdicts: &[Verdict]) -> Self {
        let mut judged = Self {
            plan,
            all: Score::of(trace, |index| cross(verdicts[index]).is_some()),
            strong: Score::of(trace, |index| is_strong(verdicts[index])),
            rivals: Vec::new(),
            verdicts: [0; Verdict::COUNT],
            right_member: 0,
            mistakes: BTreeMap::new(),
        };
        for (frame, verdict) in trace.frames.iter().zip(verdicts) {
            judged.verdicts[*verdict as usize] += 1;
            let mistakes = judged.mistakes.entry(frame.class).or_default();
            match (trace.is_cross(frame), cross(*verdict)) {
                (Some(truth), Some(cross)) => judged.right_member += usize::from(truth == cross),
                (Some(_), None) => mistakes.missed += 1,
                (None, Some(_)) => mistakes.false_alarms += 1,
                (None, None) => (),
            }
        }
        judged
            .mistakes
            .retain(|_, mistakes| *mistakes != Mistakes::default());
        judged
    }

    /// F1, divided by the best of all rivals whose name begins like that.
    pub(super) fn over(&self, rivals: &str) -> f64 {
        let wanted = self
            .rivals
            .iter()
            .filter(|(name, _)| name.starts_with(rivals));
        let best = wanted.map(|(_, score)| score.f1()).fold(0.0, f64::max);
        self.all.f1() / best
    }
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Plan {
            frames,
            rate,
            copies,
            mix,
            ..
        } = self.plan;
        let mix = match mix {
            Mix::Typical => "typical",
            Mix::Hostile => "hostile",
        };
        let copies = copies * 100.0;
        writeln!(
            f,
            "### {mix}, {frames} frames at {rate}/s, {copies} % copied\n"
        )?;
        writeln!(
            f,
            "| detector | precision | recall | F1 | false alarms | missed |"
        )?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        row(f, "hhnet", &self.all)?;
        row(f, "hhnet, strong alone", &self.strong)?;
        for (name, score) in &self.rivals {
            row(f, name, score)?;
        }
        writeln!(f)?;
        self.verdicts(f)?;
        self.mistakes(f)
    }
}

impl Judged {
    fn verdicts(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.all.found;
        let share = self.right_member as f64 / found as f64 * 100.0;
        write!(
            f,
            "Same or other member is right for {share:.2} % of {found} copies. Verdicts:"
        )?;
        for (verdict, count) in Verdict::ALL.iter().zip(self.verdicts) {
            if count > 0 {
                write!(f, " {count} {verdict:?},")?;
            }
        }
        writeln!(f, " of {} frames.\n", self.verdicts.iter().sum::<usize>())
    }

    /// The sorts of traffic with the most of them.
    fn mistakes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut mistakes: Vec<_> = self.mistakes.iter().collect();
        mistakes.sort_by_key(|(_, mistakes)| Reverse(**mistakes));
        let (alarms, missed): (Vec<_>, Vec<_>) = mistakes
            .iter()
            .partition(|(_, mistakes)| mistakes.false_alarms > 0);
        writeln!(f, "| hhnet is wrong about | false alarms | missed |")?;
        writeln!(f, "|---|---|---|")?;
        let lines = alarms.iter().take(MISTAKES);
        for (class, mistakes) in lines.chain(missed.iter().take(MISTAKES)) {
            let Mistakes {
                false_alarms,
                missed,
            } = mistakes;
            writeln!(f, "| {class} | {false_alarms} | {missed} |")?;
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, score: &Score) -> fmt::Result {
    let Score {
        missed,
        false_alarms,
        ..
    } = score;
    writeln!(
        f,
        "| {name} | {:.4} | {:.4} | {:.4} | {false_alarms} | {missed} |",
        score.precision(),
        score.recall(),
        score.f1()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> (Plan, Trace) {
        let plan = Plan {
            frames: 3000,
            rate: 20e3,
            copies: 0.1,
            mix: Mix::Typical,
            seed: 1,
        };
        (plan, plan.generate())
    }

    /// What a program would say that knows the truth.
    fn truth(trace: &Trace) -> Vec<Verdict> {
        let verdict = |frame| match trace.is_cross(frame) {
            None => Verdict::Unique,
            Some(false) => Verdict::StrongSame,
            Some(true) => Verdict::WeakCross,
        };
        trace.frames.iter().map(verdict).collect()
    }

    #[test]
    fn a_program_that_is_always_right() {
        let (plan, trace) = trace();
        let mut judged = Judged::new(plan, &trace, &truth(&trace));
        assert_eq!((judged.all.f1(), judged.strong.precision()), (1.0, 1.0));
        assert!(judged.strong.recall() < 0.6);
        assert_eq!(judged.right_member, judged.all.found);
        assert!(judged.mistakes.is_empty());
        let half = Score {
            found: 1,
            missed: 1,
            false_alarms: 1,
        };
        judged.rivals = vec![
            ("other".to_owned(), judged.all),
            ("peer -x".to_owned(), half),
        ];
        assert_eq!(judged.over("peer"), 2.0);
        let text = judged.to_string();
        assert!(
            text.contains("| peer -x | 0.5000 | 0.5000 | 0.5000 | 1 | 1 |"),
            "{text}"
        );
        assert!(text.contains("100.00 % of"), "{text}");
    }

    #[test]
    fn mistakes_are_told_by_traffic() {
        let (plan, trace) = trace();
        let mut verdicts = truth(&trace);
        let heart = trace
            .frames
            .iter()
            .position(|frame| frame.class == Class::Heartbeat);
        verdicts[heart.expect("in every trace")] = Verdict::WeakSame;
        let copy = trace
            .frames
            .iter()
            .position(|frame| trace.is_cross(frame) == Some(true));
        let copy = copy.expect("in every trace");
        verdicts[copy] = Verdict::StrongSame;
        let judged = Judged::new(plan, &trace, &verdicts);
        assert_eq!((judged.all.false_alarms, judged.all.missed), (1, 0));
        assert_eq!(judged.mistakes[&Class::Heartbeat].false_alarms, 1);
        assert_eq!(judged.all.found - judged.right_member, 1);
        verdicts[copy] = Verdict::Repetitive;
        let judged = Judged::new(plan, &trace, &verdicts);
        assert_eq!(judged.all.missed, 1);
        assert_eq!(judged.mistakes[&trace.frames[copy].class].missed, 1);
        assert!(judged.to_string().contains("| heartbeat | 1 | 0 |"));
    }
}
