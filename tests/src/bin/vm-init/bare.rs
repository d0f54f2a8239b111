// SPDX-License-Identifier: Apache-2.0
//! The life of PID 1: what a kernel alone has not done.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::unistd::sethostname;

use crate::{command, succeed};

/// Mounts what every program expects, and loads what nothing else would.
pub(crate) fn prepare() -> Result<()> {
    mount_all()?;
    sethostname("server-01").context("setting the host name")?;
    // Built in or not: in Debian's 6.1 they are modules, and nothing else loads them.
    succeed(command("modprobe").args(["-a", "virtio_pci", "virtio_console"]))?;
    succeed(command("ip").args(["link", "set", "lo", "up"]))
}

fn mount_all() -> Result<()> {
    let plan = [
        ("/proc", "proc", ""),
        ("/sys", "sysfs", ""),
        ("/dev", "devtmpfs", ""),
        ("/dev/pts", "devpts", "mode=620,ptmxmode=666"),
        ("/dev/shm", "tmpfs", ""),
        ("/run", "tmpfs", "mode=755"),
        ("/tmp", "tmpfs", "mode=1777"),
        ("/sys/fs/cgroup", "cgroup2", ""),
        ("/sys/fs/bpf", "bpf", ""),
        ("/sys/kernel/debug", "debugfs", ""),
        ("/sys/kernel/tracing", "tracefs", ""),
    ];
    for (target, kind, options) in plan {
        if !Path::new(target).exists() {
            fs::create_dir_all(target).with_context(|| format!("creating {target}"))?;
        }
        mount(
            Some(kind),
            target,
            Some(kind),
            MsFlags::empty(),
            Some(options),
        )
        .with_context(|| format!("mounting {kind} on {target}"))?;
    }
    // What udev would make.
    for (link, target) in [
        ("fd", ""),
        ("stdin", "/0"),
        ("stdout", "/1"),
        ("stderr", "/2"),
    ] {
        symlink(format!("/proc/self/fd{target}"), format!("/dev/{link}"))
            .with_context(|| format!("linking /dev/{link}"))?;
    }
    Ok(())
}
