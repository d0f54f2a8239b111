// SPDX-License-Identifier: Apache-2.0
//! Writes manual pages and shell completions, both from the grammar of the command
//! line, into the directories `man` and `completions` of the one it is given.
//!
//! No part of hhnet, which is a single file and has to be small: `cargo xtask dist`
//! runs it.

mod completions;
mod pages;
mod words;

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use clap::Command;

use self::{completions::completions, pages::manual, words::DESCRIPTION};

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

/// A file name and its text.
type Page = (String, Vec<u8>);

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

    use super::{
        words::{EXAMPLES, SECTIONS},
        *,
    };

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
