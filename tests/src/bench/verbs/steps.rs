// SPDX-License-Identifier: Apache-2.0
//! What a command has done meanwhile: the steps of hhnet from its log, those of the
//! script from its stderr.

use super::super::report::Samples;

/// A step, and how many milliseconds it took.
pub(super) type Step = (String, f64);

/// `step NAME N ms`, a line each.
pub(super) fn of_script(stderr: &str) -> Vec<Step> {
    let told = stderr.lines().filter_map(|line| line.strip_prefix("step "));
    told.filter_map(step).collect()
}

/// From hhnet's log: what came before the command was heard, the steps that it tells,
/// and what came after them. `began` and `ended` are seconds of the day.
pub(super) fn of_hhnet(log: &str, began: f64, ended: f64) -> Vec<Step> {
    let heard = log.lines().rev().find(|line| line.contains(" command: "));
    let told = log.lines().rev().find(|line| line.ends_with(" ms"));
    let (Some(heard), Some((_, told))) = (
        heard.and_then(time_of_day),
        told.and_then(|line| line.rsplit_once(": ")),
    ) else {
        return Vec::new();
    };
    let inner: Vec<Step> = told.split(", ").filter_map(step).collect();
    let sum: f64 = inner.iter().map(|(_, time)| time).sum();
    let before = (heard - began) * 1000.0;
    let after = (ended - began) * 1000.0 - before - sum;
    let mut all = vec![("until heard".to_owned(), before)];
    all.extend(inner);
    all.push(("until returned".to_owned(), after));
    all
}

/// `NAME N ms`
fn step(text: &str) -> Option<Step> {
    let (name, time) = text.strip_suffix(" ms")?.rsplit_once(' ')?;
    Some((name.to_owned(), time.parse().ok()?))
}

/// Seconds since midnight, of a line that begins with `YYYY-MM-DDTHH:MM:SS.ffffffZ`.
fn time_of_day(line: &str) -> Option<f64> {
    let (_, time) = line.split_once('Z')?.0.split_once('T')?;
    let mut parts = time.split(':').map(str::parse::<f64>);
    let mut next = || parts.next()?.ok();
    Some(next()? * 3600.0 + next()? * 60.0 + next()?)
}

/// The medians of all steps, in their order, with their shares of the whole.
pub(super) fn shares(runs: &[Vec<Step>]) -> String {
    let Some(first) = runs.first() else {
        return String::new();
    };
    let median = |name: &str| {
        let of = |run: &Vec<Step>| run.iter().find(|(step, _)| step == name).map(|s| s.1);
        Samples::of(runs, of).median()
    };
    let medians: Vec<Step> = first
        .iter()
        .map(|(name, _)| (name.clone(), median(name)))
        .collect();
    let sum: f64 = medians.iter().map(|(_, time)| time).sum();
    let told = medians
        .iter()
        .map(|(name, time)| format!("{name} {time:.0} ms ({:.0} %)", time / sum * 100.0));
    told.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_a_script() {
        let steps = of_script("step links 120 ms\nwarning\nstep a b 3 ms\n");
        assert_eq!(steps, [("links".into(), 120.0), ("a b".into(), 3.0)]);
    }

    #[test]
    fn the_steps_of_hhnet_fill_the_whole_time() {
        let log = "2026-01-01T00:00:09.000000Z  INFO command: [\"old\"]\n\
                   2026-01-01T00:00:10.100000Z  INFO command: [\"vlan\"]\n\
                   2026-01-01T00:00:10.400000Z  INFO a.1: 10.0.1.10/24: links 200 ms, lease 50 ms\n\
                   2026-01-01T00:00:11.000000Z  INFO agent leaves\n";
        let steps = of_hhnet(log, 10.0, 10.5);
        let names: Vec<_> = steps.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["until heard", "links", "lease", "until returned"]);
        let sum: f64 = steps.iter().map(|(_, time)| time).sum();
        assert!((sum - 500.0).abs() < 0.01, "{steps:?}");
        assert!((steps[0].1 - 100.0).abs() < 0.01, "{steps:?}");
    }

    #[test]
    fn shares_are_of_the_sum() {
        let runs = [100.0, 300.0, 200.0].map(|time| vec![("a".into(), time), ("b".into(), 600.0)]);
        assert_eq!(shares(&runs), "a 200 ms (25 %), b 600 ms (75 %)");
    }
}
