// SPDX-License-Identifier: Apache-2.0
//! KVM where it really boots, else emulation.
//!
//! That /dev/kvm exists says little: within another virtual machine or a sandbox it may
//! be there and fail on the first instructions of a kernel. So one VM is booted to see,
//! and the finding is kept for as long as the host's kernel and QEMU stay the same.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::progress::{note, step};
use crate::setup::apt;

/// How QEMU runs the guest's code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accel {
    Kvm,
    /// Emulated: slow, works everywhere.
    Tcg,
}

/// A KVM guest is up in a second or two, or never.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(15);

impl Accel {
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Kvm => &["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => &["-accel", "tcg,thread=multi", "-cpu", "max"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

/// Finds out whether KVM boots, by `boot` if it was not known from before.
pub(super) fn choose(dir: &Path, boot: impl FnOnce(Accel) -> Result<()>) -> Result<Accel> {
    if OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_err()
    {
        return Ok(Accel::Tcg);
    }
    let cache = dir.join("accel");
    let host = host()?;
    let known = fs::read_to_string(&cache).unwrap_or_default();
    if let Some(accel) = parse(&known, &host) {
        return Ok(accel);
    }
    let probed = step("trying whether KVM boots", |_| Ok(boot(Accel::Kvm)))?;
    let accel = match probed {
        Ok(()) => Accel::Kvm,
        Err(error) => {
            // The rest is the console of a kernel that never came to life.
            let error = error.to_string();
            let reason = error.lines().next().unwrap_or_default();
            note(&format!(
                "emulating, because KVM does not boot here: {reason}"
            ));
            Accel::Tcg
        }
    };
    fs::write(&cache, format!("{} {host}", accel.name()))
        .with_context(|| format!("writing {}", cache.display()))?;
    Ok(accel)
}

/// Changes with the host's kernel and its QEMU.
fn host() -> Result<String> {
    let kernel = nix::sys::utsname::uname().context("asking for the kernel's release")?;
    let qemu = apt::program("qemu-system-x86_64")?
        .metadata()
        .context("reading QEMU's file")?;
    Ok(format!("{} {}", kernel.release().display(), qemu.mtime()))
}

fn parse(known: &str, host: &str) -> Option<Accel> {
    let (name, known_host) = known.split_once(' ')?;
    let accel = [Accel::Kvm, Accel::Tcg]
        .into_iter()
        .find(|accel| accel.name() == name)?;
    (known_host == host).then_some(accel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_holds_for_the_same_host_only() {
        assert_eq!(parse("kvm 6.1 17", "6.1 17"), Some(Accel::Kvm));
        assert_eq!(parse("tcg 6.1 17", "6.1 17"), Some(Accel::Tcg));
        assert_eq!(parse("kvm 6.1 17", "6.12 17"), None);
        assert_eq!(parse("hax 6.1 17", "6.1 17"), None);
        assert_eq!(parse("", "6.1 17"), None);
    }
}
