// SPDX-License-Identifier: Apache-2.0
//! `hhnet dups --watch`.

use std::{ffi::OsString, io};

use super::{Between, watch};
use crate::{cli::Dups, client::ask, xdp::dups::DupReport};

/// Shows each second which frames came twice, and how many since the page before.
/// Returns the exit status.
///
/// # Errors
/// When the agent refuses, or the answer cannot be written.
pub fn run(args: &[OsString], dups: &Dups) -> io::Result<u8> {
    let between = if dups.json {
        Between::Nothing
    } else {
        Between::Blank
    };
    let (args, is_json) = (args.to_vec(), dups.json);
    let mut before = None;
    watch(between, move |_| {
        let report: Option<DupReport> = ask(&args)?;
        let copies = report.as_ref().map(|report| report.total.copies());
        let text = page(report, before, is_json)?;
        before = copies;
        Ok(text)
    })
}

fn page(report: Option<DupReport>, before: Option<u64>, is_json: bool) -> io::Result<String> {
    if is_json {
        return Ok(serde_json::to_string(&report.unwrap_or_default())? + "\n");
    }
    let Some(report) = report else {
        return Ok("no agent is running: nothing is compared\n".to_owned());
    };
    let text = report.text();
    Ok(match before {
        Some(before) => {
            let more = report.total.copies().saturating_sub(before);
            format!("{more} more duplicates since a second ago\n{text}")
        }
        None => text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_without_an_agent() {
        let text = page(None, None, false).expect("a page");
        assert_eq!(text, "no agent is running: nothing is compared\n");
        let json = page(None, None, true).expect("a page");
        assert_eq!(json.lines().count(), 1);
        let report: DupReport = serde_json::from_str(&json).expect("JSON");
        assert_eq!(report, DupReport::default());
    }

    #[test]
    fn a_page_says_how_many_are_new() {
        let mut report = DupReport::default();
        report.total.strong_same_member = 12;
        let text = page(Some(report), Some(5), false).expect("a page");
        assert!(
            text.starts_with("7 more duplicates since a second ago\n"),
            "{text}"
        );
    }
}
