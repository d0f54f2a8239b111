// SPDX-License-Identifier: Apache-2.0
//! The guest's file system: the host's own tools, a kernel's modules, and the payload.
//!
//! Three archives, because they change at different times: tools with the host's
//! packages, modules with the kernel, the payload with each build.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::archive::Archive;
use crate::process;
use crate::progress::{Step, step};
use crate::setup::apt;
use crate::setup::kernel::Provisioned;

/// Programs of the guest; their libraries follow from `ldd`.
#[rustfmt::skip]
const TOOLS: &[&str] = &[
    // a usable shell
    "awk", "basename", "bash", "cat", "chmod", "chown", "cmp", "cp", "cut", "date", "dd", "df", "dirname", "env", "false",
    "find", "free", "grep", "head", "hostname", "id", "kill", "less", "ln", "ls", "mkdir", "mktemp", "mv", "od", "pgrep",
    "printf", "ps", "pwd", "readlink", "realpath", "rm", "rmdir", "sed", "seq", "setpriv", "setsid", "sleep", "sort", "stat",
    "stty", "sync", "tail", "tee", "test", "timeout", "top", "touch", "tr", "true", "uname", "uniq", "wc", "xargs",
    // the network and the kernel
    "bridge", "dmesg", "dnsmasq", "ethtool", "ip", "kmod", "mount", "nsenter", "ping", "ss", "strace", "sysctl", "tc",
    "tcpdump", "umount", "unshare",
];

/// Modules of the guest, with what they depend on. The kernel loads most of them by
/// itself, through modprobe, when a link of their kind is made.
#[rustfmt::skip]
const MODULES: &[&str] = &[
    "virtio_pci", "virtio_console",
    "8021q", "af_packet", "bonding", "bridge", "dummy", "ifb", "ipvlan", "macvlan", "team", "tun", "veth", "vrf", "vxlan",
    "act_gact", "act_mirred", "cls_bpf", "cls_flower", "cls_matchall", "cls_u32", "sch_ingress", "sch_netem", "sch_tbf",
    "nf_tables", "nft_compat", "nft_ct", "nft_limit",
];

/// Files of the host's packages that the tools read.
const DATA: &[&str] = &["/etc/iproute2", "/etc/protocols", "/lib/terminfo"];

/// Users that dnsmasq and tcpdump change to.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
                      core:x:500:500:core:/home/core:/bin/bash\n\
                      tcpdump:x:501:501::/:/bin/false\n\
                      dnsmasq:x:502:502::/:/bin/false\n\
                      nobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &str = "root:x:0:\ncore:x:500:\ntcpdump:x:501:\ndnsmasq:x:502:\nnogroup:x:65534:\n";

/// The archive of the tools, rewritten when one of them has changed.
pub(super) fn tools(dir: &Path) -> Result<PathBuf> {
    let mut files = BTreeSet::new();
    for tool in TOOLS {
        files.insert(apt::program(tool)?);
    }
    let stamp = stamp(&files)?;
    cached(dir, "tools", &stamp, |step, archive| {
        for file in &files {
            step.progress(&file.display().to_string());
            archive.copy(&merged(file), file, 0o755);
        }
        for library in libraries(&files)? {
            archive.copy(&merged(&library), &library, 0o755);
        }
        system_files(archive)
    })
}

/// The archive of a kernel's modules.
pub(super) fn modules(dir: &Path, kernel: &Provisioned) -> Result<PathBuf> {
    let name = format!("modules-{}", kernel.release);
    cached(dir, &name, &MODULES.join(" "), |step, archive| {
        let stage = tempfile::tempdir_in(dir).context("creating a staging directory")?;
        for module in module_files(kernel)? {
            let inside = module.strip_prefix(&kernel.root)?;
            step.progress(&inside.display().to_string());
            stage_module(step, &module, &stage.path().join(inside))?;
        }
        let lists = Path::new("lib/modules").join(&kernel.release);
        for list in [
            "modules.order",
            "modules.builtin",
            "modules.builtin.modinfo",
        ] {
            fs::copy(
                kernel.root.join(&lists).join(list),
                stage.path().join(&lists).join(list),
            )
            .with_context(|| format!("copying {list}"))?;
        }
        let mut depmod = Command::new(apt::program("depmod")?);
        process::within(
            step,
            depmod.arg("-b").arg(stage.path()).arg(&kernel.release),
        )?;
        archive.copy_tree("/usr/lib/modules", &stage.path().join("lib/modules"))?;
        Ok(stage)
    })
}

/// Returns `<dir>/<name>.cpio`, made by `fill` unless it was made from the same `stamp`.
/// What `fill` returns lives until the archive is written.
fn cached<T>(
    dir: &Path,
    name: &str,
    stamp: &str,
    fill: impl FnOnce(&Step, &mut Archive) -> Result<T>,
) -> Result<PathBuf> {
    let file = dir.join(name).with_added_extension("cpio");
    let stamp_file = dir.join(name).with_added_extension("stamp");
    if file.is_file() && fs::read_to_string(&stamp_file).is_ok_and(|old| old == stamp) {
        return Ok(file);
    }
    step(&format!("packing {name} for the VM"), |step| {
        let mut archive = Archive::default();
        let _sources = fill(step, &mut archive)?;
        archive.write(&file)?;
        fs::write(&stamp_file, stamp).with_context(|| format!("writing {}", stamp_file.display()))
    })?;
    Ok(file)
}

/// Changes whenever one of the files does.
fn stamp(files: &BTreeSet<PathBuf>) -> Result<String> {
    let mut stamp = format!("{PASSWD}{GROUP}{DATA:?}\n");
    for file in files {
        let about = file
            .metadata()
            .with_context(|| format!("reading {}", file.display()))?;
        stamp += &format!("{} {} {}\n", file.display(), about.len(), about.mtime());
    }
    Ok(stamp)
}

/// Skeleton, configuration and data of the guest.
fn system_files(archive: &mut Archive) -> Result<()> {
    for dir in [
        "dev",
        "proc",
        "sys",
        "run",
        "tmp",
        "root",
        "mnt",
        "home/core",
        "var/lib/misc",
    ] {
        archive.directory(dir);
    }
    for dir in ["bin", "sbin", "lib", "lib64"] {
        archive.directory(&format!("usr/{dir}"));
        archive.link(dir, &format!("usr/{dir}"));
    }
    archive.link("usr/bin/sh", "bash");
    archive.link("usr/sbin/modprobe", "../bin/kmod");
    archive.link("usr/sbin/lsmod", "../bin/kmod");
    archive.link("var/run", "../run");
    archive.text("etc/passwd", PASSWD);
    archive.text("etc/group", GROUP);
    archive.text("etc/hosts", "127.0.0.1 localhost\n");
    archive.text(
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\n",
    );
    // As systemd ships it: without it, loading bonding makes a bond0 of its own.
    archive.text(
        "etc/modprobe.d/bonding.conf",
        "options bonding max_bonds=0\n",
    );
    for path in DATA {
        let from = Path::new(path);
        if from.is_dir() {
            archive.copy_tree(&merged(from), from)?;
        } else if from.is_file() {
            archive.copy(&merged(from), from, 0o644);
        }
    }
    Ok(())
}

/// The path in a guest where /bin, /sbin, /lib and /lib64 are links into /usr.
fn merged(path: &Path) -> String {
    let path = path.display().to_string();
    let top = ["/bin/", "/sbin/", "/lib/", "/lib64/"]
        .iter()
        .any(|top| path.starts_with(top));
    if top { format!("/usr{path}") } else { path }
}

/// All shared libraries of the programs, and the one that no `ldd` lists: glibc opens
/// libgcc_s only when a thread ends, and aborts the program if it is not there.
fn libraries(programs: &BTreeSet<PathBuf>) -> Result<BTreeSet<PathBuf>> {
    // ldd fails for the static ones among them but lists the others.
    let ldd = Command::new("ldd")
        .args(programs)
        .output()
        .context("starting ldd")?;
    let mut libraries: BTreeSet<PathBuf> = String::from_utf8_lossy(&ldd.stdout)
        .lines()
        .filter_map(parse_ldd)
        .map(Into::into)
        .collect();
    let libgcc = libraries
        .iter()
        .filter_map(|library| library.parent())
        .map(|dir| dir.join("libgcc_s.so.1"))
        .find(|libgcc| libgcc.is_file())
        .context("no libgcc_s.so.1 beside the tools' libraries")?;
    libraries.insert(libgcc);
    Ok(libraries)
}

/// `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)` or `/lib64/ld-….so.2 (0x…)`.
fn parse_ldd(line: &str) -> Option<&str> {
    let path = line.split_once("=>").map_or(line, |(_, path)| path);
    let path = path.trim().split_once(" (").map(|(path, _)| path)?;
    path.starts_with('/').then_some(path)
}

/// The files of [`MODULES`] and of all they depend on, in the unpacked package.
fn module_files(kernel: &Provisioned) -> Result<BTreeSet<PathBuf>> {
    let mut modprobe = Command::new(apt::program("modprobe")?);
    modprobe
        .arg("-d")
        .arg(&kernel.root)
        .args(["-S", &kernel.release, "--show-depends", "-a"]);
    let listing = process::output(modprobe.args(MODULES))?;
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
    fn ldd_lines() {
        let libc = "\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f3c)";
        assert_eq!(parse_ldd(libc), Some("/lib/x86_64-linux-gnu/libc.so.6"));
        let loader = "\t/lib64/ld-linux-x86-64.so.2 (0x00007f3c)";
        assert_eq!(parse_ldd(loader), Some("/lib64/ld-linux-x86-64.so.2"));
        for other in [
            "/usr/bin/ip:",
            "\tlinux-vdso.so.1 (0x00007ffd)",
            "\tnot a dynamic executable",
        ] {
            assert_eq!(parse_ldd(other), None, "{other}");
        }
    }

    #[test]
    fn modprobe_lines() {
        let path = "/x/lib/modules/6.1/kernel/drivers/net/bonding/bonding.ko";
        assert_eq!(
            parse_insmod(&format!("insmod {path} max_bonds=0")),
            Some(path)
        );
        assert_eq!(parse_insmod("builtin virtio_pci"), None);
    }

    #[test]
    fn paths_follow_the_merged_usr() {
        assert_eq!(merged(Path::new("/sbin/ip")), "/usr/sbin/ip");
        assert_eq!(merged(Path::new("/lib64/ld.so")), "/usr/lib64/ld.so");
        assert_eq!(merged(Path::new("/usr/bin/awk")), "/usr/bin/awk");
        assert_eq!(merged(Path::new("/etc/iproute2")), "/etc/iproute2");
    }
}
