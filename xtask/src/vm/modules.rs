// SPDX-License-Identifier: Apache-2.0
//! The guest's kernel modules.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::archive;
use crate::process;
use crate::progress::Step;
use crate::setup::apt;
use crate::setup::kernel::Provisioned;

/// Modules of the guest, with what they depend on. The kernel loads most of them by
/// itself, through modprobe, when a link of their kind is made.
#[rustfmt::skip]
const MODULES: &[&str] = &[
    "virtio_pci", "virtio_console",
    "8021q", "af_packet", "bonding", "bridge", "dummy", "ifb", "ipvlan", "macvlan", "team", "tun", "veth", "vrf", "vxlan",
    "act_gact", "act_mirred", "cls_bpf", "cls_flower", "cls_matchall", "cls_u32", "sch_ingress", "sch_netem", "sch_tbf",
    "nf_tables", "nft_chain_nat", "nft_compat", "nft_ct", "nft_limit", "nft_nat",
];

/// More of them for a machine with systemd and NICs: what udev finds a driver for, and
/// what systemd and its services ask for.
const MACHINE_MODULES: &[&str] = &["autofs4", "e1000", "fuse", "sch_fq_codel", "virtio_net"];

/// What depmod reads besides the modules, to know what is built in.
const LISTS: [&str; 3] = [
    "modules.order",
    "modules.builtin",
    "modules.builtin.modinfo",
];

/// The archive of the modules of a kernel's small flavour.
pub(super) fn pack(dir: &Path, kernel: &Provisioned) -> Result<PathBuf> {
    pack_these(dir, kernel, MODULES)
}

/// The archive of the modules of a kernel with drivers of NICs.
pub(super) fn pack_for_machine(dir: &Path, kernel: &Provisioned) -> Result<PathBuf> {
    pack_these(dir, kernel, &[MODULES, MACHINE_MODULES].concat())
}

fn pack_these(dir: &Path, kernel: &Provisioned, modules: &[&str]) -> Result<PathBuf> {
    let name = format!("modules-{}", kernel.release);
    archive::cached(dir, &name, &modules.join(" "), |step, archive| {
        let stage = tempfile::tempdir_in(dir).context("creating a staging directory")?;
        for module in module_files(kernel, modules)? {
            let inside = module.strip_prefix(&kernel.root)?;
            stage_module(step, &module, &stage.path().join(inside))?;
        }
        index(step, kernel, stage.path())?;
        archive.copy_tree("/usr/lib/modules", &stage.path().join("lib/modules"))?;
        Ok(stage)
    })
}

/// Tells modprobe what is there.
fn index(step: &Step, kernel: &Provisioned, stage: &Path) -> Result<()> {
    let modules = Path::new("lib/modules").join(&kernel.release);
    for list in LISTS.map(|list| modules.join(list)) {
        fs::copy(kernel.root.join(&list), stage.join(&list))
            .with_context(|| format!("copying {}", list.display()))?;
    }
    let mut depmod = Command::new(apt::program("depmod")?);
    process::within(step, depmod.arg("-b").arg(stage).arg(&kernel.release))
}

/// The files of modules and of all they depend on, in the unpacked package.
fn module_files(kernel: &Provisioned, modules: &[&str]) -> Result<BTreeSet<PathBuf>> {
    let mut modprobe = Command::new(apt::program("modprobe")?);
    modprobe
        .arg("-d")
        .arg(&kernel.root)
        .args(["-S", &kernel.release, "--show-depends", "-a"]);
    let listing = process::output(modprobe.args(modules))?;
    Ok(listing
        .lines()
        .filter_map(parse_insmod)
        .map(Into::into)
        .collect())
}

/// `insmod /…/bonding.ko.xz max_bonds=0`; `builtin …` needs no file.
fn parse_insmod(line: &str) -> Option<&str> {
    line.strip_prefix("insmod ")?.split_whitespace().next()
}

/// Copies a module, decompressed: an emulated CPU would take long to do it.
fn stage_module(step: &Step, from: &Path, to: &Path) -> Result<()> {
    let dir = to.parent().context("a module has a directory")?;
    fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
    fs::copy(from, to).with_context(|| format!("copying {}", from.display()))?;
    if to.extension().is_some_and(|extension| extension == "xz") {
        process::within(step, Command::new("xz").arg("-d").arg(to))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modprobe_lines() {
        let path = "/x/lib/modules/6.1/kernel/drivers/net/bonding/bonding.ko";
        assert_eq!(
            parse_insmod(&format!("insmod {path} max_bonds=0")),
            Some(path)
        );
        assert_eq!(parse_insmod("builtin virtio_pci"), None);
    }
}
