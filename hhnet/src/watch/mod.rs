// SPDX-License-Identifier: Apache-2.0
//! Pages that are shown again and again, a second apart: on a terminal one in
//! the place of the other, elsewhere one after the other.
//!
//! Nothing of the terminal is changed that would have to be changed back, so
//! that it is in order however the process ends.

pub mod dups;
mod ends;
pub mod flows;
pub mod status;

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    mem::MaybeUninit,
    os::fd::AsRawFd as _,
    time::Duration,
};

use tokio::{
    task::spawn_blocking,
    time::{MissedTickBehavior, interval},
};

pub(crate) use self::ends::Ends;
use crate::printable;

/// From one page to the next.
const PERIOD: Duration = Duration::from_secs(1);

/// Of a terminal that does not say how large it is.
const USUAL: Size = Size {
    columns: 80,
    lines: 24,
};

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Of a line.
    pub columns: usize,
    /// Of the page.
    pub lines: usize,
}

/// What lies between pages that do not go to a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// A blank line.
    Blank,
    /// Nothing: each page is a line.
    Nothing,
}

/// Shows a page each second, until it is interrupted or nobody reads any more.
/// Returns the exit status. `page` is told how much room there is; its text
/// ends with a newline.
///
/// # Errors
/// If a page cannot be made or written.
pub fn watch<P>(between: Between, page: P) -> io::Result<u8>
where
    P: FnMut(Option<Size>) -> io::Result<String> + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()?;
    let ended = runtime.block_on(refresh(between, page));
    // A page may still wait for the agent, or for its reader.
    runtime.shutdown_background();
    match ended {
        // `hhnet flows --watch | head`
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(0),
        other => other.map(|()| 0),
    }
}

async fn refresh<P>(between: Between, mut page: P) -> io::Result<()>
where
    P: FnMut(Option<Size>) -> io::Result<String> + Send + 'static,
{
    let mut ends = Ends::catch()?;
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut first = true;
    loop {
        tokio::select! {
            biased;
            () = ends.one() => return Ok(()),
            _ = ticks.tick() => {}
        }
        // On another thread: the agent may be slow, and so may the reader be,
        // which must keep nobody from being interrupted.
        let shown = spawn_blocking(move || {
            show(&mut page, between, first)?;
            io::Result::Ok(page)
        });
        tokio::select! {
            biased;
            () = ends.one() => return Ok(()),
            shown = shown => page = shown.map_err(io::Error::other)??,
        }
        first = false;
    }
}

fn show(
    page: &mut impl FnMut(Option<Size>) -> io::Result<String>,
    between: Between,
    first: bool,
) -> io::Result<()> {
    let mut stdout = io::stdout();
    let size = stdout.is_terminal().then(|| size_of(&stdout));
    let text = page(size)?;
    let text = printable::coloured(&text);
    let text = match size {
        Some(size) => screen(&text, size),
        None if first || between == Between::Nothing => text.into_owned(),
        None => format!("\n{text}"),
    };
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// A page in the place of the last one: what does not fit is cut off. The
/// screen is written over and not cleared before, which would flicker.
fn screen(page: &str, size: Size) -> String {
    const HOME: &str = "\x1b[H";
    const CLEAR_TO_END_OF_LINE: &str = "\x1b[K";
    const CLEAR_BELOW: &str = "\x1b[J";
    let mut text = HOME.to_owned();
    // The last line is the cursor's.
    for line in page.lines().take(size.lines.saturating_sub(1)) {
        let fitting = fit(line, size.columns);
        let _ = writeln!(text, "{fitting}{CLEAR_TO_END_OF_LINE}");
    }
    text + CLEAR_BELOW
}

/// As much of a line as there is room for; a colour takes none.
fn fit(line: &str, columns: usize) -> String {
    let (mut room, mut in_colour) = (columns, false);
    let fits = |char: &char| {
        in_colour |= *char == '\x1b';
        let shown = in_colour || room > 0;
        if !in_colour {
            room = room.saturating_sub(1);
        }
        in_colour &= *char != 'm';
        shown
    };
    line.chars().filter(fits).collect()
}

fn size_of(terminal: &io::Stdout) -> Size {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: the kernel writes a winsize, for which there is room.
    let result = unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCGWINSZ, size.as_mut_ptr()) };
    // SAFETY: all zero is a winsize as well.
    let size = unsafe { size.assume_init() };
    if result != 0 || size.ws_row == 0 || size.ws_col == 0 {
        return USUAL;
    }
    Size {
        columns: size.ws_col.into(),
        lines: size.ws_row.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_fits_the_screen() {
        let size = Size {
            columns: 4,
            lines: 3,
        };
        assert_eq!(
            screen("123456\n12\nlast\n", size),
            "\x1b[H1234\x1b[K\n12\x1b[K\n\x1b[J"
        );
    }

    #[test]
    fn colours_take_no_room_and_are_always_ended() {
        assert_eq!(fit("\x1b[31mdown\x1b[0m, up", 2), "\x1b[31mdo\x1b[0m");
        assert_eq!(fit("\x1b[1mbond0\x1b[0m m", 7), "\x1b[1mbond0\x1b[0m m");
    }

    #[test]
    fn a_reader_that_has_gone_and_a_page_that_fails() {
        let broken = |_: Option<Size>| Err(io::ErrorKind::BrokenPipe.into());
        assert_eq!(watch(Between::Blank, broken).expect("no failure"), 0);
        let failing = |_: Option<Size>| Err(io::Error::other("the agent says no"));
        let error = watch(Between::Nothing, failing).expect_err("a failure");
        assert_eq!(error.to_string(), "the agent says no");
    }
}
