// SPDX-License-Identifier: Apache-2.0
//! Completions of three shells.

use std::{io, path::Path};

use clap::Command;
use clap_complete::{Shell, generate};

use crate::{start, write};

/// What bash completes an interface by. Directories alone: there may be a file
/// `bonding_masters` among them.
const INTERFACES: &str = r"$(cd /sys/class/net && printf '%s ' */ | tr -d /)";
/// What stands for that until the script is generated.
const PLACEHOLDER: &str = "INTERFACES";

/// Writes them.
pub(crate) fn completions(command: &Command, directory: &Path) -> io::Result<()> {
    start(directory)?;
    for (shell, file) in [
        (Shell::Bash, "hhnet"),
        (Shell::Zsh, "_hhnet"),
        (Shell::Fish, "hhnet.fish"),
    ] {
        let mut command = match shell {
            Shell::Bash => with_interfaces(command),
            _ => command.clone(),
        };
        let mut text = Vec::new();
        generate(shell, &mut command, "hhnet", &mut text);
        let text = String::from_utf8(text).map_err(io::Error::other)?;
        let text = text.replace(PLACEHOLDER, INTERFACES);
        write(directory, &(file.to_owned(), text.into_bytes()))?;
    }
    Ok(())
}

/// The command with something to complete where an interface is named: the generator
/// offers values that are known beforehand.
fn with_interfaces(command: &Command) -> Command {
    command.clone().mut_subcommands(|verb| {
        verb.mut_args(|arg| {
            let names = arg.get_value_names().unwrap_or_default();
            if names
                .iter()
                .any(|name| ["iface", "NAME", "IP|DEV"].contains(&name.as_str()))
            {
                arg.value_parser([PLACEHOLDER])
            } else {
                arg
            }
        })
    })
}
