// SPDX-License-Identifier: Apache-2.0
//! Writes manual pages and shell completions, both from the grammar of the command
//! line, into the directories `man` and `completions` of the one it is given.
//!
//! No part of hhnet, which is a single file and has to be small: `cargo xtask dist`
//! runs it.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

/// What each page is said to be part of.
const MANUAL: &str = "Network of a test server";

/// Of hhnet(1), below what the grammar has to say.
const SECTIONS: &[(&str, &[(&str, &str)])] = &[
    (
        "EXAMPLES",
        &[
            ("hhnet cleanup", "Begin from a known state."),
            (
                "hhnet bond 1001 layer2+3 enp2s1 enp2s2",
                "Bond both ports, add VLAN 1001, lease an address. Prints 10.0.1.10/24.",
            ),
            (
                "hhnet vlan 1002 bond0",
                "A second VLAN on the same bond, with an address of its own.",
            ),
            (
                "hhnet status",
                "Links, LACP, leases and programs, on one screen.",
            ),
            ("hhnet top", "The same and the busiest flows, live."),
            (
                "hhnet diagnose",
                "Why there is no address, and what to do next.",
            ),
            ("hhnet dups", "Which frames came twice, and why."),
        ],
    ),
    (
        "EXIT STATUS",
        &[
            ("0", "Done, and the answer is on standard output."),
            (
                "1",
                "Not done, undone again, and the reason is on standard error. \
                 --help is no success either: scripts depend on that.",
            ),
            (
                "78",
                "Of the service: /etc/hhnet.conf has a mistake, and nothing was changed.",
            ),
            (
                "128+N",
                "The process that had become root was ended by signal N.",
            ),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            ("NO_COLOR", "hhnet top and hhnet status use no colours."),
            (
                "RUST_LOG",
                "What the command and an agent it starts write to the log: info, debug, \
                 hhnet=trace. The only variable that sudo passes on.",
            ),
        ],
    ),
    (
        "FILES",
        &[
            (
                "/etc/hhnet.conf",
                "Commands that the service applies, one a line: bond, vlan, dhcp and p2p, \
                 with their flags. A # begins a comment.",
            ),
            (
                "/run/hhnet",
                "Where the agent listens, its leases, and what cleanup has to put back. \
                 There only while hhnet is at work.",
            ),
            (
                "/var/log/hhnet.log",
                "What the agent has done: commands and how long their steps took, DHCP, \
                 LACP. With hhnet.log.1 less than a megabyte.",
            ),
            (
                "hhnet.service",
                "Keeps an agent from boot on, which applies /etc/hhnet.conf. Not enabled \
                 by itself. Without it the first command starts an agent.",
            ),
        ],
    ),
];

/// Of the pages of verbs.
const EXIT_STATUS: &[(&str, &str)] = &[
    ("0", "Done, and the answer is on standard output."),
    ("1", "Not done; the reason is on standard error."),
];

/// What the pages of verbs give as examples, a line each.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "bond",
        &[
            "hhnet bond 1001 layer2+3 enp2s1 enp2s2",
            "hhnet bond 1001 layer3+4 enp2s1 enp2s2 --mtu=9036 --lacp-rate=fast",
        ],
    ),
    (
        "vlan",
        &["hhnet vlan 1001 enp2s1", "hhnet vlan 1002 bond0 --mtu=9036"],
    ),
    (
        "dhcp",
        &["hhnet dhcp enp2s1", "hhnet dhcp enp2s1 --timeout=20"],
    ),
    ("p2p", &["hhnet p2p enp2s1 10.0.1.0/31 10.0.1.1"]),
    (
        "flows",
        &[
            "hhnet flows --top=10 --by=packets",
            "hhnet flows --watch --member=enp2s1",
            "hhnet flows --json",
        ],
    ),
    ("dups", &["hhnet dups", "hhnet dups --json --watch"]),
    ("diagnose", &["hhnet diagnose", "hhnet diagnose --json"]),
    ("metrics", &["hhnet metrics"]),
    ("status", &["hhnet status"]),
    ("top", &["hhnet top"]),
    ("cleanup", &["hhnet cleanup"]),
    ("getvips", &["hhnet getvips"]),
];

/// What bash completes an interface by. Directories alone: there may be a file
/// `bonding_masters` among them.
const INTERFACES: &str = r"$(cd /sys/class/net && printf '%s ' */ | tr -d /)";
/// What stands for that until the script is generated.
const PLACEHOLDER: &str = "INTERFACES";

/// What hhnet(1) says hhnet is.
const DESCRIPTION: &str = "\
hhnet bonds the ports of a server by LACP (802.3ad), adds VLANs, leases addresses, and
prints them. A small agent stays behind: it keeps the leases alive, and counts with XDP
and tc what really crossed each member of the bond. The first command starts it, and
cleanup, which takes everything back, ends it.

Commands of an ordinary user become root by sudo, without asking for a password.";

fn main() -> io::Result<()> {
    let directory = env::args_os().nth(1).map(PathBuf::from);
    let directory = directory.ok_or_else(|| io::Error::other("no directory is named"))?;
    let command = grammar();
    manual(&command, &directory.join("man"))?;
    completions(&command, &directory.join("completions"))
}

/// The grammar without what is not for people.
fn grammar() -> Command {
    let command = hhnet::cli::command();
    let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
    let mut described = Command::new("hhnet")
        .about(command.get_about().cloned().unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"))
        .long_about(DESCRIPTION)
        .override_usage("hhnet COMMAND [ARGUMENTS]")
        .subcommand_help_heading("COMMANDS")
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommands(shown.cloned());
    described.build();
    described
}

fn manual(command: &Command, directory: &Path) -> io::Result<()> {
    start(directory)?;
    let verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    write(directory, &page(command, &overview(&verbs))?)?;
    for verb in command.get_subcommands() {
        write(directory, &page(verb, &about(verb.get_name()))?)?;
    }
    Ok(())
}

/// A file name and its text.
type Page = (String, Vec<u8>);

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
    section(&mut roff, "EXIT STATUS", EXIT_STATUS);
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

fn completions(command: &Command, directory: &Path) -> io::Result<()> {
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
                .any(|name| ["iface", "NAME"].contains(&name.as_str()))
            {
                arg.value_parser([PLACEHOLDER])
            } else {
                arg
            }
        })
    })
}

/// An empty directory: what it had before may not be made any more.
fn start(directory: &Path) -> io::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)
}

fn write(directory: &Path, (name, text): &Page) -> io::Result<()> {
    fs::write(directory.join(name), text)
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::*;

    /// Everything written, for as long as a test takes.
    struct Written(PathBuf);

    impl Written {
        fn new(name: &str) -> Self {
            let directory = env::temp_dir().join(format!("hhnet-{name}-{}", process::id()));
            let written = Self(directory);
            let command = grammar();
            manual(&command, &written.0.join("man")).unwrap();
            completions(&command, &written.0.join("completions")).unwrap();
            written
        }

        fn read(&self, file: &str) -> String {
            fs::read_to_string(self.0.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
        }
    }

    impl Drop for Written {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn every_verb_has_a_page_with_its_usage_and_examples_that_it_takes() {
        let written = Written::new("man");
        let overview = written.read("man/hhnet.1");
        for verb in grammar().get_subcommands().map(Command::get_name) {
            let page = written.read(&format!("man/hhnet-{verb}.1"));
            for part in ["SYNOPSIS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"] {
                assert!(page.contains(part), "{verb} has no {part}");
            }
            assert!(overview.contains(verb), "{verb} is not in hhnet(1)");
        }
        let lines = EXAMPLES.iter().flat_map(|(_, lines)| lines.iter());
        let entries = SECTIONS.iter().filter(|(title, _)| *title == "EXAMPLES");
        let entries = entries.flat_map(|(_, entries)| entries.iter());
        for line in lines.chain(entries.map(|(line, _)| line)) {
            let words = line.split(' ').skip(1).map(Into::into);
            let parsed = hhnet::cli::parse(words);
            assert!(parsed.is_ok(), "{line}: {parsed:?}");
        }
    }

    /// What bash offers for the last word of a line.
    fn offered(script: &Path, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split(' ').collect();
        let [.., before, last] = words[..] else {
            panic!("{line}: too short")
        };
        let text = format!(
            "source {}\nCOMP_WORDS=({}'{last}')\nCOMP_CWORD={}\n\
             _hhnet hhnet '{last}' {before}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display(),
            line.strip_suffix(last).unwrap_or(line),
            words.len() - 1,
        );
        let output = process::Command::new("bash").args(["-c", &text]).output();
        let output = output.expect("bash");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
        let text = String::from_utf8(output.stdout).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn bash_completes_verbs_policies_and_interfaces() {
        let written = Written::new("completions");
        let script = written.0.join("completions/hhnet");
        assert_eq!(offered(&script, "hhnet b"), ["bond"]);
        assert_eq!(
            offered(&script, "hhnet bond 1001 enc"),
            ["encap2+3", "encap3+4"]
        );
        assert_eq!(
            offered(&script, "hhnet bond 1001 layer2 --lacp"),
            ["--lacp-rate"]
        );
        assert_eq!(offered(&script, "hhnet flows --by p"), ["packets"]);
        for line in ["hhnet vlan 1001 l", "hhnet flows --member l"] {
            let offered = offered(&script, line);
            assert!(offered.contains(&"lo".to_owned()), "{line}: {offered:?}");
        }
        for line in ["hhnet agen", "hhnet --elevat"] {
            assert_eq!(offered(&script, line), [""], "{line} is not for people");
        }
    }
}
