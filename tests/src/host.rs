// SPDX-License-Identifier: Apache-2.0
//! A server: runs hhnet, is observed through `ip`, and leaves nothing behind.

use std::cell::{Cell, RefCell};
use std::env;
use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::namespace::{self, Namespace, Process};
use crate::process::{self, Output};
use crate::wait::{self, PATIENCE};
use crate::xdp;

/// A verb that has not answered by then never will, as far as a test cares.
pub const VERB_DEADLINE: Duration = Duration::from_secs(60);

/// What the kernel may take to settle links that were just set up.
const SETTLING: Duration = Duration::from_secs(3);

/// Where hhnet keeps what it needs while it runs.
pub const RUNTIME_DIR: &str = "/run/hhnet";

/// Where hhnet writes what it did.
pub const LOG: &str = "/var/log/hhnet.log";

/// A server of the fabric, with the hhnet binary under test.
///
/// When a test has passed and the server is dropped, `hhnet cleanup` has to
/// leave the server as the fixture made it; what is left behind fails the test.
#[derive(Debug)]
pub struct Host {
    namespace: Namespace,
    links: RefCell<Vec<String>>,
    discarded: Cell<bool>,
}

/// The binary under test: `$HHNET`, else the installed one, else the built one.
pub fn binary() -> PathBuf {
    if let Some(path) = env::var_os("HHNET") {
        return path.into();
    }
    let installed = PathBuf::from("/opt/bin/hhnet");
    if installed.exists() {
        return installed;
    }
    concat!(env!("CARGO_MANIFEST_DIR"), "/../target/dist/hhnet").into()
}

impl Host {
    /// A server without any port.
    pub fn new(name: &str) -> Self {
        Self {
            namespace: Namespace::new(name),
            links: RefCell::new(vec!["lo".to_owned()]),
            discarded: Cell::new(false),
        }
    }

    /// Says that `link` belongs to the machine and may outlive `hhnet cleanup`.
    pub fn owns(&self, link: &str) {
        self.links.borrow_mut().push(link.to_owned());
    }

    /// Brings all links up, and waits until all ports have their carrier, which
    /// comes a moment after both ends are up.
    pub(crate) fn power_up(&self) {
        let own = self.links.borrow();
        let up: String = own
            .iter()
            .map(|link| format!("link set {link} up\n"))
            .collect();
        self.namespace.ip_batch(&up);
        let has_carrier = |link: &&Value| link["operstate"] == "UP";
        wait::until("carrier on all ports", PATIENCE, || {
            self.ip_json("link show").iter().filter(has_carrier).count() + 1 == own.len()
        });
    }

    /// The machine itself.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The command `hhnet LINE`, split at blanks.
    pub fn hhnet_command(&self, line: &str) -> Command {
        let mut command = self.namespace.command(binary());
        command.args(line.split_whitespace());
        command
    }

    /// Runs `hhnet LINE` until it has exited and let go of its pipes.
    #[track_caller]
    pub fn hhnet(&self, line: &str) -> Output {
        process::run(&mut self.hhnet_command(line), VERB_DEADLINE)
    }

    /// Runs `hhnet LINE`, which has to succeed, and returns its answer.
    #[track_caller]
    pub fn must(&self, line: &str) -> String {
        self.hhnet(line).success(&format!("hhnet {line}")).stdout
    }

    /// Runs `hhnet LINE` as a user without any right.
    #[track_caller]
    pub fn hhnet_as_nobody(&self, line: &str) -> Output {
        process::run(&mut self.command_of_nobody(line), VERB_DEADLINE)
    }

    /// The command `hhnet LINE` of a user without any right.
    pub fn command_of_nobody(&self, line: &str) -> Command {
        let mut command = self.hhnet_command(line);
        namespace::unprivileged(&mut command);
        command
    }

    /// Runs `hhnet LINE`, which has to be refused: by one line on stderr with
    /// all of `words` in it, without an answer, and without a trace.
    #[track_caller]
    pub fn refuses(&self, line: &str, words: &[&str]) {
        let before = self.snapshot();
        let output = self.hhnet(line);
        assert_refusal(line, &output, words);
        self.expect_unchanged(&before);
    }

    /// Runs another command line in the machine.
    pub fn run(&self, line: &str) -> Output {
        self.namespace.run(line)
    }

    /// The output of `ip ARGS`, which has to succeed.
    #[track_caller]
    pub fn ip(&self, args: &str) -> String {
        self.namespace.must(&format!("ip {args}"))
    }

    /// The output of `ip -json ARGS`, parsed; an empty answer is an empty list.
    #[track_caller]
    pub fn ip_json(&self, args: &str) -> Vec<Value> {
        let text = self.ip(&format!("-json {args}"));
        if text.trim().is_empty() {
            return Vec::new();
        }
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("ip -json {args}: {e}\n{text}"))
    }

    /// The names of all links, sorted.
    pub fn links(&self) -> Vec<String> {
        let mut names: Vec<_> = self
            .ip_json("link show")
            .iter()
            .filter_map(|link| Some(link.get("ifname")?.as_str()?.to_owned()))
            .collect();
        names.sort();
        names
    }

    /// Whether there is a link of this name.
    pub fn has_link(&self, name: &str) -> bool {
        self.links().iter().any(|link| link == name)
    }

    /// The global IPv4 addresses of a link as `a.b.c.d/len`; none if there is no link.
    pub fn addresses(&self, link: &str) -> Vec<String> {
        let output = self.run(&format!("ip -o -4 addr show dev {link} scope global"));
        let lines = output.stdout.lines();
        lines
            .filter_map(|line| line.split_whitespace().nth(3).map(str::to_owned))
            .collect()
    }

    /// The remaining valid lifetime in seconds of the link's one IPv4 address.
    #[track_caller]
    pub fn valid_lft(&self, link: &str) -> u64 {
        let text = self.ip(&format!("-4 addr show dev {link}"));
        let mut words = text
            .split_whitespace()
            .skip_while(|word| *word != "valid_lft");
        words
            .nth(1)
            .and_then(|word| word.strip_suffix("sec")?.parse().ok())
            .unwrap_or_else(|| panic!("no finite valid_lft in:\n{text}"))
    }

    /// Links, addresses and routes in full, one per line and in an order of
    /// their own, so that equal machines have equal texts. What was just set up is given
    /// the time to settle.
    pub fn snapshot(&self) -> String {
        let mut picture = String::new();
        // One that does not is shown as it is.
        let _ = wait::poll(SETTLING, || {
            picture = self.picture();
            (!picture.lines().any(is_settling)).then_some(())
        });
        picture
    }

    fn picture(&self) -> String {
        let views = [
            "-d -o link show",
            "-d -o addr show",
            "-d -o route show table all",
        ];
        let text: String = views.iter().map(|view| self.ip(view)).collect();
        let mut lines: Vec<_> = text.lines().map(str::trim_end).collect();
        lines.sort_unstable();
        lines.join("\n")
    }

    /// Waits until the machine looks as it did at `before`.
    #[track_caller]
    pub fn expect_unchanged(&self, before: &str) {
        let mut now = String::new();
        let same = wait::poll(PATIENCE, || {
            now = self.snapshot();
            (now == before).then_some(())
        });
        if same.is_none() {
            panic!("the machine has changed\nbefore:\n{before}\nafter:\n{now}");
        }
    }

    /// The processes of hhnet in this machine.
    pub fn hhnet_processes(&self) -> Vec<Process> {
        let mut processes = self.namespace.processes();
        processes.retain(|process| process.cmdline.contains("hhnet"));
        processes
    }

    /// What hhnet and the fixture's own commands left behind, as sentences.
    pub fn residue(&self) -> Vec<String> {
        let own = self.links.borrow();
        let processes = self.namespace.processes();
        let mut found: Vec<_> = processes
            .iter()
            .map(|p| format!("process {} is left: {}", p.pid, p.cmdline))
            .collect();
        let links = self.links();
        found.extend(
            links
                .iter()
                .filter(|l| !own.contains(l))
                .map(|link| format!("link {link} is left")),
        );
        // Those of links that are gone are gone with them.
        let leased = [
            "-4 -o addr show dynamic",
            "-4 -o route show table all proto dhcp",
        ];
        found.extend(leased.iter().flat_map(|view| {
            let shown = self.ip(view);
            let left = |line: &str| format!("of a lease is left: {}", line.trim());
            shown.lines().map(left).collect::<Vec<_>>()
        }));
        let details = self.ip("-d -o link show");
        found.extend(
            details
                .lines()
                .filter(|l| l.contains("xdp"))
                .map(|l| format!("XDP is left: {l}")),
        );
        let still_there = own.iter().filter(|link| links.contains(link));
        let still_there: Vec<&str> = still_there.map(|link| link.as_ref()).collect();
        found.extend(
            xdp::all_classifiers(&self.namespace, &still_there)
                .iter()
                .map(|(link, left)| format!("on {link} is left: {left}")),
        );
        found.extend(
            self.runtime_files()
                .iter()
                .map(|f| format!("file {f} is left")),
        );
        found
    }

    /// The files in hhnet's runtime directory.
    pub fn runtime_files(&self) -> Vec<String> {
        self.namespace.enter(|| {
            let entries = fs::read_dir(RUNTIME_DIR).into_iter().flatten().flatten();
            entries
                .map(|entry| entry.path().display().to_string())
                .collect()
        })
    }

    /// Drops the server in whatever state it is.
    pub fn discard(self) {
        self.discarded.set(true);
    }

    /// Waits until nothing is left, which a cleanup may be a moment ahead of.
    #[track_caller]
    pub fn expect_clean(&self) {
        let mut left = Vec::new();
        let clean = wait::poll(PATIENCE, || {
            left = self.residue();
            left.is_empty().then_some(())
        });
        assert!(clean.is_some(), "after hhnet cleanup:\n{}", left.join("\n"));
    }

    /// Ends the server's life, and checks that nothing is left.
    fn leave(&self) {
        self.must("cleanup");
        self.expect_clean();
    }

    /// hhnet's log file; empty if there is none.
    pub fn log(&self) -> String {
        self.namespace.read(LOG).unwrap_or_default()
    }

    /// What one wants to know about the machine when a test has failed.
    pub fn report(&self) -> String {
        let addresses = self.run("ip -d -o addr show").stdout;
        let links = self.run("ip -d -o link show").stdout;
        let routes = self.run("ip route show").stdout;
        let processes = self.hhnet_processes();
        let log = self.log();
        format!("{links}{addresses}{routes}{processes:?}\n{LOG}:\n{log}")
    }
}

/// Whether the kernel will soon say something else of a link, or of an address: a carrier
/// is there before the link's state (net/core/link_watch.c), and an IPv6 address is
/// tentative at first (RFC 4862, section 5.4).
fn is_settling(line: &str) -> bool {
    line.contains(" tentative ") || (line.contains("LOWER_UP") && line.contains("NO-CARRIER"))
}

/// Checks that `output` is a refusal: one line on stderr with all of `words`.
#[track_caller]
pub fn assert_refusal(line: &str, output: &Output, words: &[&str]) {
    let said = &output.stderr;
    assert!(!output.ok(), "hhnet {line}: succeeded");
    assert_eq!(output.stdout, "", "hhnet {line}: stdout is for answers");
    assert_eq!(
        said.lines().count(),
        1,
        "hhnet {line}: one line was expected:\n{said}"
    );
    for word in words {
        assert!(
            said.contains(word),
            "hhnet {line}: the error does not name {word}:\n{said}"
        );
    }
}

impl Drop for Host {
    #[expect(clippy::print_stderr, reason = "the report of a failed test")]
    fn drop(&mut self) {
        if thread::panicking() {
            // A second panic that gets out of here would end all other tests, too.
            let report = panic::catch_unwind(AssertUnwindSafe(|| self.report()));
            eprintln!(
                "--- {} when the test failed ---\n{}",
                self.namespace.name(),
                report.unwrap_or_default()
            );
        } else if !self.discarded.get() {
            self.leave();
        }
    }
}
