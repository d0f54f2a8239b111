// SPDX-License-Identifier: Apache-2.0
//! From facts, view and size to a page.

mod head;
mod help;
mod tables;
#[cfg(test)]
mod tests;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style, Stylize as _},
    text::{Line, Span},
    widgets::Paragraph,
};

use self::tables::Rows;
use super::{
    facts::Facts,
    view::{Table, View},
};
use crate::status::Paint;

/// Terminals of fewer lines have no members above another table.
const TALL: u16 = 14;
/// Lines of the members above another table, the heading among them.
const STRIP: usize = 5;
/// Terminals of fewer lines are not told of keys.
const LOW: u16 = 6;

/// Draws the page. Returns how many lines of the table may be above it.
pub(super) fn page(frame: &mut Frame, facts: Option<&Facts>, view: &View, paint: Paint) -> usize {
    let area = frame.area();
    let Some(facts) = facts else {
        frame.render_widget("asking the agent", area);
        return 0;
    };
    let head = head::lines(facts, view, paint, usize::from(area.height / 4).clamp(1, 5));
    let strip = match view.table {
        Table::Flows | Table::Duplicates if area.height >= TALL => {
            tables::members(facts, view, paint, tables::Detail::Brief).all(STRIP)
        }
        _ => Vec::new(),
    };
    let places = Layout::vertical([
        Constraint::Length(lines(&head)),
        Constraint::Length(lines(&strip)),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(u16::from(area.height >= LOW)),
    ]);
    let [top, middle, titles, body, foot] = places.areas(area);
    frame.render_widget(Paragraph::new(head), top);
    frame.render_widget(Paragraph::new(strip), middle);
    frame.render_widget(titles_line(facts, view), titles);
    let rows = match view.table {
        Table::Members => tables::members(facts, view, paint, tables::Detail::Full),
        Table::Flows => tables::flows(facts, view),
        Table::Duplicates => tables::duplicates(facts, usize::from(body.width)),
    };
    let most = scrolled(frame, body, rows, view.above);
    frame.render_widget(Line::from(KEYS).dim(), foot);
    if view.help {
        help::draw(frame, area);
    }
    most
}

const KEYS: &str = "q quit  Tab 1 2 3 table  s sort  p pause  Up Down scroll  ? help";

fn lines(text: &[Line]) -> u16 {
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}

/// The rows there is room for, below their heading. Returns how many may be above.
fn scrolled(frame: &mut Frame, area: Rect, rows: Rows, above: usize) -> usize {
    let Rows { heading, mut rows } = rows;
    let headings = usize::from(heading.is_some());
    let room = usize::from(area.height).saturating_sub(headings);
    let most = rows.len().saturating_sub(room);
    let shown = rows.drain(above.min(most)..).take(room);
    let text: Vec<Line> = heading.into_iter().chain(shown).collect();
    frame.render_widget(Paragraph::new(text), area);
    most
}

/// Which tables there are, and how the one below is ordered.
fn titles_line(facts: &Facts, view: &View) -> Line<'static> {
    let mut spans = Vec::new();
    for (number, table) in (1..).zip(Table::ALL) {
        let name = match table {
            Table::Members => "Members",
            Table::Flows => "Flows",
            Table::Duplicates => "Duplicates",
        };
        let span = Span::raw(format!(" {number} {name} "));
        spans.push(if table == view.table {
            span.reversed()
        } else {
            span
        });
        spans.push(Span::raw(" "));
    }
    spans.push(Span::raw(match view.table {
        Table::Members => format!("by {}", view.members.name()),
        Table::Flows => {
            let all = facts.flows.total_flows;
            format!("{all} flows, by {}", view.flows.name())
        }
        Table::Duplicates => match facts.new_copies {
            Some(copies) => format!("{copies} more than a second ago"),
            None => String::new(),
        },
    }));
    Line::from(spans)
}

/// What is worth a second look, in a colour if there are any.
fn marked(colour: Color, paint: Paint) -> Style {
    match paint {
        Paint::Coloured => Style::new().fg(colour),
        Paint::Plain => Style::new().add_modifier(Modifier::BOLD),
    }
}
