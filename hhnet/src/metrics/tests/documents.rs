// SPDX-License-Identifier: Apache-2.0
//! Names: as conventions want them, documented, and none but these relied upon.

use std::collections::{BTreeMap, BTreeSet};

use crate::metrics::series::{Kind, Series, all};

const README: &str = include_str!("../../../../README.md");
const RULES: &str = include_str!("../../../../dist/prometheus/hhnet.rules.yml");
const DASHBOARD: &str = include_str!("../../../../dist/grafana/hhnet.json");

/// <https://prometheus.io/docs/practices/naming>
#[test]
fn names_follow_the_conventions() {
    for series in all() {
        let name = series.name;
        assert!(
            name.starts_with("hhnet_") || name.starts_with("process_"),
            "{name}"
        );
        for (suffix, kind) in [("_total", Kind::Counter), ("_info", Kind::Info)] {
            assert_eq!(name.ends_with(suffix), series.kind == kind, "{name}");
        }
        assert!(
            !series.help.ends_with('.') && !series.help.contains('\n'),
            "{name}"
        );
        for unit in ["milliseconds", "_ms", "_percent", "_bits", "_count", "_sum"] {
            assert!(!name.contains(unit), "{name}");
        }
    }
}

fn row(series: &Series) -> String {
    let labels = series.labels.join(", ");
    let help = series.help.replace('|', "\\|");
    format!(
        "| `{}` | {} | {labels} | {help} |",
        series.name, series.kind
    )
}

/// README has a row for each series, and no other.
#[test]
fn every_series_is_documented() {
    let is_row = |line: &&str| line.starts_with("| `hhnet_") || line.starts_with("| `process_");
    let documented: Vec<_> = README.lines().filter(is_row).collect();
    let rows: Vec<_> = all().map(row).collect();
    assert_eq!(
        documented,
        rows,
        "README needs these rows:\n{}",
        rows.join("\n")
    );
}

/// Names of ours in a text, and those that its recording rules make.
fn names(text: &str) -> BTreeSet<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = text.split(|c| !part(c));
    let ours = |word: &&str| {
        let series = word.starts_with("hhnet_") || word.starts_with("process_");
        series || word.contains(":hhnet_")
    };
    words.filter(ours).collect()
}

/// What alerts, records and dashboard ask for is there.
#[test]
fn rules_and_dashboard_name_only_what_there_is() {
    let recorded = RULES
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "));
    let recorded: BTreeSet<_> = recorded.collect();
    assert!(recorded.len() >= 4, "{recorded:?}");
    let known: BTreeSet<_> = all().map(|series| series.name).chain(recorded).collect();
    let expressions = |text: &str| {
        let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let mut found = Vec::new();
        gather(&value, &mut found);
        found
    };
    let asked = expressions(DASHBOARD);
    assert!(asked.len() >= 10, "{asked:?}");
    for text in asked.iter().map(String::as_str).chain([RULES]) {
        let unknown: Vec<_> = names(text).difference(&known).copied().collect();
        assert_eq!(unknown, [""; 0], "{text}");
    }
}

/// Every expression of a dashboard, also those of its variables.
fn gather(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    serde_json::Value::String(text)
                        if ["expr", "query", "definition"].contains(&key.as_str()) =>
                    {
                        into.push(text.clone());
                    }
                    value => gather(value, into),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| gather(value, into)),
        _ => {}
    }
}

/// Labels in expressions are those the series have.
#[test]
fn rules_and_dashboard_select_by_labels_there_are() {
    let labels: BTreeMap<_, BTreeSet<_>> = all()
        .map(|series| (series.name, series.labels.iter().copied().collect()))
        .collect();
    for text in [RULES, &DASHBOARD.replace("\\\"", "\"")] {
        for (name, known) in &labels {
            for (at, _) in text.match_indices(&format!("{name}{{")) {
                let selector = &text[at + name.len() + 1..];
                let selector = selector.split('}').next().unwrap_or_default();
                // Values have no commas in them.
                for matcher in selector.split(',').filter(|matcher| !matcher.is_empty()) {
                    let label = matcher.split(['=', '!']).next().unwrap_or_default().trim();
                    let general = ["instance", "job"].contains(&label);
                    assert!(general || known.contains(label), "{name} has no {label}");
                }
            }
        }
    }
}
