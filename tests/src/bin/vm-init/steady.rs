// SPDX-License-Identifier: Apache-2.0
//! A process that keeps the kernel from changing its own code while tests run.
//!
//! The kernel patches itself at the first and the last user of some things, and for each
//! XDP program that comes or goes. An emulator before QEMU 8.1 now and then goes on with a
//! breakpoint of that which has been taken out again, and the kernel panics:
//! `__dev_queue_xmit` and `bpf_dispatcher_xdp_func` were seen. So there is a user of each
//! of them all the time, in a network of its own.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use hhnet_tests::namespace::Namespace;
use hhnet_tests::xdp;

use super::command;

/// What starts this program as that process.
pub(super) const HOLD: &str = "--hold";

/// Pairs of links. The dispatcher of XDP programs has room for 48 (`BPF_DISPATCHER_MAX` in
/// include/linux/bpf.h), and is left alone once it is full.
const PAIRS: u32 = 24;

/// Starts it, and waits until it holds everything.
pub(super) fn start() -> Result<()> {
    let mut holder = command("/proc/self/exe");
    holder.arg(HOLD).stdin(Stdio::null());
    holder.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut holder = holder.spawn().context("starting a process")?;
    let mut said = String::new();
    let stdout = holder.stdout.take().context("its output")?;
    BufReader::new(stdout).read_line(&mut said)?;
    ensure!(!said.is_empty(), "it has ended");
    Ok(())
}

/// That process.
///
/// # Panics
/// When the kernel refuses something.
pub(super) fn hold() -> ! {
    let namespace = Namespace::new("steady");
    namespace.must("tc qdisc add dev lo clsact");
    // There is no tcx before 6.6.
    let classifiers = xdp::hold_foreign_classifiers(&namespace, "lo");
    let pairs = (0..PAIRS).map(|n| format!("link add a{n} type veth peer name b{n}\n"));
    namespace.ip_batch(&pairs.collect::<String>());
    let links = (0..PAIRS).flat_map(|n| [format!("a{n}"), format!("b{n}")]);
    let programs = links.map(|link| xdp::hold_foreign_program(&namespace, &link));
    let held = (programs.collect::<Vec<_>>(), classifiers);
    let _ = writeln!(io::stdout(), "held");
    loop {
        nix::unistd::pause();
        let _ = &held;
    }
}
