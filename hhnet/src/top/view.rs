// SPDX-License-Identifier: Apache-2.0
//! How somebody looks at the facts, and what keys change of it.

use std::cmp::Reverse;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::xdp::report::Flow;

/// What the larger part of the page shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Table {
    /// Members of bonds and other ports, with all that is known of them.
    Members,
    /// Flows.
    #[default]
    Flows,
    /// What came twice.
    Duplicates,
}

impl Table {
    /// All of them, by the number of their key.
    pub(super) const ALL: [Table; 3] = [Table::Members, Table::Flows, Table::Duplicates];

    fn next(self, steps: usize) -> Table {
        Self::ALL[(self as usize + steps) % Self::ALL.len()]
    }
}

/// Which flows come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum FlowOrder {
    /// The fastest by bits.
    #[default]
    Bits,
    /// The fastest by packets.
    Packets,
    /// Those with most duplicates.
    Duplicates,
}

impl FlowOrder {
    pub(super) const ALL: [FlowOrder; 3] =
        [FlowOrder::Bits, FlowOrder::Packets, FlowOrder::Duplicates];

    pub(super) fn name(self) -> &'static str {
        match self {
            FlowOrder::Bits => "bits",
            FlowOrder::Packets => "packets",
            FlowOrder::Duplicates => "duplicates",
        }
    }

    /// What flows are ordered by. Where nothing goes, or nothing is known of how fast it
    /// does, by all they have carried.
    pub(super) fn key(self, flow: &Flow) -> impl Ord + use<> {
        let rate = flow.rate.unwrap_or_default();
        let key = match self {
            FlowOrder::Bits => (rate.bits_per_second, flow.bytes),
            FlowOrder::Packets => (rate.packets_per_second, flow.packets),
            FlowOrder::Duplicates => (flow.duplicates.number(), flow.bytes),
        };
        Reverse(key)
    }
}

/// Which members come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum MemberOrder {
    /// As the kernel has them.
    #[default]
    Kernel,
    /// The fastest in both directions.
    Bits,
}

impl MemberOrder {
    pub(super) fn name(self) -> &'static str {
        match self {
            MemberOrder::Kernel => "bond",
            MemberOrder::Bits => "bits",
        }
    }
}

/// What a key asks for beyond another look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Stay,
    Quit,
}

/// How it is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) table: Table,
    pub(super) flows: FlowOrder,
    pub(super) members: MemberOrder,
    /// Lines of the table that are above the page.
    pub(super) above: usize,
    /// New facts are not shown.
    pub(super) paused: bool,
    /// The keys are explained.
    pub(super) help: bool,
    /// Why there are no new facts.
    pub(super) trouble: Option<String>,
}

impl View {
    /// What a key changes.
    pub(super) fn press(&mut self, key: KeyEvent) -> Wish {
        // Some terminals report that a key was let go as well.
        if key.kind == KeyEventKind::Release {
            return Wish::Stay;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Wish::Quit,
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Esc => return Wish::Quit,
            KeyCode::Tab => self.turn(self.table.next(1)),
            KeyCode::BackTab => self.turn(self.table.next(2)),
            KeyCode::Char('1') => self.turn(Table::Members),
            KeyCode::Char('2') => self.turn(Table::Flows),
            KeyCode::Char('3') => self.turn(Table::Duplicates),
            KeyCode::Char('s') => self.sort(),
            KeyCode::Char('p' | ' ') => self.paused ^= true,
            KeyCode::Char('?' | 'h') => self.help ^= true,
            KeyCode::Down | KeyCode::Char('j') => self.above = self.above.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.above = self.above.saturating_sub(1),
            KeyCode::Home => self.above = 0,
            _ => {}
        }
        Wish::Stay
    }

    fn turn(&mut self, table: Table) {
        self.table = table;
        self.above = 0;
        self.help = false;
    }

    fn sort(&mut self) {
        self.above = 0;
        match self.table {
            Table::Members => {
                self.members = match self.members {
                    MemberOrder::Kernel => MemberOrder::Bits,
                    MemberOrder::Bits => MemberOrder::Kernel,
                }
            }
            Table::Flows => {
                let next = (self.flows as usize + 1) % FlowOrder::ALL.len();
                self.flows = FlowOrder::ALL[next];
            }
            // There is one order: what matters most first.
            Table::Duplicates => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(view: &mut View, code: KeyCode) -> Wish {
        view.press(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn keys_that_quit() {
        for code in [KeyCode::Char('q'), KeyCode::Esc] {
            assert_eq!(press(&mut View::default(), code), Wish::Quit);
        }
        let control = |char| KeyEvent::new(KeyCode::Char(char), KeyModifiers::CONTROL);
        assert_eq!(View::default().press(control('c')), Wish::Quit);
        assert_eq!(press(&mut View::default(), KeyCode::Char('c')), Wish::Stay);
        let mut released = control('c');
        released.kind = KeyEventKind::Release;
        assert_eq!(View::default().press(released), Wish::Stay);
    }

    #[test]
    fn escape_closes_the_help_first() {
        let mut view = View::default();
        press(&mut view, KeyCode::Char('?'));
        assert!(view.help);
        assert_eq!(press(&mut view, KeyCode::Esc), Wish::Stay);
        assert!(!view.help);
    }

    #[test]
    fn tab_goes_round_and_numbers_go_there() {
        let mut view = View::default();
        let mut seen = vec![view.table];
        for _ in 0..3 {
            press(&mut view, KeyCode::Tab);
            seen.push(view.table);
        }
        use Table::{Duplicates, Flows, Members};
        assert_eq!(seen, [Flows, Duplicates, Members, Flows]);
        press(&mut view, KeyCode::BackTab);
        assert_eq!(view.table, Members);
        for (key, table) in [('3', Duplicates), ('1', Members), ('2', Flows)] {
            press(&mut view, KeyCode::Char(key));
            assert_eq!(view.table, table);
        }
    }

    #[test]
    fn each_table_has_its_order() {
        let mut view = View::default();
        press(&mut view, KeyCode::Char('s'));
        assert_eq!(
            (view.flows, view.members),
            (FlowOrder::Packets, MemberOrder::Kernel)
        );
        press(&mut view, KeyCode::Char('1'));
        press(&mut view, KeyCode::Char('s'));
        assert_eq!(
            (view.flows, view.members),
            (FlowOrder::Packets, MemberOrder::Bits)
        );
        press(&mut view, KeyCode::Down);
        assert_eq!(view.above, 1);
        press(&mut view, KeyCode::Tab);
        assert_eq!(view.above, 0, "another table begins at its top");
    }
}
