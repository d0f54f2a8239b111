// SPDX-License-Identifier: Apache-2.0
//! The guest's user space: the host's own programs, and a skeleton around them.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::archive::{self, Archive};
use crate::setup::apt;

/// Programs of the guest; their libraries follow from `ldd`.
#[rustfmt::skip]
const TOOLS: &[&str] = &[
    // a usable shell
    "awk", "basename", "bash", "cat", "chmod", "chown", "cmp", "cp", "cut", "date", "dd", "df", "dirname", "env", "false",
    "find", "free", "grep", "head", "hostname", "id", "kill", "less", "ln", "ls", "mkdir", "mktemp", "mv", "od", "pgrep",
    "printf", "ps", "pwd", "readlink", "realpath", "rm", "rmdir", "sed", "seq", "setpriv", "setsid", "sleep", "sort", "stat",
    "stty", "sync", "tail", "tee", "test", "timeout", "top", "touch", "tr", "true", "uname", "uniq", "wc", "xargs",
    // the network and the kernel
    "bridge", "dmesg", "dnsmasq", "ethtool", "ip", "kmod", "mount", "nft", "nsenter", "ping", "ss", "strace", "sysctl", "tc",
    "tcpdump", "umount", "unshare",
    // who looks at a screen
    "tmux",
];

/// Files of the host's packages that the tools read.
const DATA: &[&str] = &[
    "/etc/iproute2",
    "/etc/protocols",
    "/lib/terminfo",
    "/usr/lib/locale/C.utf8",
];

/// Users that dnsmasq and tcpdump change to.
const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
                      core:x:500:500:core:/home/core:/bin/bash\n\
                      tcpdump:x:501:501::/:/bin/false\n\
                      dnsmasq:x:502:502::/:/bin/false\n\
                      nobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &str = "root:x:0:\ncore:x:500:\ntcpdump:x:501:\ndnsmasq:x:502:\nnogroup:x:65534:\n";

/// Empty, for the kernel, for programs and for us.
const DIRECTORIES: &str = "dev proc sys run tmp root mnt home/core opt/bin \
    usr/bin usr/sbin usr/lib usr/lib64 var/cache var/lib/misc var/log var/tmp";

const LINKS: [(&str, &str); 8] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("usr/bin/sh", "bash"),
    ("usr/sbin/modprobe", "../bin/kmod"),
    ("usr/sbin/lsmod", "../bin/kmod"),
    ("var/run", "../run"),
];

const TEXTS: [(&str, &str); 5] = [
    ("etc/passwd", PASSWD),
    ("etc/group", GROUP),
    ("etc/hosts", "127.0.0.1 localhost\n"),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\n",
    ),
    // As systemd ships it: without it, loading bonding makes a bond0 of its own.
    (
        "etc/modprobe.d/bonding.conf",
        "options bonding max_bonds=0\n",
    ),
];

/// The archive of the tools, rewritten when one of them has changed.
pub(super) fn pack(dir: &Path) -> Result<PathBuf> {
    let mut programs = BTreeSet::new();
    for tool in TOOLS {
        programs.insert(apt::program(tool)?);
    }
    archive::cached(dir, "tools", &stamp(&programs)?, |_, archive| {
        add_skeleton(archive);
        for file in programs.union(&libraries(&programs)?) {
            archive.copy(&merged(file), file, 0o755);
        }
        add_data(archive)
    })
}

/// Changes whenever one of the programs does, or the list of the other files.
fn stamp(programs: &BTreeSet<PathBuf>) -> Result<String> {
    let mut stamp = DATA.join("\n") + "\n";
    for program in programs {
        let about = program
            .metadata()
            .with_context(|| format!("reading {}", program.display()))?;
        stamp += &format!("{} {} {}\n", program.display(), about.len(), about.mtime());
    }
    Ok(stamp)
}

fn add_skeleton(archive: &mut Archive) {
    for directory in DIRECTORIES.split_whitespace() {
        archive.directory(directory);
    }
    for (path, target) in LINKS {
        archive.link(path, target);
    }
    for (path, text) in TEXTS {
        archive.text(path, text);
    }
}

fn add_data(archive: &mut Archive) -> Result<()> {
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
    fn paths_follow_the_merged_usr() {
        assert_eq!(merged(Path::new("/sbin/ip")), "/usr/sbin/ip");
        assert_eq!(merged(Path::new("/lib64/ld.so")), "/usr/lib64/ld.so");
        assert_eq!(merged(Path::new("/usr/bin/awk")), "/usr/bin/awk");
        assert_eq!(merged(Path::new("/etc/iproute2")), "/etc/iproute2");
    }
}
