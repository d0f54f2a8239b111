// SPDX-License-Identifier: Apache-2.0
//! Sent flows and the policy of their bond.

use super::{Expected, Flow, Verdict, flow_row};

/// How many flows are where the policy would put them, and which are not.
pub(super) fn obedience(verdict: &Verdict) -> String {
    let Verdict {
        bond,
        policy,
        as_expected,
        elsewhere,
        unknown,
        ..
    } = verdict;
    let compared = as_expected + elsewhere;
    let mut text = String::new();
    if compared > 0 {
        text += &format!(
            "{bond}, sent: {as_expected} of {compared} flows are on the member that {policy} chooses"
        );
        if *unknown > 0 {
            text += &format!("; of {unknown} more that is not known");
        }
        text.push('\n');
    }
    for flow in &verdict.examples {
        text += &misplaced(flow);
    }
    let left_out = elsewhere - verdict.examples.len();
    if left_out > 0 {
        text += &format!("  and {left_out} more\n");
    }
    text
}

fn misplaced(flow: &Flow) -> String {
    let chosen = match &flow.expected {
        Some(Expected::Member(member)) => member,
        Some(Expected::Unknown) | None => return String::new(),
    };
    let [member, _, vlan, protocol, source, destination, .., info] = flow_row(flow);
    let vlan = flow
        .vlan
        .map_or_else(String::new, |_| format!("VLAN {vlan} "));
    let info = if info.is_empty() {
        info
    } else {
        format!(" ({info})")
    };
    format!("  {member} instead of {chosen}: {vlan}{protocol} {source} > {destination}{info}\n")
}
