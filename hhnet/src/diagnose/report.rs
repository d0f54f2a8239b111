// SPDX-License-Identifier: Apache-2.0
//! Findings as they are printed.

use serde::{Deserialize, Serialize};

use super::{Facts, Finding, Severity, findings};

/// Version of the JSON: raised when a field goes or changes its meaning.
const SCHEMA: u32 = 1;

/// What `hhnet diagnose` says, and with `--json` prints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Version of this JSON.
    pub schema: u32,
    /// Whether nothing is wrong; warnings do not count.
    pub healthy: bool,
    /// What is wrong, the most likely cause first.
    pub findings: Vec<Finding>,
    /// What that is known from.
    pub facts: Facts,
}

impl Diagnosis {
    /// That of these facts.
    pub fn of(facts: Facts) -> Diagnosis {
        let findings = findings(&facts);
        let mut severities = findings.iter().map(|finding| finding.severity);
        Diagnosis {
            schema: SCHEMA,
            healthy: severities.all(|severity| severity == Severity::Warning),
            findings,
            facts,
        }
    }

    /// For a person: a sentence and what to do, for each.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for Finding {
            severity,
            sentence,
            next_step,
            ..
        } in &self.findings
        {
            let head = match severity {
                Severity::Wrong => "",
                Severity::Warning => "warning: ",
            };
            text += &format!("{head}{sentence}.\n  Next: {next_step}.\n");
        }
        if self.findings.is_empty() {
            text += "Nothing is wrong.\n";
        }
        text
    }

    /// The exit status.
    pub fn status(&self) -> u8 {
        u8::from(!self.healthy)
    }
}

/// Other causes that are told when there is no address; more would bury the first.
const OTHERS: usize = 2;

/// Why an interface has got no address, in lines for stderr: the most likely
/// cause, what to do, what else is wrong. `counts` is what DHCP has seen.
pub fn failure(interface: &str, counts: &str, found: &[Finding]) -> Vec<String> {
    let mut wrong = found.iter().filter(|f| f.severity == Severity::Wrong);
    let Some(first) = wrong.next() else {
        return vec![format!(
            "Failed to get IP address for {interface}: {counts}"
        )];
    };
    let mut lines = vec![
        format!(
            "Failed to get IP address for {interface}: {}.",
            first.sentence
        ),
        format!("  Next: {}.", first.next_step),
    ];
    let others = wrong.take(OTHERS);
    lines.extend(others.map(|other| format!("  Also: {}.", other.sentence)));
    lines.push(format!("  {counts}"));
    lines
}
