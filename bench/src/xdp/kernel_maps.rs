// SPDX-License-Identifier: Apache-2.0
//! Maps of a program that is in the kernel, whoever loaded it.

use std::{
    fs,
    os::fd::{AsFd as _, AsRawFd as _},
};

use anyhow::{Context as _, Result};
use aya::{maps::MapInfo, programs::ProgramInfo};

/// All maps that a program uses.
pub(super) fn of(program: &ProgramInfo) -> Result<Vec<MapInfo>> {
    let ids = program.map_ids()?.context("the kernel lists no maps")?;
    ids.into_iter()
        .map(|id| MapInfo::from_id(id).context("asking for a map"))
        .collect()
}

/// The one of that name.
pub(super) fn named(program: &ProgramInfo, name: &str) -> Result<MapInfo> {
    of(program)?
        .into_iter()
        .find(|map| map.name_as_str() == Some(name))
        .with_context(|| format!("the program has no map {name}"))
}

/// Kernel memory of a map in bytes, as the kernel tells it.
pub(super) fn memory(map: &MapInfo) -> Result<u64> {
    let fd = map.fd()?;
    let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("memlock:"));
    let bytes = line.with_context(|| format!("no memlock in {path}"))?;
    bytes.trim().parse().context("a number of bytes")
}
