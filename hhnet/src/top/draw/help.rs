// SPDX-License-Identifier: Apache-2.0
//! What the keys do, over the page.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    text::Text,
    widgets::{Block, Clear, Paragraph},
};

const TEXT: &str = "\
q Esc Ctrl-C   quit
Tab, 1 2 3     members, flows, duplicates
s              order by something else
p, space       pause, and go on
Up Down Home   scroll
? Esc          close this

IN, OUT        bits a second, in the last second
SHARE          of the bond's bytes, in/out, since its
               programs were loaded
DUPS           frames that had come before";

/// In the middle, as far as there is room.
pub(super) fn draw(frame: &mut Frame, area: Rect) {
    let text = Text::raw(TEXT);
    let size = |length: usize| Constraint::Length(u16::try_from(length + 4).unwrap_or(u16::MAX));
    let rows = Constraint::Length(u16::try_from(text.height() + 2).unwrap_or(u16::MAX));
    let place = area.centered(size(text.width()), rows);
    frame.render_widget(Clear, place);
    let block = Block::bordered().title(" keys and columns ");
    frame.render_widget(Paragraph::new(text).block(block), place);
}
