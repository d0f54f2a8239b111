// SPDX-License-Identifier: Apache-2.0
//! `cargo xtask bench dhcp`: hhnet and the DHCP clients of others, measured in turns.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::payload::{self, Payload};
use crate::progress::{answer, note};
use crate::setup;
use crate::setup::debs::Debs;
use crate::setup::kernel::Kernel;
use crate::vm::{self, Job, System};
use crate::workspace::Workspace;
use crate::{dist, process};

/// The binary that measures.
pub(super) const PROGRAM: &str = "bench-dhcp";

/// Twice what the VM takes under emulation.
const VM_TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// networkd, with the libraries that a Debian without systemd lacks.
const SYSTEMD: Debs = Debs {
    name: "systemd",
    packages: &[
        "systemd",
        "libsystemd-shared",
        "libacl1",
        "libaudit1",
        "libblkid1",
        "libcap-ng0",
        "libcap2",
        "libcrypt1",
        "libgcrypt20",
        "libgpg-error0",
        "libip4tc2",
        "libkmod2",
        "liblz4-1",
        "liblzma5",
        "libmount1",
        "libpam0g",
        "libpcre2-8-0",
        "libseccomp2",
        "libselinux1",
        "libssl3",
        "libzstd1",
    ],
};

/// What the VM gets of it: networkd and all libraries.
const NETWORKD: [&str; 3] = [
    "lib/systemd/systemd-networkd",
    "lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu",
];

const UDHCPC: Debs = Debs {
    name: "udhcpc",
    packages: &["udhcpc", "busybox-static"],
};

const DHCPCD: Debs = Debs {
    name: "dhcpcd-base",
    packages: &["dhcpcd-base"],
};

const DHCLIENT: Debs = Debs {
    name: "isc-dhcp-client",
    packages: &["isc-dhcp-client"],
};

/// The parts of the DHCP benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Six clients on a veth pair, on this kernel
    Veth,
    /// A server that offers nothing at first
    Fault,
    /// A bond and a VLAN in the VM
    Bond,
}

impl Part {
    const ALL: [Self; 3] = [Self::Veth, Self::Fault, Self::Bond];

    fn name(self) -> &'static str {
        match self {
            Self::Veth => "veth",
            Self::Fault => "fault",
            Self::Bond => "bond",
        }
    }

    fn rounds(self) -> u32 {
        match self {
            Self::Veth => 15,
            Self::Fault => 5,
            Self::Bond => 7,
        }
    }
}

/// Measures, and prints all figures once more at the end.
pub(super) fn run(workspace: &Workspace, part: Option<Part>, rounds: Option<u32>) -> Result<()> {
    let parts = part.map_or(Part::ALL.to_vec(), |part| vec![part]);
    let mut figures = Vec::new();
    for part in parts {
        let rounds = rounds.unwrap_or(part.rounds()).to_string();
        note(&format!("bench dhcp: {}, {rounds} rounds", part.name()));
        let output = match part {
            Part::Veth | Part::Fault => here(workspace, part, &rounds)?,
            Part::Bond => in_vm(workspace, &rounds)?,
        };
        let lines = output.lines().filter(|line| line.starts_with("figure "));
        figures.extend(lines.map(str::to_owned));
    }
    answer("");
    figures.iter().for_each(|figure| answer(figure));
    Ok(())
}

/// In namespaces of this machine.
fn here(workspace: &Workspace, part: Part, rounds: &str) -> Result<String> {
    let is_root = nix::unistd::geteuid().is_root();
    ensure!(is_root, "network namespaces need root");
    let hhnet = dist::build(workspace)?;
    let program = payload::lab_program(workspace, PROGRAM)?;
    provide_peers(workspace)?;
    let mut bench = Command::new(program);
    bench.args([part.name(), rounds]);
    bench.env("HHNET", hhnet).env("PEERS", workspace.peers());
    let (status, output) = process::watched(&mut bench)?;
    ensure!(status.success(), "{PROGRAM} {}: {status}", part.name());
    Ok(output)
}

/// Everything that hhnet is compared with.
pub(crate) fn provide_peers(workspace: &Workspace) -> Result<()> {
    let _lock = setup::lock(workspace)?;
    for debs in [SYSTEMD, UDHCPC, DHCPCD, DHCLIENT] {
        debs.provide(workspace)?;
    }
    Ok(())
}

fn in_vm(workspace: &Workspace, rounds: &str) -> Result<String> {
    let systemd = {
        let _lock = setup::lock(workspace)?;
        SYSTEMD.provide(workspace)?
    };
    let program = payload::lab_program(workspace, PROGRAM)?;
    let mut payload = Payload::build(workspace)?.with(PROGRAM, program);
    for part in NETWORKD {
        payload = payload.with_copy(
            &format!("opt/peers/systemd/root/{part}"),
            systemd.join(part),
        );
    }
    let command = [
        "env",
        "PEERS=/opt/peers",
        PROGRAM,
        Part::Bond.name(),
        rounds,
    ];
    let job = Job {
        system: System::Bare(Kernel::V6_12),
        payload: &payload,
        command: command.map(str::to_owned).to_vec(),
        interactive: false,
        timeout: VM_TIMEOUT,
    };
    let outcome = vm::run(workspace, &job)?;
    ensure!(
        outcome.status == 0,
        "{PROGRAM} in the VM: exit status {}",
        outcome.status
    );
    Ok(outcome.output)
}
