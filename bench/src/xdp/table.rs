// SPDX-License-Identifier: Apache-2.0
//! Tables in Markdown.

use std::fmt;

/// Rows of cells, which are written down elsewhere.
#[derive(Clone, Debug)]
pub(super) struct Table(String);

impl Table {
    /// Without rows, whose names are headed by `names`.
    pub(super) fn new(names: &str, headings: &[&str]) -> Self {
        let line = "---|".repeat(headings.len() + 1);
        Self(format!("| {names} | {} |\n|{line}\n", headings.join(" | ")))
    }

    /// Adds a row.
    pub(super) fn row(&mut self, name: &str, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        self.0 += &format!("| {name} | {} |\n", cells.join(" | "));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_markdown() {
        let mut table = Table::new("what", &["a", "b"]);
        table.row("x", ["1", "2"].map(str::to_owned));
        assert_eq!(
            table.to_string(),
            "| what | a | b |\n|---|---|---|\n| x | 1 | 2 |\n"
        );
    }
}
