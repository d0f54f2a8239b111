// SPDX-License-Identifier: Apache-2.0
//! Manual pages, one for hhnet and one for each verb.

use std::{io, path::Path};

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use crate::{
    Page, start,
    words::{CHECKED, EXAMPLES, EXIT_STATUS, MANUAL, SECTIONS},
    write,
};

/// Writes them.
pub(crate) fn manual(command: &Command, directory: &Path) -> io::Result<()> {
    start(directory)?;
    let verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    write(directory, &page(command, &overview(&verbs))?)?;
    for verb in command.get_subcommands() {
        write(directory, &page(verb, &about(verb.get_name()))?)?;
    }
    Ok(())
}

fn page(command: &Command, more: &Roff) -> io::Result<Page> {
    let man = Man::new(command.clone())
        .manual(MANUAL)
        // None, but an argument all the same: an empty one is lost.
        .date(r"\&")
        .source(format!("hhnet {}", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if let Some(after) = command.get_after_help() {
        let mut roff = Roff::new();
        roff.control("PP", []);
        roff.text([roman(after.to_string().replace('\n', " "))]);
        roff.to_writer(&mut text)?;
    }
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    more.to_writer(&mut text)?;
    Ok((man.get_filename(), text))
}

/// The rest of hhnet(1).
fn overview(verbs: &[&str]) -> Roff {
    let mut roff = Roff::new();
    for (title, entries) in SECTIONS {
        section(&mut roff, title, entries);
    }
    let pages = verbs.iter().map(|verb| format!("hhnet-{verb}"));
    see_also(&mut roff, pages);
    roff
}

/// The rest of a verb's page.
fn about(verb: &str) -> Roff {
    let mut roff = Roff::new();
    let examples = EXAMPLES.iter().find(|(name, _)| *name == verb);
    if let Some((_, lines)) = examples {
        roff.control("SH", ["EXAMPLES"]);
        for line in *lines {
            roff.control("PP", []);
            roff.text([bold(*line)]);
        }
    }
    let statuses = if verb == "check" {
        CHECKED
    } else {
        EXIT_STATUS
    };
    section(&mut roff, "EXIT STATUS", statuses);
    see_also(&mut roff, ["hhnet".to_owned()].into_iter());
    roff
}

fn section(roff: &mut Roff, title: &str, entries: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (term, text) in entries {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*text)]);
    }
}

fn see_also(roff: &mut Roff, pages: impl Iterator<Item = String>) {
    roff.control("SH", ["SEE ALSO"]);
    let others = ["ip-link(8)", "networkctl(1)"].map(str::to_owned);
    let pages = pages.map(|page| format!("{page}(1)")).chain(others);
    roff.text([roman(pages.collect::<Vec<_>>().join(", "))]);
}
