// SPDX-License-Identifier: Apache-2.0
//! Where measurements take place: one thread, on one CPU, in a network namespace of
//! its own.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use nix::{
    net::if_::if_nametoindex,
    sched::{CloneFlags, CpuSet, sched_setaffinity, unshare},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};

/// Gives the calling thread a network namespace with nothing but a loopback
/// interface that is down. Test runs take place on that interface, and nothing else
/// is counted there.
pub(crate) fn enter_namespace() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace")
}

/// Binds the calling thread to a CPU.
pub(super) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).context("choosing a CPU")?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("moving to CPU {cpu}"))
}

/// CPU time of the calling thread: what others do on this machine takes longer, but
/// does not count.
pub(super) fn thread_time() -> Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("reading the clock")?;
    Ok(time.into())
}

/// CPU time spent by the calling thread in `work`.
pub(super) fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(Duration, T)> {
    let begin = thread_time()?;
    let result = work()?;
    Ok((thread_time()? - begin, result))
}

/// Runs `ip` in the namespace of the calling thread.
pub(crate) fn ip(arguments: &str) -> Result<()> {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    let status = status.context("starting ip(8)")?;
    ensure!(status.success(), "ip {arguments}: {status}");
    Ok(())
}

/// The index of an interface in the namespace of the calling thread.
pub(crate) fn index(interface: &str) -> Result<u32> {
    if_nametoindex(interface).with_context(|| format!("looking for {interface}"))
}

/// Version of the running kernel, as `uname -r` prints it.
pub(super) fn kernel() -> Result<String> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease");
    Ok(release
        .context("reading the kernel's version")?
        .trim()
        .to_owned())
}
