// SPDX-License-Identifier: Apache-2.0
//! The ports between the VM and its host.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{command, succeed, wait_for};

/// How long the drivers may take to offer the ports.
const PATIENCE: Duration = Duration::from_secs(20);

/// Opens the virtio-serial port of that name, which may appear late.
pub(crate) fn open(name: &str) -> Result<File> {
    let device = wait_for(&format!("the port {name}"), PATIENCE, || device(name))?;
    open_device(&device)
}

/// Opens the terminal, and tells it its size if that is known.
pub(crate) fn open_terminal(size: &[&str]) -> Result<File> {
    let device = wait_for("the terminal hvc0", PATIENCE, || {
        Some(PathBuf::from("/dev/hvc0")).filter(|device| device.exists())
    })?;
    let terminal = open_device(&device)?;
    if let [rows, columns] = size {
        let mut stty = command("stty");
        stty.args(["rows", rows, "columns", columns]);
        succeed(stty.stdin(terminal.try_clone().context("duplicating hvc0")?))?;
    }
    Ok(terminal)
}

/// Not by /dev/virtio-ports, which only udev makes.
fn device(name: &str) -> Option<PathBuf> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    let port = ports.flatten().find(|port| {
        fs::read_to_string(port.path().join("name")).is_ok_and(|port| port.trim() == name)
    })?;
    Some(Path::new("/dev").join(port.file_name())).filter(|device| device.exists())
}

fn open_device(device: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(device)
        .with_context(|| format!("opening {}", device.display()))
}
