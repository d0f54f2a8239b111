// SPDX-License-Identifier: Apache-2.0
//! The throw-away virtual machine: one boot, one command, no disk.

mod accel;
mod archive;
mod debian;
mod modules;
mod nics;
mod qemu;
mod tools;
mod verdict;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tempfile::TempDir;

use crate::payload::Payload;
use crate::setup;
use crate::setup::kernel::{self, Flavour, Kernel};
use crate::workspace::Workspace;
use accel::{Accel, PROBE_TIMEOUT};
use archive::Archive;
pub(crate) use debian::Release;

/// What boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    /// A kernel with our own init and the host's own programs.
    Bare(Kernel),
    /// A machine with systemd and NICs.
    Debian(Release),
}

/// What to do in a VM.
pub(crate) struct Job<'a> {
    pub(crate) system: System,
    pub(crate) payload: &'a Payload,
    /// The command line; it runs as root, with the payload's directory on its PATH.
    pub(crate) command: Vec<String>,
    /// Wires the user's terminal to the command instead of streaming its output.
    pub(crate) interactive: bool,
    /// The VM is killed after that time.
    pub(crate) timeout: Duration,
}

/// How it went.
pub(crate) struct Outcome {
    /// Exit status of the command, 128 + n if a signal killed it.
    pub(crate) status: i32,
    /// What the command wrote to stdout and stderr; empty if it was interactive.
    pub(crate) output: String,
}

/// Boots a VM, runs the command in it and powers it off. The command's output appears
/// on our stdout as it comes.
///
/// # Errors
/// Whatever keeps the VM from delivering the command's exit status.
pub(crate) fn run(workspace: &Workspace, job: &Job) -> Result<Outcome> {
    let accel = accel::choose(&workspace.vm(), |accel| {
        let probe = Job {
            system: System::Bare(Kernel::V6_12),
            command: vec!["true".to_owned()],
            interactive: false,
            timeout: PROBE_TIMEOUT,
            ..*job
        };
        let machine = machine(workspace, probe.system)?;
        boot(workspace, &machine, accel, &probe).map(drop)
    })?;
    boot(workspace, &machine(workspace, job.system)?, accel, job)
}

/// Makes a Debian to boot, unless it is there.
pub(crate) fn provision(workspace: &Workspace, release: Release) -> Result<()> {
    machine(workspace, System::Debian(release)).map(drop)
}

impl System {
    /// As messages name it.
    fn name(self) -> String {
        match self {
            Self::Bare(kernel) => format!("Linux {}", kernel.name()),
            Self::Debian(release) => format!("Debian {}", release.name()),
        }
    }
}

/// The parts of a VM that do not change from one build to the next.
struct Machine {
    kernel: PathBuf,
    user_space: PathBuf,
    modules: PathBuf,
}

fn machine(workspace: &Workspace, system: System) -> Result<Machine> {
    let _lock = setup::lock(workspace)?;
    let dir = workspace.vm();
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let (kernel, user_space, modules) = match system {
        System::Bare(kernel) => {
            let kernel = kernel::provision(workspace, kernel, Flavour::Cloud)?;
            let modules = modules::pack(&dir, &kernel)?;
            (kernel, tools::pack(&dir)?, modules)
        }
        System::Debian(release) => {
            let kernel = kernel::provision(workspace, release.kernel(), Flavour::Full)?;
            let modules = modules::pack_for_machine(&dir, &kernel)?;
            (kernel, debian::pack(&dir, release)?, modules)
        }
    };
    Ok(Machine {
        kernel: kernel.image,
        user_space,
        modules,
    })
}

fn boot(workspace: &Workspace, machine: &Machine, accel: Accel, job: &Job) -> Result<Outcome> {
    let dir = run_dir(&workspace.vm())?;
    let payload = dir.path().join("payload.cpio");
    payload_archive(workspace, job)?.write(&payload)?;
    let initramfs = dir.path().join("initramfs.cpio");
    archive::concatenate(
        &[&machine.user_space, &machine.modules, &payload],
        &initramfs,
    )?;

    let files = qemu::Files {
        kernel: &machine.kernel,
        initramfs: &initramfs,
        console: &dir.path().join("console.log"),
        stderr: &dir.path().join("qemu.log"),
    };
    qemu::run(&files, accel, job).map_err(|error| {
        let system = job.system.name();
        anyhow!(
            "running a VM with {system}: {error:#}\n{}",
            files.last_words()
        )
    })
}

/// A directory for one run, which removes itself. Those of runs that were killed, and
/// hence could not, go as well.
fn run_dir(parent: &Path) -> Result<TempDir> {
    let entries = fs::read_dir(parent).with_context(|| format!("listing {}", parent.display()))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix("run-")?.split_once('-'));
        if owner.is_some_and(|(pid, _)| !Path::new("/proc").join(pid).exists()) {
            // Whoever else starts a VM now may be removing it, too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    tempfile::Builder::new()
        .prefix(&format!("run-{}-", std::process::id()))
        .tempdir_in(parent)
        .context("creating a directory for the VM's run")
}

/// Our init, the programs under test, and the command line: NUL-separated in a file,
/// because the kernel's own command line cannot quote.
fn payload_archive(workspace: &Workspace, job: &Job) -> Result<Archive> {
    let mut archive = Archive::default();
    if let System::Debian(_) = job.system {
        debian::add_settings(workspace, &mut archive)?;
    }
    archive.copy("usr/sbin/vm-init", &job.payload.init, 0o755);
    for (program, file) in &job.payload.programs {
        archive.copy_for(debian::CORE, &format!("opt/bin/{program}"), file, 0o755);
    }
    for (path, from) in &job.payload.copies {
        if from.is_dir() {
            archive.copy_tree(path, from)?;
        } else {
            archive.copy(path, from, 0o755);
        }
    }
    archive.text("etc/vm-init.argv", &job.command.join("\0"));
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_directories_of_dead_runs_are_removed() {
        let parent = tempfile::tempdir().unwrap();
        let (dead, alive) = ("run-4194305-x", format!("run-{}-x", std::process::id()));
        for name in [dead, &alive, "6.12"] {
            fs::create_dir(parent.path().join(name)).unwrap();
        }
        let new = run_dir(parent.path()).unwrap();
        assert!(!parent.path().join(dead).exists());
        for kept in [
            new.path(),
            &parent.path().join(alive),
            &parent.path().join("6.12"),
        ] {
            assert!(kept.exists(), "{}", kept.display());
        }
    }
}
