// SPDX-License-Identifier: Apache-2.0
//! Tables.

/// A heading, and whether its column is of numbers, set to the right.
pub(crate) type Column = (&'static str, bool);

/// Rows under headings, columns two spaces apart, no space at a line's end.
pub(crate) fn table<const N: usize>(
    columns: &[Column; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let headings = columns.map(|(heading, _)| heading.to_owned());
    let lines: Vec<[String; N]> = std::iter::once(headings).chain(rows).collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        lines
            .iter()
            .map(|line| line[column].len())
            .max()
            .unwrap_or_default()
    });
    let mut text = String::new();
    for line in &lines {
        let cells = line
            .iter()
            .zip(columns)
            .zip(widths)
            .map(|((cell, (_, right)), width)| {
                if *right {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text.push('\n');
    }
    text
}
