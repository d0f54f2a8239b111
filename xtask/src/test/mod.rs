// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask test`: every rung of tests, and one line that sums them up.

mod rungs;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::progress::{answer, failure, note};
use crate::setup::kernel::Kernel;
use crate::soak;
use crate::summary::Summary;
use crate::vm::Release;
use crate::workspace::Workspace;
pub(crate) use rungs::{Harness, Variable, in_vm, netns};

/// When a rung counts as hanging: after about twice what it takes.
const TIMEOUT: Duration = Duration::from_secs(25 * 60);

/// The same of the longest, where one test comes after the other.
const HOST_TIMEOUT: Duration = Duration::from_secs(35 * 60);

/// What depends on the kernel. All else a second one would only say once more.
const OF_THE_KERNEL: [&str; 7] = [
    "xdp::",
    "bond::",
    "vlan::",
    "address::",
    "routes::",
    "adopt::",
    "privileges::",
];

/// The harnesses that have the machine for themselves, and measure.
const SCALE: &str = "scale";
pub(crate) const SOAK: &str = "soak";

/// Tests of hhnet's that load eBPF programs, and are no part of plain `cargo test`.
pub(crate) const PROGRAM_TESTS: [&str; 5] = [
    "xdp_testrun",
    "tc_testrun",
    "dups_testrun",
    "slots_testrun",
    "datapath_testrun",
];

/// Kinds of tests by what they need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rung {
    /// Nothing: the pure parts
    Unit,
    /// Root: network namespaces on this kernel
    Netns,
    /// QEMU: bonds and VLANs on Debian's kernels
    Vm,
    /// QEMU: machines with systemd and NICs, as the fabric's servers are
    Host,
}

/// Which tests to run.
pub(crate) struct Selection<'a> {
    pub(crate) rungs: &'a [Rung],
    pub(crate) kernels: &'a [Kernel],
    pub(crate) releases: &'a [Release],
    /// All of what takes long, and everything on each kernel.
    pub(crate) is_thorough: bool,
    /// Passed to every libtest harness.
    pub(crate) filter: &'a [String],
}

impl Selection<'_> {
    /// What the harnesses are told: `tests/src/pace.rs`, and two tests of hhnet's own.
    fn variables(&self) -> Vec<Variable> {
        let asked = self.is_thorough.then(|| ("HHNET_THOROUGH", "1".to_owned()));
        asked.into_iter().collect()
    }

    fn timeout(&self, usual: Duration) -> Duration {
        if self.is_thorough {
            soak::TIMEOUT
        } else {
            usual
        }
    }

    /// What is asked of that kernel: everything of the first one.
    fn of_kernel(&self, kernel: Kernel) -> Vec<String> {
        let is_first = self.kernels.first() == Some(&kernel);
        if is_first || self.is_thorough || !self.filter.is_empty() {
            return self.filter.to_vec();
        }
        OF_THE_KERNEL.map(str::to_owned).to_vec()
    }
}

/// Runs the rungs, all of them even if one fails. Returns whether all passed.
pub(crate) fn run(workspace: &Workspace, selection: &Selection) -> Result<bool> {
    let mut report = Report {
        is_filtered: !selection.filter.is_empty(),
        ..Report::default()
    };
    for rung in selection.rungs {
        match rung {
            Rung::Unit => report.add("unit", || {
                rungs::unit(workspace, &selection.variables(), selection.filter)
            }),
            Rung::Netns => add_netns(&mut report, workspace, selection),
            Rung::Vm => add_vm(&mut report, workspace, selection),
            Rung::Host => add_host(&mut report, workspace, selection),
        }
    }
    Ok(report.conclude())
}

fn add_netns(report: &mut Report, workspace: &Workspace, selection: &Selection) {
    let variables = selection.variables();
    report.add("netns, XDP programs", || {
        rungs::programs(workspace, &variables, selection.filter)
    });
    for (target, name) in [("netns", "verbs"), (SCALE, "a thousand leases")] {
        let run = Harness {
            target,
            variables: &variables,
            arguments: selection.filter,
            timeout: selection.timeout(TIMEOUT),
        };
        report.add(&format!("netns, {name}"), || netns(workspace, &run));
    }
    report.add("netns, again and again", || {
        soak::here(
            workspace,
            &variables,
            selection.filter,
            selection.timeout(TIMEOUT),
        )
    });
}

fn add_vm(report: &mut Report, workspace: &Workspace, selection: &Selection) {
    for &kernel in selection.kernels {
        let run = Harness {
            target: "vm",
            variables: &selection.variables(),
            arguments: &selection.of_kernel(kernel),
            timeout: selection.timeout(TIMEOUT),
        };
        let name = format!("vm on Linux {}", kernel.name());
        report.add(&name, || rungs::vm(workspace, kernel, &run));
    }
    // Of more kernels the others would say the same.
    if let Some(&kernel) = selection.kernels.first() {
        let name = format!("vm on Linux {}, again and again", kernel.name());
        report.add(&name, || {
            let (variables, timeout) = (selection.variables(), selection.timeout(TIMEOUT));
            soak::in_vm(workspace, kernel, &variables, selection.filter, timeout)
        });
    }
}

fn add_host(report: &mut Report, workspace: &Workspace, selection: &Selection) {
    for &release in selection.releases {
        let run = Harness {
            target: "host",
            variables: &selection.variables(),
            arguments: selection.filter,
            timeout: selection.timeout(HOST_TIMEOUT),
        };
        let name = format!("host with Debian {}", release.name());
        report.add(&name, || rungs::host(workspace, release, &run));
    }
}

#[derive(Default)]
struct Report {
    is_filtered: bool,
    lines: Vec<String>,
    total: Summary,
}

impl Report {
    /// Runs a rung. One that cannot run, or has no tests, has failed.
    fn add(&mut self, name: &str, rung: impl FnOnce() -> Result<Summary>) {
        note(&format!("tests: {name}"));
        let started = Instant::now();
        let result = rung().and_then(|summary| {
            ensure!(self.is_filtered || !summary.is_empty(), "no test has run");
            Ok(summary)
        });
        let (summary, remark) = match result {
            Ok(summary) => (summary, String::new()),
            Err(error) => {
                failure(&error);
                (Summary::ONE_FAILURE, format!(": could not run: {error}"))
            }
        };
        let seconds = started.elapsed().as_secs_f64();
        self.lines
            .push(format!("{name}: {summary} in {seconds:.0} s{remark}"));
        self.total += summary;
    }

    fn conclude(mut self) -> bool {
        if self.total.is_empty() {
            self.lines.push("no test matches".to_owned());
            self.total += Summary::ONE_FAILURE;
        }
        answer("");
        self.lines.iter().for_each(|line| answer(line));
        answer(&self.total.to_string());
        self.total.failed == 0
    }
}
