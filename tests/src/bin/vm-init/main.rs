// SPDX-License-Identifier: Apache-2.0
//! PID 1 of the test VM: prepares the machine, runs one command, reports its exit
//! status on the virtio port "report", and powers off.
//!
//! `/etc/vm-init.argv` holds the command line, NUL-separated. Its output goes to the port
//! "output"; with `--interactive [ROWS COLUMNS]` it gets the terminal hvc0 instead.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, sethostname};

const PATH: &str = "/opt/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How long the drivers may take to offer the ports.
const DEVICE_TIMEOUT: Duration = Duration::from_secs(20);

fn main() {
    if let Err(error) = live() {
        // The kernel's log is the console, which the host shows when there is no verdict.
        let _ = fs::write("/dev/kmsg", format!("<0>vm-init: {error:#}\n"));
    }
    nix::unistd::sync();
    let _ = reboot(RebootMode::RB_POWER_OFF);
}

fn live() -> Result<()> {
    ensure!(std::process::id() == 1, "this is the init of the test VM");
    mount_all()?;
    sethostname("server-01").context("setting the host name")?;
    // Built in or not: in Debian's 6.1 they are modules, and nothing else loads them.
    succeed(command("modprobe").args(["-a", "virtio_pci", "virtio_console"]))?;
    succeed(command("ip").args(["link", "set", "lo", "up"]))?;

    let mut report = open_port("report")?;
    let mut job = job(std::env::args().skip(1).collect())?;
    writeln!(report, "hhnet-vm: up").context("reporting")?;
    let child = job
        .spawn()
        .with_context(|| format!("starting {:?}", job.get_program()))?;
    let status = reap_until_exit_of(Pid::from_raw(child.id().try_into()?))?;
    writeln!(report, "hhnet-vm: exit {status}").context("reporting")
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

/// The command of this VM's life, connected to where its output belongs.
fn job(arguments: Vec<String>) -> Result<Command> {
    let argv = fs::read_to_string("/etc/vm-init.argv").context("reading /etc/vm-init.argv")?;
    let argv: Vec<&str> = argv.split('\0').collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (mut job, output) = match arguments[..] {
        ["--interactive", ref size @ ..] => {
            let terminal = open_terminal(size)?;
            // Job control needs a session whose controlling terminal this is.
            let mut job = command("setsid");
            job.args(["--ctty", "--wait", "--"]).args(&argv);
            job.stdin(terminal.try_clone().context("duplicating hvc0")?);
            (job, terminal)
        }
        [] => {
            let mut job = command(argv[0]);
            job.args(&argv[1..]).stdin(Stdio::null());
            (job, open_port("output")?)
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

/// Opens the virtio-serial port of that name, which may appear late.
fn open_port(name: &str) -> Result<File> {
    let device = wait_for(&format!("the port {name}"), || port_device(name))?;
    open(&device)
}

/// There is no udev to make /dev/virtio-ports.
fn port_device(name: &str) -> Option<PathBuf> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    let port = ports.flatten().find(|port| {
        fs::read_to_string(port.path().join("name")).is_ok_and(|port| port.trim() == name)
    })?;
    Some(Path::new("/dev").join(port.file_name())).filter(|device| device.exists())
}

fn open_terminal(size: &[&str]) -> Result<File> {
    let device = wait_for("the terminal hvc0", || {
        Some(PathBuf::from("/dev/hvc0")).filter(|device| device.exists())
    })?;
    let terminal = open(&device)?;
    if let [rows, columns] = size {
        let mut stty = command("stty");
        stty.args(["rows", rows, "columns", columns]);
        succeed(stty.stdin(terminal.try_clone().context("duplicating hvc0")?))?;
    }
    Ok(terminal)
}

fn open(device: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(device)
        .with_context(|| format!("opening {}", device.display()))
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + DEVICE_TIMEOUT;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        ensure!(
            Instant::now() < deadline,
            "{what} did not appear within {DEVICE_TIMEOUT:?}"
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
