// SPDX-License-Identifier: Apache-2.0
//! The declarative file: command lines that the agent of the service asks
//! itself, one a line, in their order.
//!
//! ```text
//! # Comments, also behind a command.
//! bond 1001 layer2+3 enp2s1 enp2s2 --mtu=9036
//! vlan 1002 bond0
//! ```
//! The grammar is that of the command line. There is no quoting, as nothing it
//! takes has blanks in it.

use std::{ffi::OsString, fmt};

use crate::cli::{self, BOND, Refusal, Verb};

/// Where it is, unless the command line says otherwise.
pub const FILE: &str = "/etc/hhnet.conf";

/// What may stand in it: everything that gives an interface its address.
const VERBS: [&str; 4] = ["bond", "vlan", "dhcp", "p2p"];

/// A line that asks for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counted from one.
    pub number: usize,
    /// As it was written, without what is not part of the command.
    pub text: String,
    /// What it asks for.
    pub verb: Verb,
}

/// A line that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Counted from one.
    pub number: usize,
    /// Why.
    pub reason: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.number, self.text)
    }
}

/// Reads the whole file.
///
/// # Errors
/// With every line that is wrong, not only the first.
pub fn parse(text: &str) -> Result<Vec<Line>, Vec<Fault>> {
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    for (number, text) in (1..).zip(text.lines()) {
        match parse_line(text, &lines) {
            Ok(Some((text, verb))) => lines.push(Line { number, text, verb }),
            Ok(None) => {}
            Err(reason) => faults.push(Fault { number, reason }),
        }
    }
    if faults.is_empty() {
        Ok(lines)
    } else {
        Err(faults)
    }
}

fn parse_line(text: &str, above: &[Line]) -> Result<Option<(String, Verb)>, String> {
    let words = text.split_whitespace();
    let words: Vec<&str> = words.take_while(|word| !word.starts_with('#')).collect();
    let Some(verb) = words.first() else {
        return Ok(None);
    };
    if !VERBS.contains(verb) {
        let allowed = VERBS.join(", ");
        return Err(format!("{verb} cannot stand here, only {allowed}"));
    }
    let verb = cli::parse(words.iter().map(OsString::from)).map_err(reason)?;
    match above.iter().find_map(|line| clash(line, &verb)) {
        Some(reason) => Err(reason),
        None => Ok(Some((words.join(" "), verb))),
    }
}

/// One line of what clap and we have to say.
fn reason(refusal: Refusal) -> String {
    let (Refusal::Usage(text) | Refusal::Version(text)) = refusal;
    let usage = text.lines().find(|line| line.starts_with("Usage: "));
    let line = usage.or(text.lines().next()).unwrap_or_default();
    line.trim_start_matches("Error: ").to_owned()
}

/// Why a verb cannot stand below a line: both would make the same thing.
fn clash(line: &Line, verb: &Verb) -> Option<String> {
    let number = line.number;
    if let (Verb::Bond(_), Verb::Bond(bond)) = (&line.verb, verb) {
        let vlan = bond.vlan;
        return Some(format!(
            "line {number} makes {BOND} already; for one more VLAN on it: vlan {vlan} {BOND}"
        ));
    }
    let interface = verb.interface()?;
    let same = line.verb.interface()? == interface;
    same.then(|| format!("{interface} gets its address by line {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<(usize, String)> {
        let faults = parse(text).expect_err("faults").into_iter();
        faults.map(|fault| (fault.number, fault.reason)).collect()
    }

    #[test]
    fn lines_are_command_lines() {
        let text = "# a server\n\n  bond 1001 layer2+3 enp2s1 enp2s2 --mtu=9036 # two leaves\n\
                    vlan 1002 bond0\t--timeout=20\n#vlan 1003 bond0\r\np2p enp2s3 10.0.1.0/31 10.0.1.1\r\n\
                    dhcp enp2s4";
        let lines = parse(text).expect("all are right");
        let shown: Vec<String> = lines.iter().map(Line::to_string).collect();
        assert_eq!(
            shown,
            [
                "line 3: bond 1001 layer2+3 enp2s1 enp2s2 --mtu=9036",
                "line 4: vlan 1002 bond0 --timeout=20",
                "line 6: p2p enp2s3 10.0.1.0/31 10.0.1.1",
                "line 7: dhcp enp2s4",
            ]
        );
        for line in &lines {
            let args = line.text.split_whitespace().map(OsString::from);
            assert_eq!(cli::parse(args).as_ref(), Ok(&line.verb));
        }
        let interfaces: Vec<_> = lines.iter().map(|line| line.verb.interface()).collect();
        let expected = ["bond0.1001", "bond0.1002", "enp2s3", "enp2s4"];
        assert_eq!(interfaces, expected.map(|name| Some(name.to_owned())));
    }

    #[test]
    fn nothing_is_asked_by_nothing() {
        for text in ["", "\n\n", "# bond 1001", "   \t # \n"] {
            assert_eq!(parse(text), Ok(Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn every_bad_line_is_named_with_its_reason() {
        let text = "vlan 4095 enp2s1\ncleanup\nvlan 1001 enp2s2\nhhnet dhcp enp2s1\nbond 1001 layer2\n\
                    dhcp\ndhcp --help\nvlan 1001 enp2s1 --json\np2p enp2s1 10.0.1.0/31 10.0.1.0\n\
                    agent --foreground\n\"dhcp\" enp2s3";
        let found = faults(text);
        for ((number, reason), (expected, words)) in found.iter().zip([
            (1, "1 to 4094"),
            (2, "cleanup cannot stand here, only bond, vlan, dhcp, p2p"),
            (4, "hhnet cannot stand here"),
            (5, "Usage: hhnet bond <vlan> <policy> <iface>... [--mtu=N]"),
            (6, "Usage: hhnet dhcp <iface> [--mtu=N]"),
            (7, "Usage: hhnet dhcp <iface> [--mtu=N]"),
            (8, "--json"),
            (9, "both ends have the address 10.0.1.0"),
            (10, "agent cannot stand here"),
            (11, "\"dhcp\" cannot stand here"),
        ]) {
            assert_eq!(*number, expected, "{found:?}");
            assert!(reason.contains(words), "{reason}: {words}");
            assert_eq!(reason.lines().count(), 1, "{reason}");
        }
        assert_eq!(found.len(), 10);
    }

    #[test]
    fn two_lines_do_not_make_the_same() {
        let text = "bond 1001 layer2 enp2s1\nbond 1002 layer2 enp2s2\nvlan 1001 bond0\n\
                    dhcp enp2s3\np2p enp2s3 10.0.1.0/31 10.0.1.1\nvlan 7 enp2s3";
        let expected = [
            "line 1 makes bond0 already; for one more VLAN on it: vlan 1002 bond0",
            "bond0.1001 gets its address by line 1",
            "enp2s3 gets its address by line 4",
        ];
        let found = faults(text);
        let numbers: Vec<usize> = found.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [2, 3, 5]);
        assert!(found.iter().map(|(_, reason)| reason).eq(expected));
    }
}
