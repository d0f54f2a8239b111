// SPDX-License-Identifier: Apache-2.0
//! What the guest's init reports: that it is up, and how its one command ended.

/// A line of the guest's report.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// The command is about to start.
    Up,
    /// The command has ended with this exit status.
    Exit(i32),
}

/// Parses a line; anything that the init does not say is `None`.
pub(super) fn parse(line: &str) -> Option<Report> {
    match line.trim_end().strip_prefix("hhnet-vm: ")? {
        "up" => Some(Report::Up),
        report => Some(Report::Exit(report.strip_prefix("exit ")?.parse().ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports() {
        assert_eq!(parse("hhnet-vm: up\n"), Some(Report::Up));
        assert_eq!(parse("hhnet-vm: exit 0"), Some(Report::Exit(0)));
        assert_eq!(parse("hhnet-vm: exit 101\r\n"), Some(Report::Exit(101)));
        for noise in [
            "",
            "exit 0",
            "hhnet-vm: exit",
            "hhnet-vm: exit x",
            "a hhnet-vm: exit 0",
        ] {
            assert_eq!(parse(noise), None, "{noise}");
        }
    }
}
