// SPDX-License-Identifier: Apache-2.0
//! Runs the one command of a test VM's life, reports its exit status on the virtio port
//! "report", and powers off.
//!
//! As PID 1 it prepares the machine before; where systemd is PID 1, it is a service, and
//! waits until the machine has started.
//!
//! `/etc/vm-init.argv` holds the command line, NUL-separated. Its output goes to the port
//! "output"; with `-- --interactive [ROWS COLUMNS]` on the kernel's command line it gets
//! the terminal hvc0 instead.

mod bare;
mod booted;
mod ports;
mod steady;

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

const PATH: &str = "/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn main() {
    if std::env::args().nth(1).as_deref() == Some(steady::HOLD) {
        steady::hold();
    }
    if let Err(error) = live() {
        // The kernel's log is the console, which the host shows when there is no verdict.
        let _ = fs::write("/dev/kmsg", format!("<0>vm-init: {error:#}\n"));
    }
    nix::unistd::sync();
    let _ = reboot(RebootMode::RB_POWER_OFF);
}

fn live() -> Result<()> {
    match std::process::id() {
        1 => bare::prepare()?,
        _ => booted::wait()?,
    }
    if let Err(error) = steady::start() {
        // Tests run without it as well, but for what it is there for.
        let _ = fs::write("/dev/kmsg", format!("<3>vm-init: steady: {error:#}\n"));
    }
    let mut report = ports::open("report")?;
    let mut job = job()?;
    writeln!(report, "hhnet-vm: up").context("reporting")?;
    let child = job
        .spawn()
        .with_context(|| format!("starting {:?}", job.get_program()))?;
    let status = reap_until_exit_of(Pid::from_raw(child.id().try_into()?))?;
    writeln!(report, "hhnet-vm: exit {status}").context("reporting")
}

/// The command of this VM's life, connected to where its output belongs.
fn job() -> Result<Command> {
    let argv = fs::read_to_string("/etc/vm-init.argv").context("reading /etc/vm-init.argv")?;
    let argv: Vec<&str> = argv.split('\0').collect();
    let kernel = fs::read_to_string("/proc/cmdline").context("reading /proc/cmdline")?;
    let arguments = kernel.split_once(" -- ").map_or("", |(_, ours)| ours);
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let (mut job, output) = match arguments[..] {
        ["--interactive", ref size @ ..] => {
            let terminal = ports::open_terminal(size)?;
            // Job control needs a session whose controlling terminal this is.
            let mut job = command("setsid");
            job.args(["--ctty", "--wait", "--"]).args(&argv);
            job.stdin(terminal.try_clone().context("duplicating hvc0")?);
            (job, terminal)
        }
        [] => {
            let mut job = command(argv[0]);
            job.args(&argv[1..]).stdin(Stdio::null());
            (job, ports::open("output")?)
        }
        _ => bail!("unknown arguments {arguments:?}"),
    };
    job.stdout(output.try_clone().context("duplicating the output")?)
        .stderr(output);
    Ok(job)
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env("USER", "root")
        .env("TERM", "linux")
        .env("LANG", "C.UTF-8")
        .env("PS1", "\\u@\\h:\\w\\$ ")
        .env("RUST_BACKTRACE", "1")
        .env("HHNET", "/opt/bin/hhnet")
        .env("HHNET_DHCP_SERVERS", "/opt/servers")
        .current_dir("/root");
    command
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting {command:?}"))?;
    ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}

/// Looks until something is found.
fn wait_for<T>(what: &str, deadline: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        ensure!(
            started.elapsed() < deadline,
            "not within {deadline:?}: {what}"
        );
        thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for the command, meanwhile burying the orphans that fall to PID 1.
/// Returns its exit status as a shell has it: 128 + n for signal n.
fn reap_until_exit_of(job: Pid) -> Result<i32> {
    loop {
        match waitpid(None, None).context("waiting for children")? {
            WaitStatus::Exited(pid, code) if pid == job => return Ok(code),
            WaitStatus::Signaled(pid, signal, _) if pid == job => return Ok(128 + signal as i32),
            _ => {}
        }
    }
}
