// SPDX-License-Identifier: Apache-2.0
//! Kernel memory of hhnet's maps.

use std::collections::BTreeMap;

use anyhow::Result;
use hhnet::xdp::{Programs, report::Direction};

use super::{kernel_maps, table::Table};
use crate::report::{Figure, Goal};

const MIB: f64 = 1_048_576.0;

/// Measures, and prints a table.
pub(super) fn run(print: &mut impl FnMut(&str)) -> Result<Vec<Figure>> {
    let mut programs = Programs::load()?;
    let mut infos = vec![programs.xdp()?.info()?];
    for direction in [Direction::In, Direction::Out] {
        infos.push(programs.classifier(direction)?.info()?);
    }
    // Programs share most of them.
    let mut maps = BTreeMap::new();
    for info in &infos {
        for map in kernel_maps::of(info)? {
            let name = map.name_as_str().unwrap_or_default().to_owned();
            maps.insert((name, map.id()), kernel_maps::memory(&map)?);
        }
    }
    let mut table = Table::new("map", &["MiB"]);
    for ((name, _), bytes) in &maps {
        table.row(name, [format!("{:.2}", *bytes as f64 / MIB)]);
    }
    print(&table.to_string());
    let sum: u64 = maps.values().sum();
    let mib = sum as f64 / MIB;
    Ok(vec![Figure::new("map_memory_mib", mib, Goal::AtMost(16.0))])
}
