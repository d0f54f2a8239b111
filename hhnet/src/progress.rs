// SPDX-License-Identifier: Apache-2.0
//! How far a command is, for a person in front of a terminal.
//!
//! A line for each thing that has happened, with the time since the command was
//! given. Lines are never rewritten: they survive scrolling and can be copied.

use std::time::Duration;

use crate::printable;

/// A line of progress. Whatever the agent has sent, it is one line and moves no
/// cursor.
pub fn line(elapsed: Duration, text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let text = printable::line(&text);
    format!("{:>7.2} s  {text}\n", elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_and_no_control_characters() {
        let after = Duration::from_millis(2514);
        assert_eq!(
            line(after, b"enp2s1: link up"),
            "   2.51 s  enp2s1: link up\n"
        );
        assert_eq!(
            line(after, b"\x1b[2Ja\nb\xff"),
            "   2.51 s  \\u001b[2Ja\\u000ab\u{fffd}\n"
        );
    }
}
