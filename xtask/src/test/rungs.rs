// SPDX-License-Identifier: Apache-2.0
//! How each harness is run: here, in namespaces, or in a VM.

use std::env;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::{PROGRAM_TESTS, SCALE, SOAK};
use crate::payload::{self, Payload};
use crate::setup::kernel::Kernel;
use crate::summary::Summary;
use crate::vm::{self, Job, Release, System};
use crate::workspace::Workspace;
use crate::{dist, process, setup};

/// Most of a DHCP test is waiting for a lease to run out, so that many of them share
/// a processor.
const NETNS_THREADS: &str = "8";

/// Where the guest has the Debian package, for the tests that install it.
const PACKAGE_IN_GUEST: &str = "opt/hhnet.deb";

/// What a harness is told by its environment.
pub(crate) type Variable = (&'static str, String);

/// One run of a harness of libtest's.
pub(crate) struct Harness<'a> {
    /// Its test target.
    pub(crate) target: &'static str,
    pub(crate) variables: &'a [Variable],
    pub(crate) arguments: &'a [String],
    /// When it counts as hanging, and is killed.
    pub(crate) timeout: Duration,
}

/// hhnet's unit tests, and those of its parts that are pure.
pub(super) fn unit(
    workspace: &Workspace,
    variables: &[Variable],
    filter: &[String],
) -> Result<Summary> {
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--no-fail-fast", "--"]).args(filter);
    let (status, output) = process::watched(cargo.envs(variables.iter().cloned()))?;
    Ok(Summary::read(&output, status.success()))
}

/// The eBPF programs in this kernel, by `BPF_PROG_TEST_RUN` too. Targets of their own,
/// which plain `cargo test` leaves out.
pub(super) fn programs(
    workspace: &Workspace,
    variables: &[Variable],
    filter: &[String],
) -> Result<Summary> {
    ensure_root()?;
    let mut cargo = workspace.cargo();
    // Not by `--package`, which would choose other features and build everything anew.
    cargo.args(["test", "--no-fail-fast"]);
    for target in PROGRAM_TESTS {
        cargo.args(["--test", target]);
    }
    cargo.arg("--").args(filter);
    let (status, output) = process::watched(cargo.envs(variables.iter().cloned()))?;
    Ok(Summary::read(&output, status.success()))
}

/// hhnet's verbs, from outside, by one of the harnesses that need this kernel alone.
pub(crate) fn netns(workspace: &Workspace, run: &Harness) -> Result<Summary> {
    ensure_root()?;
    let hhnet = dist::build(workspace)?;
    let (servers, kea, prometheus) = {
        let _lock = setup::lock(workspace)?;
        (
            setup::servers::SERVERS.provide(workspace)?,
            setup::servers::KEA.provide(workspace)?,
            setup::prometheus::PROMETHEUS.provide(workspace)?,
        )
    };
    let harness = payload::test_harness(workspace, run.target)?;
    let mut timeout = Command::new("timeout");
    timeout.args(["--foreground", "--kill-after=5"]);
    timeout.arg(run.timeout.as_secs().to_string()).arg(harness);
    timeout.args(run.arguments).env("HHNET", hhnet);
    timeout
        .env("HHNET_DHCP_SERVERS", servers)
        .env("HHNET_KEA", kea);
    timeout.env("HHNET_PROMETHEUS", prometheus);
    timeout.envs(run.variables.iter().cloned());
    if [SCALE, SOAK].contains(&run.target) {
        // It measures, and says what.
        timeout.env("RUST_TEST_NOCAPTURE", "1");
    }
    if env::var_os("RUST_TEST_THREADS").is_none() {
        timeout.env("RUST_TEST_THREADS", NETNS_THREADS);
    }
    let (status, output) = process::watched(&mut timeout)?;
    Ok(Summary::read(&output, status.success()))
}

fn ensure_root() -> Result<()> {
    let is_root = nix::unistd::geteuid().is_root();
    ensure!(is_root, "network namespaces need root");
    Ok(())
}

/// Bonds and VLANs between namespaces.
pub(super) fn vm(workspace: &Workspace, kernel: Kernel, run: &Harness) -> Result<Summary> {
    let payload = Payload::build(workspace)?
        .with_relay(workspace)?
        .with("hhnet-fault", payload::fault_program(workspace)?);
    in_vm(workspace, System::Bare(kernel), payload, run)
}

/// What the fabric's own tests do with a server, whose only one is the machine itself:
/// one test after the other.
pub(super) fn host(workspace: &Workspace, release: Release, run: &Harness) -> Result<Summary> {
    let package = dist::package(workspace)?;
    let payload = Payload::build(workspace)?
        .with("hhnet-fault", payload::fault_program(workspace)?)
        .with_servers(workspace)?
        .with_copy(PACKAGE_IN_GUEST, package);
    let arguments = [&["--test-threads=1".to_owned()], run.arguments].concat();
    let one_by_one = Harness {
        arguments: &arguments,
        ..*run
    };
    in_vm(workspace, System::Debian(release), payload, &one_by_one)
}

/// A harness in a VM that has the payload, too.
pub(crate) fn in_vm(
    workspace: &Workspace,
    system: System,
    payload: Payload,
    run: &Harness,
) -> Result<Summary> {
    let name = format!("{}-tests", run.target);
    let harness = payload::test_harness(workspace, run.target)?;
    let set = |(name, value): &Variable| format!("{name}={value}");
    let mut command = vec!["env".to_owned()];
    command.extend(run.variables.iter().map(set));
    command.push(name.clone());
    command.extend_from_slice(run.arguments);
    let job = Job {
        system,
        payload: &payload.with(&name, harness),
        command,
        interactive: false,
        timeout: run.timeout,
    };
    let outcome = vm::run(workspace, &job)?;
    Ok(Summary::read(&outcome.output, outcome.status == 0))
}
