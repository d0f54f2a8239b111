// SPDX-License-Identifier: Apache-2.0
//! Many commands at once, and whether what came of them can have come of the same
//! commands one after the other.
//!
//! Nobody knows in which order the agent took them. But a command has its effect at some
//! moment between its beginning and its end, so of two commands that did not overlap the
//! order is known, and that suffices to find out most of what cannot be.

use std::collections::BTreeMap;
use std::time::Instant;

/// What a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Makes a thing, of which there can be one: `bond0.1001`.
    Makes(&'static str),
    /// Takes all things away.
    Cleans,
    /// Changes nothing.
    Looks,
}

/// A command that is over.
#[derive(Clone, Debug)]
pub struct Call {
    /// What it was.
    pub line: String,
    /// What it was for.
    pub purpose: Purpose,
    /// When it was given.
    pub began: Instant,
    /// When it had ended.
    pub ended: Instant,
    /// Its answer, if it succeeded.
    pub answer: Option<String>,
}

impl Call {
    fn makes(&self, thing: &str) -> bool {
        matches!(self.purpose, Purpose::Makes(made) if made == thing) && self.answer.is_some()
    }
}

/// What cannot have come of any order of these commands, as sentences; `there` are the
/// things at the end, with what their makers should have answered.
pub fn contradictions(calls: &[Call], there: &BTreeMap<&'static str, String>) -> Vec<String> {
    let mut things: Vec<_> = calls
        .iter()
        .filter_map(|call| match call.purpose {
            Purpose::Makes(thing) => Some(thing),
            Purpose::Cleans | Purpose::Looks => None,
        })
        .chain(there.keys().copied())
        .collect();
    things.sort_unstable();
    things.dedup();
    let of = |thing| about(thing, calls, there.get(thing));
    things.into_iter().flat_map(of).collect()
}

fn about(thing: &'static str, calls: &[Call], there: Option<&String>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut makers: Vec<_> = calls.iter().filter(|call| call.makes(thing)).collect();
    makers.sort_by_key(|call| call.ended);
    for (first, second) in pairs(&makers) {
        // Between the two somebody must have taken it away.
        if !may_be_cleaned(calls, first.began, second.ended) {
            let (one, other) = (&first.line, &second.line);
            wrong.push(format!("{thing}: made twice, by {one} and {other}"));
        }
    }
    match there {
        Some(answer) => {
            let may_be_last = |maker: &&&Call| {
                let cleaned =
                    |call: &Call| call.purpose == Purpose::Cleans && call.began > maker.ended;
                maker.answer.as_ref() == Some(answer) && !calls.iter().any(cleaned)
            };
            if !makers.iter().any(|maker| may_be_last(&maker)) {
                wrong.push(format!(
                    "{thing}: there is {answer}, which nobody has left there"
                ));
            }
        }
        None => {
            let lasting = |maker: &&&Call| {
                let cleaned =
                    |call: &Call| call.purpose == Purpose::Cleans && call.ended > maker.began;
                !calls.iter().any(cleaned)
            };
            if let Some(maker) = makers.iter().find(lasting) {
                wrong.push(format!(
                    "{thing}: {} has made it, and it is gone",
                    maker.line
                ));
            }
        }
    }
    wrong
}

/// Each of them with the next one.
fn pairs<'a>(makers: &'a [&'a Call]) -> impl Iterator<Item = (&'a Call, &'a Call)> {
    makers.windows(2).map(|two| (two[0], two[1]))
}

/// Whether a cleanup may have had its effect in this time.
fn may_be_cleaned(calls: &[Call], from: Instant, to: Instant) -> bool {
    calls
        .iter()
        .any(|call| call.purpose == Purpose::Cleans && call.ended > from && call.began < to)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const BOND: Purpose = Purpose::Makes("bond0");

    /// Calls in whole seconds: what for, from, to, and whether it succeeded.
    fn calls(told: &[(Purpose, u64, u64, bool)]) -> Vec<Call> {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        told.iter()
            .map(|(purpose, began, ended, good)| Call {
                line: format!("{purpose:?} at {began}"),
                purpose: purpose.clone(),
                began: at(*began),
                ended: at(*ended),
                answer: good.then(|| "10.0.1.10/24".to_owned()),
            })
            .collect()
    }

    fn found(told: &[(Purpose, u64, u64, bool)], is_there: bool) -> Vec<String> {
        let answer = "10.0.1.10/24".to_owned();
        let there = is_there.then_some(("bond0", answer));
        contradictions(&calls(told), &there.into_iter().collect())
    }

    #[test]
    fn what_can_be() {
        let clean = |began, ended| (Purpose::Cleans, began, ended, true);
        let made = |began, ended| (BOND, began, ended, true);
        assert_eq!(found(&[], false), [""; 0]);
        assert_eq!(found(&[made(1, 2), (BOND, 1, 2, false)], true), [""; 0]);
        assert_eq!(found(&[made(1, 2), clean(3, 4)], false), [""; 0]);
        // At once: either order.
        assert_eq!(found(&[made(1, 3), clean(2, 4)], true), [""; 0]);
        assert_eq!(found(&[made(1, 3), clean(2, 4)], false), [""; 0]);
        assert_eq!(found(&[made(1, 2), clean(3, 4), made(5, 6)], true), [""; 0]);
    }

    #[test]
    fn what_cannot_be() {
        let clean = |began, ended| (Purpose::Cleans, began, ended, true);
        let made = |began, ended| (BOND, began, ended, true);
        let cases: [(&str, &[_], bool); 6] = [
            ("made twice", &[made(1, 2), made(1, 3)], true),
            ("made twice", &[made(1, 2), made(3, 4), clean(5, 6)], false),
            ("nobody has left", &[made(1, 2), clean(3, 4)], true),
            ("nobody has left", &[(BOND, 1, 2, false)], true),
            ("it is gone", &[made(1, 2)], false),
            ("it is gone", &[clean(1, 2), made(3, 4)], false),
        ];
        for (words, told, is_there) in cases {
            let said = found(told, is_there);
            assert!(
                matches!(&said[..], [one] if one.contains(words)),
                "{said:?}"
            );
        }
    }

    #[test]
    fn another_answer_than_what_is_there() {
        let there = [("bond0", "10.0.1.11/24".to_owned())].into();
        let said = contradictions(&calls(&[(BOND, 1, 2, true)]), &there);
        assert!(said[0].contains("there is 10.0.1.11/24"), "{said:?}");
    }
}
