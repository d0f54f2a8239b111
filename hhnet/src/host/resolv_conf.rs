// SPDX-License-Identifier: Apache-2.0
//! Name servers in `/etc/resolv.conf`, for machines where nobody else writes it.
//!
//! Each interface has a block of its own between two marks, in front of what
//! was there: a resolver asks the first three servers. Removing the blocks
//! gives the file back as it was. Where it is a link, as systemd-resolved and
//! others make it, its owner would overwrite ours: it is left alone.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

use super::Servers;
use crate::{fault, file, runtime};

/// The resolver's configuration.
const FILE: &str = "/etc/resolv.conf";
/// Begins a block; the interface follows.
const BEGIN: &str = "# hhnet: begin ";
/// Ends a block.
const END: &str = "# hhnet: end";

/// Why the file was left alone: it is not ours to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeftAlone {
    /// A link to a file that somebody else writes.
    #[error("{FILE} leads to {0}")]
    Elsewhere(String),
    /// A link to nothing, or no file at all: nobody can read it.
    #[error("{FILE} leads to {0}, which is no file")]
    Nowhere(String),
}

/// Has the resolver ask an interface's servers, or no longer, if there are none.
///
/// # Errors
/// When the file cannot be read or written.
pub fn set(interface: &str, servers: Option<&Servers>) -> io::Result<Option<LeftAlone>> {
    edit(|text| with_block(text, interface, servers))
}

/// Removes the blocks of all interfaces.
///
/// # Errors
/// As for [`set`].
pub fn clear() -> io::Result<()> {
    // Who was killed in between has left the new one.
    runtime::remove(unfinished(Path::new(FILE)))?;
    edit(without_blocks).map(drop)
}

/// Where a new file is written before it takes the place of the old one.
fn unfinished(file: &Path) -> PathBuf {
    file.with_extension("conf.hhnet")
}

fn edit(change: impl FnOnce(&str) -> String) -> io::Result<Option<LeftAlone>> {
    let at = |error: io::Error| io::Error::new(error.kind(), format!("{FILE}: {error}"));
    let file = Path::new(FILE);
    match fs::symlink_metadata(file) {
        Ok(about) if !about.is_file() => return Ok(Some(describe(file))),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(error)),
        _ => {}
    }
    // A file in another encoding is not ours to touch.
    let before = match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other.map_err(at)?,
    };
    let after = change(&before);
    if after == before {
        return Ok(None);
    }
    replace(file, &before, &after).map(|()| None).map_err(at)
}

/// What is there instead of a file.
fn describe(file: &Path) -> LeftAlone {
    let target = fs::read_link(file).unwrap_or_default();
    let target = target.display().to_string();
    if file.is_file() {
        LeftAlone::Elsewhere(target)
    } else {
        LeftAlone::Nowhere(target)
    }
}

/// Puts a new file in the place of the old one, so that nobody reads half of
/// it; or into the old one, where that is a mount of its own, as in containers,
/// or its directory cannot be written.
fn replace(file: &Path, before: &str, text: &str) -> io::Result<()> {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    fault::step("writing resolv.conf");
    let new = unfinished(file);
    let renamed = file::write(&new, text)
        .and_then(|()| match fs::metadata(file) {
            Ok(about) => fs::set_permissions(&new, about.permissions()),
            Err(_) => Ok(()),
        })
        .and_then(|()| {
            fault::step("replacing resolv.conf");
            fs::rename(&new, file)
        });
    renamed.or_else(|error| {
        let _ = fs::remove_file(&new);
        match error.kind() {
            CrossesDevices | ResourceBusy | PermissionDenied | ReadOnlyFilesystem => {
                fs::write(file, text).inspect_err(|_| {
                    // Half of it is worse than what was there.
                    let _ = fs::write(file, before);
                })
            }
            _ => Err(error),
        }
    })
}

/// `text` with a block for an interface, if there is anything for it: where its
/// block was before, else in front.
fn with_block(text: &str, interface: &str, servers: Option<&Servers>) -> String {
    let block = servers.map_or_else(String::new, |servers| block(interface, servers));
    let mut parts = split(text);
    let ours = |part: &&mut Part| part.interface == Some(interface);
    match parts.iter_mut().find(ours) {
        Some(part) => part.text = &block,
        None => parts.insert(
            0,
            Part {
                interface: None,
                text: &block,
            },
        ),
    }
    parts.iter().map(|part| part.text).collect()
}

/// The block of an interface; empty without name servers. What is written was
/// checked: addresses by their type, names by [`crate::dhcp::names`].
fn block(interface: &str, servers: &Servers) -> String {
    if servers.dns.is_empty() {
        return String::new();
    }
    let mut block = format!("{BEGIN}{interface}\n");
    for server in &servers.dns {
        let _ = writeln!(block, "nameserver {server}");
    }
    if !servers.search.is_empty() {
        let _ = writeln!(block, "search {}", servers.search.join(" "));
    }
    block + END + "\n"
}

/// `text` without any block.
fn without_blocks(text: &str) -> String {
    let foreign = split(text)
        .into_iter()
        .filter(|part| part.interface.is_none());
    foreign.map(|part| part.text).collect()
}

/// A piece of the file: a block, or what is between blocks.
struct Part<'a> {
    /// Whose block it is; `None` for what is not ours.
    interface: Option<&'a str>,
    text: &'a str,
}

/// Splits a file into its parts. A block ends at its mark, or, where somebody
/// has removed that, at the first line that we would not have written.
fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut start, mut at, mut interface) = (0, 0, None);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        let begins = bare.strip_prefix(BEGIN);
        let ours = bare.starts_with("nameserver ") || bare.starts_with("search ");
        let broken = interface.is_some() && !ours && bare != END;
        if begins.is_some() || broken {
            parts.push(Part {
                interface,
                text: &text[start..at],
            });
            (start, interface) = (at, begins);
        }
        at += line.len();
        if bare == END && interface.is_some() {
            parts.push(Part {
                interface,
                text: &text[start..at],
            });
            (start, interface) = (at, None);
        }
    }
    parts.push(Part {
        interface,
        text: &text[start..],
    });
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dhcp::lease::tests::{HOUR, SERVER, read};

    const THEIRS: &str = "# by hand\nnameserver 192.0.2.1\noptions edns0\n";

    fn servers(options: &[(u8, &[u8])]) -> Servers {
        Servers::of(&read(&[&[SERVER, HOUR], options].concat()).unwrap())
    }

    #[test]
    fn a_lease_comes_in_front_and_goes_without_a_trace() {
        let servers = servers(&[(6, &[1, 1, 1, 1, 1, 0, 0, 1]), (15, b"lab.net")]);
        let text = with_block(THEIRS, "bond0.1001", Some(&servers));
        assert_eq!(
            text,
            format!(
                "# hhnet: begin bond0.1001\nnameserver 1.1.1.1\nnameserver 1.0.0.1\n\
                 search lab.net\n# hhnet: end\n{THEIRS}"
            )
        );
        assert_eq!(with_block(&text, "bond0.1001", None), THEIRS);
        assert_eq!(without_blocks(&text), THEIRS);
    }

    #[test]
    fn each_interface_has_its_own_block() {
        let servers = servers(&[(6, &[1, 1, 1, 1])]);
        let one = with_block(THEIRS, "a.1", Some(&servers));
        let both = with_block(&one, "a.10", Some(&servers));
        assert_eq!(with_block(&both, "a.10", None), one);
        assert_eq!(without_blocks(&both), THEIRS);
        assert_eq!(
            with_block(&both, "a.1", Some(&servers)),
            both,
            "a renewal changes no order"
        );
    }

    #[test]
    fn without_servers_nothing_is_written() {
        let servers = servers(&[(15, b"lab.net")]);
        assert_eq!(with_block(THEIRS, "a.1", Some(&servers)), THEIRS);
        assert_eq!(with_block(THEIRS, "a.1", None), THEIRS);
    }

    #[test]
    fn a_block_that_lost_its_end_does_not_hide_the_next_one() {
        let text = format!("{BEGIN}a.1\nnameserver 1.1.1.1\n{BEGIN}b.1\n{END}\n{THEIRS}");
        assert_eq!(
            with_block(&text, "a.1", None),
            format!("{BEGIN}b.1\n{END}\n{THEIRS}")
        );
        let text = format!("{BEGIN}a.1\nnameserver 1.1.1.1\n{THEIRS}");
        assert_eq!(without_blocks(&text), THEIRS, "nor what is not ours");
    }
}
