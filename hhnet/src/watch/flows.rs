// SPDX-License-Identifier: Apache-2.0
//! `hhnet flows --watch`.

use std::{ffi::OsString, io};

use super::{Between, Size, watch};
use crate::{cli::Flows, client::ask, xdp::report::FlowReport};

/// Shows the flows each second, with their rates. Returns the exit status.
///
/// # Errors
/// When the agent refuses, or the answer cannot be written.
pub fn run(args: &[OsString], flows: &Flows) -> io::Result<u8> {
    let between = if flows.json {
        Between::Nothing
    } else {
        Between::Blank
    };
    let (args, flows) = (args.to_vec(), flows.clone());
    let mut before: Option<FlowReport> = None;
    watch(between, move |size| {
        let report: Option<FlowReport> = ask(&args)?;
        if let (None, Some(report)) = (&before, &report) {
            check(report, &flows)?;
        }
        let text = page(report.clone(), before.as_ref(), &flows, size)?;
        before = report;
        Ok(text)
    })
}

/// A member that is not there at the beginning is a mistake; later it may come
/// and go.
fn check(report: &FlowReport, flows: &Flows) -> io::Result<()> {
    let is_there = |name: &str| report.members.iter().any(|member| member.name == name);
    match flows.members.iter().find(|name| !is_there(name.as_str())) {
        Some(name) => Err(io::Error::other(format!("nothing is counted on {name}"))),
        None => Ok(()),
    }
}

fn page(
    report: Option<FlowReport>,
    before: Option<&FlowReport>,
    flows: &Flows,
    size: Option<Size>,
) -> io::Result<String> {
    let nothing = report.is_none();
    let mut report = report.unwrap_or_default();
    if let Some(before) = before {
        report.compare(before);
    }
    report.shorten(flows.top.unwrap_or(usize::MAX));
    if flows.json {
        return Ok(serde_json::to_string(&report)? + "\n");
    }
    if nothing {
        return Ok("no agent is running: nothing is counted\n".to_owned());
    }
    Ok(report.live_text(size.map(|size| size.lines - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Verb, parse};

    fn flows(line: &str) -> Flows {
        match parse(line.split(' ').map(OsString::from)) {
            Ok(Verb::Flows(flows)) => flows,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pages_without_an_agent() {
        let text = page(None, None, &flows("flows --watch"), None).expect("a page");
        assert_eq!(text, "no agent is running: nothing is counted\n");
        let json = page(None, None, &flows("flows --watch --json"), None).expect("a page");
        assert_eq!(json.lines().count(), 1);
        let report: FlowReport = serde_json::from_str(&json).expect("JSON");
        assert_eq!(report, FlowReport::default());
    }

    #[test]
    fn a_member_must_be_there_at_first() {
        let asked = flows("flows --watch --member enp2s1 --member enp2s9");
        let mut report = FlowReport::default();
        report.members.push(Default::default());
        report.members[0].name = "enp2s1".into();
        let refused = check(&report, &asked).expect_err("enp2s9 is not there");
        assert_eq!(refused.to_string(), "nothing is counted on enp2s9");
        assert!(check(&report, &flows("flows --watch --member enp2s1")).is_ok());
    }
}
