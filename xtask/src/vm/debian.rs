// SPDX-License-Identifier: Apache-2.0
//! Machines with systemd: roots of Debian, made from its packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use clap::ValueEnum;

use super::archive::{self, Archive};
use crate::process;
use crate::setup::apt;
use crate::setup::kernel::Kernel;
use crate::workspace::Workspace;

/// The releases whose systemd hhnet is tested beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Release {
    /// systemd 257, as on the test servers (Flatcar).
    #[value(name = "13")]
    Trixie,
    /// systemd 252, and a NetworkManager.
    #[value(name = "12")]
    Bookworm,
}

/// What the test servers have, too, and what the tests look and talk with.
#[rustfmt::skip]
const PACKAGES: &[&str] = &[
    "dbus", "libpam-systemd", "systemd", "systemd-resolved", "systemd-sysv", "systemd-timesyncd", "udev",
    "kmod", "login", "openssh-client", "openssh-server", "passwd", "procps", "sudo",
    "curl", "dnsmasq-base", "ethtool", "iperf3", "iproute2", "iputils-arping", "iputils-ping", "less", "ncat", "strace", "tcpdump",
];

/// The last step of making a root, which also writes the archive.
const PREPARE: &str = include_str!("../../debian/prepare.sh");

/// Who may install hhnet: the user `core`.
pub(super) const CORE: u32 = 500;

/// Links that enable units, and what they lead to.
const LINKS: [(&str, &str); 1] = [(
    "etc/systemd/system/multi-user.target.wants/vm-job.service",
    "/etc/systemd/system/vm-job.service",
)];

impl Release {
    pub(crate) const ALL: [Self; 2] = [Self::Trixie, Self::Bookworm];

    /// The number, as in `--debian`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Trixie => "13",
            Self::Bookworm => "12",
        }
    }

    fn codename(self) -> &'static str {
        match self {
            Self::Trixie => "trixie",
            Self::Bookworm => "bookworm",
        }
    }

    /// The series of its kernel.
    pub(super) fn kernel(self) -> Kernel {
        match self {
            Self::Trixie => Kernel::V6_12,
            Self::Bookworm => Kernel::V6_1,
        }
    }

    fn packages(self) -> Vec<&'static str> {
        let more: &[&str] = match self {
            Self::Trixie => &[],
            Self::Bookworm => &["network-manager"],
        };
        [PACKAGES, more].concat()
    }
}

/// The archive of a release's root.
pub(super) fn pack(dir: &Path, release: Release) -> Result<PathBuf> {
    let packages = release.packages().join(",");
    let stamp = format!("{packages}\n{PREPARE}");
    archive::made_once(dir, release.codename(), &stamp, |step, file| {
        let is_root = nix::unistd::geteuid().is_root();
        ensure!(is_root, "making a root of Debian needs root");
        let mut mmdebstrap = Command::new(apt::program("mmdebstrap")?);
        mmdebstrap
            .args(["--mode=root", "--variant=essential", "--format=null"])
            .arg(format!("--include={packages}"))
            .arg(format!("--customize-hook={PREPARE}"))
            .args([release.codename(), "/dev/null", &apt::mirror()?])
            .env("ARCHIVE", file);
        process::within(step, &mut mmdebstrap)
    })
}

/// Adds what makes a Debian the lab's server: units, settings of systemd.
pub(super) fn add_settings(workspace: &Workspace, archive: &mut Archive) -> Result<()> {
    archive.copy_tree("", &workspace.debian_settings())?;
    for (link, target) in LINKS {
        archive.link(link, target);
    }
    Ok(())
}
