// SPDX-License-Identifier: Apache-2.0
//! What a process has of the machine.

use std::fs;

/// Of one process, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Resident memory, in bytes.
    pub resident: u64,
    /// Open file descriptors.
    pub descriptors: usize,
}

impl Footprint {
    /// Of the process with this id.
    ///
    /// # Panics
    /// When there is none.
    pub fn of(pid: i32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))
            .unwrap_or_else(|e| panic!("process {pid} is gone: {e}"));
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|value| value.trim().strip_suffix(" kB")?.parse().ok());
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd"));
        Self {
            resident: 1024 * resident.unwrap_or(0_u64),
            descriptors: descriptors.map_or(0, Iterator::count),
        }
    }
}
