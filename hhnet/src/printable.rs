// SPDX-License-Identifier: Apache-2.0
//! Text that cannot do anything to who reads it: no cursor is moved, no line is made up,
//! nothing is shown in another order than it was written.
//!
//! Names of a server are checked where they come in ([`crate::dhcp::names`]). Names of
//! links and processes, and what other programs say, may be anything; they pass here on
//! their way to a terminal, the log, and who reads metrics.

use std::borrow::Cow;

/// What is written as it is although it is a control character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Nothing,
    Lines,
    LinesAndColours,
}

/// A page: line breaks and tabulators stay.
pub fn page(text: &str) -> Cow<'_, str> {
    escaped(text, Allowed::Lines)
}

/// A page of our own that may have colours (SGR, ECMA-48, section 8.3.117).
pub fn coloured(text: &str) -> Cow<'_, str> {
    escaped(text, Allowed::LinesAndColours)
}

/// A line, whatever is in it.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, Allowed::Nothing)
}

fn escaped(text: &str, allowed: Allowed) -> Cow<'_, str> {
    if !text.contains(is_harmful) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(at) = rest.find(is_harmful) {
        let (before, harmful) = rest.split_at(at);
        let (kept, after) = harmful.split_at(allowed_length(harmful, allowed));
        safe.extend([before, kept]);
        rest = after;
        if kept.is_empty() {
            let mut chars = rest.chars();
            chars.next().into_iter().for_each(|c| escape(c, &mut safe));
            rest = chars.as_str();
        }
    }
    (safe + rest).into()
}

/// Controls (C0, DEL, C1), and what changes the order of what is shown or breaks lines
/// without being one (UAX #9, section 2; UAX #14).
fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// How many bytes at the beginning are harmless all the same.
fn allowed_length(text: &str, allowed: Allowed) -> usize {
    let is_colour = || {
        let parameters = text.strip_prefix("\x1b[")?;
        let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
        parameters[end..].starts_with('m').then_some(2 + end + 1)
    };
    match (text.as_bytes().first(), allowed) {
        (Some(b'\n' | b'\t'), Allowed::Lines | Allowed::LinesAndColours) => 1,
        (Some(0x1b), Allowed::LinesAndColours) => is_colour().unwrap_or(0),
        _ => 0,
    }
}

/// As JSON has it (RFC 8259, section 7), so that what is JSON stays so and says the
/// same. None of them is beyond the basic plane.
fn escape(c: char, into: &mut String) {
    *into += &format!("\\u{:04x}", u32::from(c));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_harmless_is_not_touched() {
        for text in ["", "10.0.1.10/24\n", "a\tb\n\n", "ß → 日本", "\\u001b"] {
            assert_eq!(page(text), text);
            assert_eq!(coloured(text), text);
        }
        assert!(matches!(line("10.0.1.10/24"), Cow::Borrowed(_)));
    }

    #[test]
    fn nothing_moves_the_cursor_or_the_words() {
        for (text, safe) in [
            ("\x1b[2J", "\\u001b[2J"),
            ("a\rb", "a\\u000db"),
            ("a\0\x07\x7fb", "a\\u0000\\u0007\\u007fb"),
            ("\u{9b}2J\u{85}", "\\u009b2J\\u0085"),
            ("\u{202e}x\u{2066}", "\\u202ex\\u2066"),
            (
                "\u{200f}\u{61c}\u{2028}\u{feff}",
                "\\u200f\\u061c\\u2028\\ufeff",
            ),
        ] {
            assert_eq!(page(text), safe);
            assert_eq!(line(text), safe);
            assert_eq!(coloured(text), safe);
        }
    }

    #[test]
    fn a_line_is_one_line() {
        assert_eq!(line("one\ntwo\t\r\n"), "one\\u000atwo\\u0009\\u000d\\u000a");
        assert_eq!(page("one\ntwo\t\r\n"), "one\ntwo\t\\u000d\n");
    }

    #[test]
    fn colours_are_for_pages_of_our_own() {
        let text = "\x1b[1;31mdown\x1b[0m\x1b[m \x1b[2J\x1b[31\x1b]0;title\x07\n";
        let safe = "\x1b[1;31mdown\x1b[0m\x1b[m \\u001b[2J\\u001b[31\\u001b]0;title\\u0007\n";
        assert_eq!(coloured(text), safe);
        assert!(!page(text).contains('\x1b'));
    }

    #[test]
    fn json_says_the_same() {
        let odd = "en\u{202e}p\x1b\u{9b}\x7f\u{2028}".to_owned();
        let json = serde_json::to_string(&odd).expect("a string");
        let safe = page(&json);
        assert_ne!(safe, json);
        let read: String = serde_json::from_str(&safe).expect("still JSON");
        assert_eq!(read, odd);
    }
}
