// SPDX-License-Identifier: Apache-2.0
//! Tables of medians in Markdown, and figures against their goals.

use std::fmt;

/// The same quantity, measured several times; sorted.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples(Vec<f64>);

impl Samples {
    /// `value` of each run that has it.
    pub(super) fn of<R>(runs: &[R], value: impl Fn(&R) -> Option<f64>) -> Self {
        let mut values: Vec<f64> = runs.iter().filter_map(value).collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The middle one; the mean of both for an even number.
    pub(super) fn median(&self) -> f64 {
        let Self(values) = self;
        match values.len() {
            0 => f64::NAN,
            length => (values[(length - 1) / 2] + values[length / 2]) / 2.0,
        }
    }

    /// `median (smallest-largest)`.
    fn show(&self, decimals: usize) -> String {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else {
            return String::new();
        };
        let median = self.median();
        if first == last {
            return format!("{median:.decimals$}");
        }
        format!("{median:.decimals$} ({first:.decimals$}-{last:.decimals$})")
    }
}

/// A heading, and how many decimals are worth showing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column(pub(super) &'static str, pub(super) usize);

/// A Markdown table.
#[derive(Debug)]
pub(super) struct Table<'a> {
    columns: &'a [Column],
    text: String,
}

impl<'a> Table<'a> {
    /// Without rows, whose names are headed by `names`.
    pub(super) fn new(names: &str, columns: &'a [Column]) -> Self {
        let headings = columns.iter().map(|column| format!(" {} |", column.0));
        let mut text = format!("| {names} |");
        text.extend(headings);
        text += "\n|---|";
        text += &"---|".repeat(columns.len());
        text.push('\n');
        Self { columns, text }
    }

    /// Adds a row with a cell for each column.
    pub(super) fn row(&mut self, name: &str, cells: &[Samples]) {
        self.text += &format!("| {name} |");
        for (column, cell) in self.columns.iter().zip(cells) {
            self.text += &format!(" {} |", cell.show(column.1));
        }
        self.text.push('\n');
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A value that should be at most `goal`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: f64,
    pub(super) goal: f64,
}

impl Figure {
    /// The line of a value that should be at least `goal`.
    pub(super) fn at_least(self) -> String {
        let Self { name, value, goal } = self;
        let verdict = if value >= goal { "ok" } else { "short" };
        format!("figure {name} {value:.2} goal >= {goal} {verdict}")
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, goal } = self;
        let verdict = if value <= goal { "ok" } else { "short" };
        write!(f, "figure {name} {value:.2} goal <= {goal} {verdict}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(values: &[f64]) -> Samples {
        Samples::of(values, |value| Some(*value))
    }

    #[test]
    fn medians() {
        assert_eq!(samples(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(samples(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert!(samples(&[]).median().is_nan());
    }

    #[test]
    fn a_table_leaves_out_what_was_not_measured() {
        let mut table = Table::new("client", &[Column("ms", 1), Column("packets", 0)]);
        table.row("a", &[samples(&[1.0, 3.0]), samples(&[2.0, 2.0])]);
        table.row("b", &[samples(&[]), samples(&[4.0])]);
        let expected = "| client | ms | packets |\n|---|---|---|\n\
                        | a | 2.0 (1.0-3.0) | 2 |\n| b |  | 4 |\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn a_figure_says_whether_its_goal_is_reached() {
        let figure = |value| {
            let (name, goal) = ("x/y", 0.5);
            Figure { name, value, goal }.to_string()
        };
        assert_eq!(figure(0.5), "figure x/y 0.50 goal <= 0.5 ok");
        assert_eq!(figure(0.514), "figure x/y 0.51 goal <= 0.5 short");
        let more = |value| {
            let (name, goal) = ("x/y", 5.0);
            Figure { name, value, goal }.at_least()
        };
        assert_eq!(more(5.0), "figure x/y 5.00 goal >= 5 ok");
        assert_eq!(more(4.9), "figure x/y 4.90 goal >= 5 short");
        assert_eq!(figure(f64::NAN), "figure x/y NaN goal <= 0.5 short");
    }
}
