// SPDX-License-Identifier: Apache-2.0
//! From a command line to a [`Verb`], or to one line for a person.

use std::ffi::OsString;

use clap::{
    Command, Parser,
    error::{ContextKind, ErrorKind},
};

use super::{Cli, Verb, command, is_host};

/// A command line that asks for nothing hhnet can do; the text says so to a person.
#[derive(Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `--version`: the answer itself, for stdout, with success.
    Version(String),
    /// Everything else: for stderr, with failure. Scripts depend on `--help`
    /// being no success, as it never was.
    Usage(String),
}

/// Parses a command line, program name excluded.
///
/// # Errors
/// A [`Refusal`] with the text to print: one line, or the whole help where
/// nothing was asked at all.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Verb, Refusal> {
    let args: Vec<OsString> = std::iter::once("hhnet".into()).chain(args).collect();
    let verb = Cli::try_parse_from(&args)
        .map_err(|error| refusal(&args, &error))?
        .verb;
    check(&verb).map_err(|reason| Refusal::Usage(format!("Error: {reason}\n")))?;
    Ok(verb)
}

/// What the grammar cannot say: rules that tie several arguments together.
fn check(verb: &Verb) -> Result<(), String> {
    match verb {
        Verb::Bond(bond) => {
            let twice =
                (1..bond.members.len()).find(|i| bond.members[..*i].contains(&bond.members[*i]));
            match twice {
                Some(i) => Err(format!("interface {} is named twice", bond.members[i])),
                None => Ok(()),
            }
        }
        Verb::Vlan(vlan) => vlan.parent.with_vlan(vlan.vlan).map(drop),
        Verb::P2p(p2p) if p2p.local.address == p2p.remote => {
            Err(format!("both ends have the address {}", p2p.remote))
        }
        Verb::P2p(p2p) => match [p2p.local.address, p2p.remote]
            .into_iter()
            .find(|address| !is_host(*address))
        {
            Some(address) => Err(format!("{address} is no address of a machine")),
            None => Ok(()),
        },
        Verb::Check(asked) if !asked.asks_something() => {
            Err("nothing is asked of the hosts: neither pings, nor a port, nor throughput".into())
        }
        Verb::Check(_)
        | Verb::Dhcp(_)
        | Verb::Cleanup
        | Verb::Getvips
        | Verb::Status(_)
        | Verb::Diagnose(_)
        | Verb::Metrics(_)
        | Verb::Flows(_)
        | Verb::Dups(_)
        | Verb::Top(_)
        | Verb::Agent(_) => Ok(()),
    }
}

/// A command that is none, and the one that may have been meant.
fn unknown(command: &mut Command, error: &clap::Error) -> String {
    let said = |kind| error.get(kind).map(ToString::to_string);
    let word = said(ContextKind::InvalidSubcommand).unwrap_or_default();
    let meant = said(ContextKind::SuggestedSubcommand);
    let meant = meant.map_or_else(String::new, |verb| format!("; did you mean {verb}?"));
    let usage = command.render_usage();
    format!("Error: there is no command {word}{meant}\n{usage}, hhnet --help lists them\n")
}

/// Turns clap's several lines into the one line a tired operator reads.
fn refusal(args: &[OsString], error: &clap::Error) -> Refusal {
    let mut command = command();
    match error.kind() {
        ErrorKind::DisplayVersion => Refusal::Version(error.to_string()),
        ErrorKind::DisplayHelp => Refusal::Usage(error.to_string()),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            Refusal::Usage(command.render_help().to_string())
        }
        ErrorKind::InvalidSubcommand => Refusal::Usage(unknown(&mut command, error)),
        ErrorKind::MissingRequiredArgument => {
            let verb = args
                .get(1)
                .and_then(|verb| verb.to_str())
                .unwrap_or_default();
            if verb == "bond" && args.len() > 4 {
                return Refusal::Usage("Error: at least one interface required for bond\n".into());
            }
            let usage = command
                .find_subcommand_mut(verb)
                .map_or_else(String::new, |verb| verb.render_usage().to_string());
            Refusal::Usage(format!("{usage}\n"))
        }
        _ => {
            let text = error.to_string();
            let mut lines = text.lines();
            let line = lines.next().unwrap_or_default();
            // Of the others, only what would have been right.
            let allowed = lines.map(str::trim).find_map(|line| {
                let values = line.starts_with("[possible values");
                let similar = line.strip_prefix("tip: a similar");
                let similar = similar.map(|similar| format!("; a similar{similar}"));
                values.then(|| format!(" {line}")).or(similar)
            });
            let allowed = allowed.unwrap_or_default();
            let line = line.trim_start_matches("error: ");
            Refusal::Usage(format!("Error: {line}{allowed}\n"))
        }
    }
}
