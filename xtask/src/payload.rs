// SPDX-License-Identifier: Apache-2.0
//! Static builds of everything that goes into the VM.

use std::io::BufReader;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cargo_metadata::Message;

use crate::workspace::{STATIC_TARGET, Workspace};
use crate::{dist, process, setup};

/// The package of the black-box tests, the fabric and the guest's init.
const PACKAGE: [&str; 2] = ["--package", "hhnet-tests"];

/// Static, small and quickly built.
const PROFILE: [&str; 4] = ["--profile", "lab", "--target", STATIC_TARGET];

/// The guest's init, and the programs that are put into its /opt/bin.
pub(crate) struct Payload {
    pub(crate) init: PathBuf,
    pub(crate) programs: Vec<(String, PathBuf)>,
    /// Files and directories, and their paths in the guest.
    pub(crate) copies: Vec<(String, PathBuf)>,
}

impl Payload {
    /// Builds hhnet and the lab.
    pub(crate) fn build(workspace: &Workspace) -> Result<Self> {
        let hhnet = dist::build(workspace)?;
        let init = lab_program(workspace, "vm-init")?;
        let lab = init.with_file_name("lab");
        Ok(Self {
            init,
            programs: vec![("hhnet".to_owned(), hhnet), ("lab".to_owned(), lab)],
            copies: Vec::new(),
        })
    }

    /// Adds a program under a name of its own.
    pub(crate) fn with(mut self, name: &str, program: PathBuf) -> Self {
        self.programs.push((name.to_owned(), program));
        self
    }

    /// Adds what the routers of VLAB's topology relay DHCP by.
    pub(crate) fn with_relay(self, workspace: &Workspace) -> Result<Self> {
        const RELAY: &str = "usr/sbin/dhcrelay";
        let relay = servers(workspace)?.join(RELAY);
        Ok(self.with_copy(&format!("{SERVERS_IN_GUEST}/{RELAY}"), relay))
    }

    /// Adds all DHCP servers, and the relay.
    pub(crate) fn with_servers(self, workspace: &Workspace) -> Result<Self> {
        Ok(self.with_copy(SERVERS_IN_GUEST, servers(workspace)?))
    }

    /// Adds a file or a directory, at a path in the guest.
    pub(crate) fn with_copy(mut self, path: &str, from: PathBuf) -> Self {
        self.copies.push((path.to_owned(), from));
        self
    }
}

/// Where the guest has the DHCP servers; its fixtures look there.
const SERVERS_IN_GUEST: &str = "opt/servers";

fn servers(workspace: &Workspace) -> Result<PathBuf> {
    let _lock = setup::lock(workspace)?;
    setup::servers::SERVERS.provide(workspace)
}

/// Builds hhnet as tests want it that kill it at its steps.
pub(crate) fn fault_program(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = workspace.static_cargo();
    cargo.args(["build", "--package", "hhnet", "--bin", "hhnet"]);
    cargo.args(["--features", "fault"]).args(PROFILE);
    process::visible(&mut cargo).context("building hhnet with faults")?;
    let built = workspace.target().join(STATIC_TARGET).join("lab");
    Ok(built.join("hhnet"))
}

/// Builds the programs of the lab. Returns the one of that name.
pub(crate) fn lab_program(workspace: &Workspace, name: &str) -> Result<PathBuf> {
    let mut cargo = workspace.static_cargo();
    cargo.arg("build").args(PACKAGE).arg("--bins").args(PROFILE);
    process::visible(&mut cargo).context("building the lab")?;
    let built = workspace.target().join(STATIC_TARGET).join("lab");
    Ok(built.join(name))
}

/// Builds a target of the black-box tests and returns its executable, a libtest harness.
pub(crate) fn test_harness(workspace: &Workspace, target: &str) -> Result<PathBuf> {
    let mut cargo = workspace.static_cargo();
    cargo
        .args([
            "test",
            "--no-run",
            "--message-format=json-render-diagnostics",
        ])
        .args(PACKAGE);
    cargo
        .args(["--test", target])
        .args(PROFILE)
        .stdout(Stdio::piped());
    let mut child = cargo.spawn().context("starting cargo")?;
    let stdout = child.stdout.take().context("cargo has no stdout")?;
    let mut executable = None;
    for message in Message::parse_stream(BufReader::new(stdout)) {
        if let Message::CompilerArtifact(artifact) = message.context("reading cargo's messages")?
            && artifact.target.name == target
            && artifact.profile.test
        {
            executable = artifact.executable;
        }
    }
    let status = child.wait().context("waiting for cargo")?;
    ensure!(status.success(), "building the tests of {target}: {status}");
    Ok(executable
        .with_context(|| format!("cargo built no executable for {target}"))?
        .into())
}
