// SPDX-License-Identifier: Apache-2.0
//! Why something with eBPF did not work, in one line.

use std::error::Error;

/// A step and the reason it failed, down to the kernel's errno.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{step}: {reason}")]
pub struct XdpError {
    step: String,
    reason: String,
}

impl XdpError {
    pub(super) fn new(step: impl Into<String>, error: &(dyn Error + 'static)) -> Self {
        Self {
            step: step.into(),
            reason: chain(error),
        }
    }

    pub(super) fn because(step: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            step: step.into(),
            reason: reason.into(),
        }
    }

    pub(super) fn missing(what: &str, name: &str) -> Self {
        Self::because("reading the eBPF object", format!("no {what} {name} in it"))
    }

    /// What went wrong, without the step.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// The first line of an error and its sources; some of aya's errors quote their
/// source, some do not, and a refused program carries the verifier's log.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let message = error.to_string();
        let message = message
            .split(". Verifier output:")
            .next()
            .unwrap_or_default();
        let line = message.lines().next().unwrap_or_default();
        if text.is_empty() {
            text = line.into();
        } else if !text.contains(line) {
            text = format!("{text}: {line}");
        }
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error("call failed")]
        Silent(#[source] io::Error),
        #[error("call returned {0}. Verifier output: 0: R1=ctx()\n1: exit")]
        Quoting(#[source] io::Error),
    }

    #[test]
    fn names_step_and_errno_once_and_leaves_the_verifier_log_out() {
        let eperm = || io::Error::from_raw_os_error(1);
        let silent = XdpError::new("loading x", &Outer::Silent(eperm()));
        let expected = "loading x: call failed: Operation not permitted (os error 1)";
        assert_eq!(silent.to_string(), expected);
        let quoting = XdpError::new("loading x", &Outer::Quoting(eperm()));
        let expected = "loading x: call returned Operation not permitted (os error 1)";
        assert_eq!(quoting.to_string(), expected);
    }
}
