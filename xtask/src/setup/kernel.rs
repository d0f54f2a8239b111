// SPDX-License-Identifier: Apache-2.0
//! Debian's kernels for the VM: downloaded and unpacked, never installed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;

use super::{apt, bzimage};
use crate::process;
use crate::progress::{note, step};
use crate::workspace::Workspace;

/// The kernels that hhnet is tested on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kernel {
    /// As on the test servers (Flatcar).
    #[value(name = "6.12")]
    V6_12,
    /// Debian 12's own, the oldest supported.
    #[value(name = "6.1")]
    V6_1,
}

impl Kernel {
    pub(crate) const ALL: [Self; 2] = [Self::V6_12, Self::V6_1];

    /// The series, as in `--kernel`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V6_12 => "6.12",
            Self::V6_1 => "6.1",
        }
    }

    /// Depends on the newest kernel package of the series.
    fn metapackage(self, flavour: Flavour) -> &'static str {
        match (self, flavour) {
            (Self::V6_12, Flavour::Cloud) => "linux-image-6.12-cloud-amd64",
            (Self::V6_12, Flavour::Full) => "linux-image-6.12-amd64",
            (Self::V6_1, Flavour::Cloud) => "linux-image-cloud-amd64",
            (Self::V6_1, Flavour::Full) => "linux-image-amd64",
        }
    }
}

/// What Debian builds of each kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// The small one, which has bonding, 8021q and veth.
    Cloud,
    /// The one that has drivers of real NICs.
    Full,
}

impl Flavour {
    fn suffix(self) -> &'static str {
        match self {
            Self::Cloud => "",
            Self::Full => "-full",
        }
    }
}

/// A kernel that is ready to boot.
pub(crate) struct Provisioned {
    /// What `uname -r` will say.
    pub(crate) release: String,
    /// For QEMU's `-kernel`.
    pub(crate) image: PathBuf,
    /// Holds `lib/modules/<release>`, with modules.dep.
    pub(crate) root: PathBuf,
}

/// Downloads the kernel unless it is there.
pub(crate) fn provision(
    workspace: &Workspace,
    kernel: Kernel,
    flavour: Flavour,
) -> Result<Provisioned> {
    let name = format!("{}{}", kernel.name(), flavour.suffix());
    let dir = workspace.vm().join(&name);
    if let Some(ready) = provisioned(&dir) {
        return Ok(ready);
    }
    step(
        &format!("fetching Debian's Linux {name} for the VM"),
        |step| {
            apt::refresh_lists(step)?;
            let package = apt::dependency(kernel.metapackage(flavour), "linux-image-")?;
            apt::unpack(step, &dir, &[&package])?;
            let release = package.trim_start_matches("linux-image-").to_owned();
            let root = dir.join("root");
            process::within(
                step,
                Command::new(apt::program("depmod")?)
                    .arg("-b")
                    .arg(&root)
                    .arg(&release),
            )?;
            extract_vmlinux(&root.join("boot").join(format!("vmlinuz-{release}")), &dir)?;
            // Written last: its presence says that everything before it was completed.
            fs::write(dir.join("release"), &release).context("writing the kernel's release")?;
            Ok(())
        },
    )?;
    provisioned(&dir).context("the kernel vanished while it was being unpacked")
}

fn provisioned(dir: &Path) -> Option<Provisioned> {
    let release = fs::read_to_string(dir.join("release")).ok()?;
    let root = dir.join("root");
    let vmlinux = dir.join("vmlinux");
    let bzimage = root.join("boot").join(format!("vmlinuz-{release}"));
    let image = [vmlinux, bzimage]
        .into_iter()
        .find(|image| image.is_file())?;
    Some(Provisioned {
        release,
        image,
        root,
    })
}

/// Makes `vmlinux` in `dir`. Its lack only costs time, so that a failure is a note.
fn extract_vmlinux(bzimage: &Path, dir: &Path) -> Result<()> {
    let image = fs::read(bzimage).with_context(|| format!("reading {}", bzimage.display()))?;
    if let Err(error) = decompress(&image)
        .and_then(|vmlinux| fs::write(dir.join("vmlinux"), vmlinux).context("writing vmlinux"))
    {
        note(&format!(
            "booting {} compressed, which is slower: {error:#}",
            bzimage.display()
        ));
    }
    Ok(())
}

fn decompress(image: &[u8]) -> Result<Vec<u8>> {
    let payload = bzimage::payload(image)?;
    let mut child = Command::new(payload.decompressor)
        .args(["-d", "-c"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", payload.decompressor))?;
    let mut stdin = child
        .stdin
        .take()
        .context("the decompressor has no stdin")?;
    // Fed from a second thread: the pipes hold far less than the kernel.
    let output = std::thread::scope(|scope| {
        let feed = scope.spawn(move || stdin.write_all(payload.bytes));
        let output = child.wait_with_output();
        feed.join().expect("writing to a pipe does not panic")?;
        output
    })
    .with_context(|| format!("decompressing the kernel with {}", payload.decompressor))?;
    ensure!(
        output.status.success(),
        "{}: {}",
        payload.decompressor,
        output.status
    );
    ensure!(
        output.stdout.starts_with(b"\x7fELF"),
        "the kernel's payload is not an ELF file"
    );
    Ok(output.stdout)
}
