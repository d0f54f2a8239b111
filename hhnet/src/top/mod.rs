// SPDX-License-Identifier: Apache-2.0
//! `hhnet top`: members, flows and duplicates, live on a terminal.
//!
//! ```text
//! hhnet top, as the user ──── keys, size ────▶ view ─┐
//!    └ starts hhnet top --feed, as root ─ facts ─────┴─▶ draw ─▶ terminal
//! ```
//! The terminal belongs to the user's own process. What asks the agent is another one,
//! which is root, has no terminal, and writes a line of JSON each second: between the
//! two is whatever sudo makes of terminals, and a stdin that is a lifeline
//! ([`crate::elevate`]).

mod draw;
mod facts;
mod feed;
mod view;

use std::{
    io::{self, IsTerminal as _},
    thread,
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEvent},
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub use self::feed::feed;
use self::{
    facts::Facts,
    view::{View, Wish},
};
use crate::{status::Paint, watch::Ends};

/// Something that happens to the page.
enum Input {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size.
    Size,
    /// The keyboard is gone.
    NoKeys(io::Error),
    /// Facts of this second.
    Facts(Box<Facts>),
    /// There are none for now, and why.
    Trouble(io::Error),
}

/// Shows the page until somebody quits. Returns the exit status.
///
/// # Errors
/// When stdout is no terminal, or cannot be used as one; when nothing can be asked from
/// the beginning on, because sudo refuses for example.
pub fn run(paint: Paint) -> io::Result<u8> {
    if !io::stdout().is_terminal() {
        return Err(io::Error::other(
            "hhnet top needs a terminal; hhnet status --watch does not",
        ));
    }
    // Caught before the terminal is changed.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let ends = runtime.block_on(async { Ends::catch() })?;
    let (inputs, inbox) = unbounded_channel();
    feed::follow(inputs.clone());
    let at = |error| io::Error::other(format!("the terminal: {error}"));
    // Restores the terminal in a panic, too.
    let mut terminal = ratatui::try_init().map_err(at)?;
    watch_keys(inputs);
    let ended = runtime.block_on(show(&mut terminal, inbox, ends, paint));
    let restored = ratatui::try_restore();
    ended?;
    // Whoever has hung up has taken the terminal along.
    let _ = restored;
    Ok(0)
}

/// Reads keys and sizes for as long as there is a terminal: from stdin, or if that is
/// something else, from the terminal of the process.
fn watch_keys(inputs: UnboundedSender<Input>) {
    thread::spawn(move || {
        loop {
            let input = match event::read() {
                Ok(Event::Key(key)) => Input::Key(key),
                Ok(Event::Resize(..)) => Input::Size,
                Ok(_) => continue,
                Err(error) => Input::NoKeys(error),
            };
            let is_over = matches!(input, Input::NoKeys(_));
            if inputs.send(input).is_err() || is_over {
                return;
            }
        }
    });
}

async fn show(
    terminal: &mut DefaultTerminal,
    mut inbox: UnboundedReceiver<Input>,
    mut ends: Ends,
    paint: Paint,
) -> io::Result<()> {
    let (mut facts, mut view) = (None, View::default());
    loop {
        let mut most = 0;
        terminal.draw(|frame| most = draw::page(frame, facts.as_ref(), &view, paint))?;
        view.above = view.above.min(most);
        let input = tokio::select! {
            biased;
            () = ends.one() => return Ok(()),
            input = inbox.recv() => input,
        };
        match input {
            Some(Input::Key(key)) => {
                if view.press(key) == Wish::Quit {
                    return Ok(());
                }
            }
            Some(Input::Facts(new)) => {
                view.trouble = None;
                if !view.paused || facts.is_none() {
                    facts = Some(*new);
                }
            }
            Some(Input::Trouble(error)) if facts.is_none() => return Err(error),
            Some(Input::Trouble(error)) => view.trouble = Some(error.to_string()),
            Some(Input::NoKeys(error)) => return Err(error),
            Some(Input::Size) => {}
            None => return Ok(()),
        }
    }
}
