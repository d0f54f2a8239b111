// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask test`: every rung of tests, and one line that sums them up.

use std::env;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::payload::{self, Payload};
use crate::progress::{answer, failure, note};
use crate::setup::kernel::Kernel;
use crate::soak::Variable;
use crate::summary::Summary;
use crate::vm::{self, Job, Release, System};
use crate::workspace::Workspace;
use crate::{dist, process, setup, soak};

/// What a hanging rung is given, per kernel: twice what the longest one takes.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(40 * 60);

/// The same, where one test comes after the other on a machine with a whole system.
const HOST_TIMEOUT: Duration = Duration::from_secs(50 * 60);

/// Most of a DHCP test is waiting for a lease to run out, so that many of them share
/// a processor.
const NETNS_THREADS: &str = "8";

/// Where the guest has the Debian package, for the tests that install it.
const PACKAGE_IN_GUEST: &str = "opt/hhnet.deb";

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
    /// Passed to every libtest harness.
    pub(crate) filter: &'a [String],
}

/// Runs the rungs, all of them even if one fails. Returns whether all passed.
pub(crate) fn run(workspace: &Workspace, selection: &Selection) -> Result<bool> {
    let mut report = Report {
        is_filtered: !selection.filter.is_empty(),
        ..Report::default()
    };
    for rung in selection.rungs {
        match rung {
            Rung::Unit => report.add("unit", || unit(workspace, selection.filter)),
            Rung::Netns => {
                report.add("netns, XDP programs", || {
                    programs(workspace, selection.filter)
                });
                report.add("netns, verbs", || {
                    netns(workspace, "netns", &[], selection.filter)
                });
                report.add("netns, a thousand leases", || {
                    netns(workspace, SCALE, &[], selection.filter)
                });
                report.add("netns, again and again", || {
                    soak::here(workspace, &[], selection.filter)
                });
            }
            Rung::Vm => {
                for &kernel in selection.kernels {
                    let name = format!("vm on Linux {}", kernel.name());
                    report.add(&name, || vm(workspace, kernel, selection.filter));
                }
                // Of more kernels the others would say the same.
                if let Some(&kernel) = selection.kernels.first() {
                    let name = format!("vm on Linux {}, again and again", kernel.name());
                    report.add(&name, || {
                        soak::in_vm(workspace, kernel, &[], selection.filter)
                    });
                }
            }
            Rung::Host => {
                for &release in selection.releases {
                    let name = format!("host with Debian {}", release.name());
                    report.add(&name, || host(workspace, release, selection.filter));
                }
            }
        }
    }
    Ok(report.conclude())
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

fn unit(workspace: &Workspace, filter: &[String]) -> Result<Summary> {
    let mut cargo = workspace.cargo();
    let (status, output) =
        process::watched(cargo.args(["test", "--no-fail-fast", "--"]).args(filter))?;
    Ok(Summary::read(&output, status.success()))
}

/// hhnet's verbs, from outside, by one of the harnesses that need this kernel alone.
pub(crate) fn netns(
    workspace: &Workspace,
    target: &str,
    variables: &[Variable],
    filter: &[String],
) -> Result<Summary> {
    ensure_root()?;
    let hhnet = dist::build(workspace)?;
    let (servers, kea, prometheus) = {
        let _lock = setup::lock(workspace)?;
        let servers = setup::servers::SERVERS.provide(workspace)?;
        let kea = setup::servers::KEA.provide(workspace)?;
        (
            servers,
            kea,
            setup::prometheus::PROMETHEUS.provide(workspace)?,
        )
    };
    let harness = payload::test_harness(workspace, target)?;
    let mut timeout = Command::new("timeout");
    timeout.args(["--foreground", "--kill-after=5"]);
    timeout.arg(TIMEOUT.as_secs().to_string()).arg(harness);
    timeout.args(filter).env("HHNET", hhnet);
    timeout
        .env("HHNET_DHCP_SERVERS", servers)
        .env("HHNET_KEA", kea);
    timeout.env("HHNET_PROMETHEUS", prometheus);
    timeout.envs(variables.iter().map(|(name, value)| (name, value)));
    if [SCALE, SOAK].contains(&target) {
        // It measures, and says what.
        timeout.env("RUST_TEST_NOCAPTURE", "1");
    }
    if env::var_os("RUST_TEST_THREADS").is_none() {
        timeout.env("RUST_TEST_THREADS", NETNS_THREADS);
    }
    let (status, output) = process::watched(&mut timeout)?;
    Ok(Summary::read(&output, status.success()))
}

/// The eBPF programs in this kernel, by `BPF_PROG_TEST_RUN` too. Targets of their own,
/// which plain `cargo test` leaves out.
fn programs(workspace: &Workspace, filter: &[String]) -> Result<Summary> {
    ensure_root()?;
    let mut cargo = workspace.cargo();
    // Not by `--package`, which would choose other features and build everything anew.
    cargo.args(["test", "--no-fail-fast"]);
    for target in PROGRAM_TESTS {
        cargo.args(["--test", target]);
    }
    cargo.arg("--");
    let (status, output) = process::watched(cargo.args(filter))?;
    Ok(Summary::read(&output, status.success()))
}

fn ensure_root() -> Result<()> {
    let is_root = nix::unistd::geteuid().is_root();
    ensure!(is_root, "network namespaces need root");
    Ok(())
}

/// Bonds and VLANs between namespaces.
fn vm(workspace: &Workspace, kernel: Kernel, filter: &[String]) -> Result<Summary> {
    let payload = with_harness(workspace, "vm")?;
    let payload = payload
        .with_relay(workspace)?
        .with("hhnet-fault", payload::fault_program(workspace)?);
    in_vm(
        workspace,
        System::Bare(kernel),
        &payload,
        "vm-tests",
        filter,
    )
}

/// What the fabric's own tests do with a server, whose only one is the machine itself:
/// one test after the other.
fn host(workspace: &Workspace, release: Release, filter: &[String]) -> Result<Summary> {
    let package = dist::package(workspace)?;
    let payload = with_harness(workspace, "host")?
        .with("hhnet-fault", payload::fault_program(workspace)?)
        .with_servers(workspace)?
        .with_copy(PACKAGE_IN_GUEST, package);
    let one_by_one = [&["--test-threads=1".to_owned()], filter].concat();
    in_vm(
        workspace,
        System::Debian(release),
        &payload,
        "host-tests",
        &one_by_one,
    )
}

/// hhnet, and the harness of that name.
fn with_harness(workspace: &Workspace, target: &str) -> Result<Payload> {
    let harness = payload::test_harness(workspace, target)?;
    Ok(Payload::build(workspace)?.with(&format!("{target}-tests"), harness))
}

fn in_vm(
    workspace: &Workspace,
    system: System,
    payload: &Payload,
    harness: &str,
    arguments: &[String],
) -> Result<Summary> {
    let job = Job {
        system,
        payload,
        command: [&[harness.to_owned()], arguments].concat(),
        interactive: false,
        timeout: match system {
            System::Bare(_) => TIMEOUT,
            System::Debian(_) => HOST_TIMEOUT,
        },
    };
    let outcome = vm::run(workspace, &job)?;
    Ok(Summary::read(&outcome.output, outcome.status == 0))
}
