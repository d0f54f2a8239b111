// SPDX-License-Identifier: Apache-2.0
//! What a client takes of the machine, and its end.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::namespace::Namespace;
use crate::wait::{self, PATIENCE};

/// From now on orphans are ours: whatever a client leaves behind is waited for by us
/// in the end, and its CPU time counted.
pub(super) fn adopt_orphans() {
    prctl::set_child_subreaper(true).expect("any process may adopt orphans");
}

/// CPU time of all children that have ended and been waited for, by us or by them.
/// Before and after a run it differs by what that run took.
pub(super) fn cpu_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("own usage can be read");
    let micros = |time: nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0)
    };
    Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()))
}

/// Resident memory of all processes of a machine, in MB.
pub(super) fn resident_mb(machine: &Namespace) -> f64 {
    let processes = machine.processes();
    let kilobytes: u64 = processes.iter().filter_map(|p| resident_kb(p.pid)).sum();
    kilobytes as f64 / 1024.0
}

fn resident_kb(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Kills all processes of a machine and waits for them.
///
/// # Panics
/// When one does not end.
pub(super) fn end(machine: &Namespace) {
    let mut killed = Vec::new();
    wait::until("all processes end", PATIENCE, || {
        let left = machine.processes();
        for process in &left {
            let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
            killed.push(process.pid);
        }
        bury();
        // One that is dead but not yet waited for has left the machine already.
        let is_there = |pid: &i32| Path::new("/proc").join(pid.to_string()).exists();
        left.is_empty() && !killed.iter().any(is_there)
    });
}

/// Waits for every child that has ended.
fn bury() {
    let ended = || waitpid(None, Some(WaitPidFlag::WNOHANG));
    while ended().is_ok_and(|status| status != WaitStatus::StillAlive) {}
}
