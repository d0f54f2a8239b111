// SPDX-License-Identifier: Apache-2.0
//! One run of QEMU.
//!
//! The guest has a serial console for the kernel's words, which goes to a file, and
//! ports of a virtio-serial device: "report" for who starts the command, and for the
//! command either "output" or, when interactive, the terminal hvc0.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::accel::Accel;
use super::verdict::{self, Report};
use super::{Job, Outcome, System, nics};
use crate::progress;

/// Measured: each saves boot time under TCG, or keeps the guest from giving up on a
/// clock that a busy host made slow.
const KERNEL_ARGUMENTS: &str = "console=ttyS0 quiet panic=-1 mitigations=off nokaslr \
    cryptomgr.notests no_timer_check tsc=reliable random.trust_cpu=on \
    initcall_blacklist=load_system_certificate_list,jent_mod_init,init_encrypted";

const MACHINE: &str = "-M pc -smp 2 -nodefaults -no-user-config -display none -no-reboot";

/// What the guest may take to power off once it has reported.
const POWER_OFF: Duration = Duration::from_secs(60);

/// A running QEMU, killed when dropped.
struct Guest {
    qemu: Child,
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Both fail only if it is gone already.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// What QEMU boots, and where it leaves its logs.
pub(super) struct Files<'a> {
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    pub(super) console: &'a Path,
    pub(super) stderr: &'a Path,
}

impl Files<'_> {
    /// The ends of the logs.
    pub(super) fn last_words(&self) -> String {
        let tail = |log: &Path| {
            let log = fs::read(log).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = log.lines().collect();
            lines[lines.len().saturating_sub(30)..].join("\n")
        };
        let (console, stderr) = (tail(self.console), tail(self.stderr));
        format!("the VM's console:\n{console}\nQEMU:\n{stderr}")
    }
}

/// Boots, waits for the verdict and for the end of the output.
pub(super) fn run(files: &Files, accel: Accel, job: &Job) -> Result<Outcome> {
    let deadline = Instant::now() + job.timeout;
    let (report, report_guest) = port()?;
    let (output, output_guest) = port()?;

    let mut qemu = command(files, accel, job.system);
    let stderr = File::create(files.stderr).context("creating QEMU's log")?;
    qemu.stderr(stderr);
    add_port(&mut qemu, "report", &report_guest);
    if job.interactive {
        qemu.args(["-chardev", "stdio,id=terminal,signal=off"]);
        qemu.args(["-device", "virtconsole,chardev=terminal"]);
    } else {
        add_port(&mut qemu, "output", &output_guest);
        qemu.stdin(Stdio::null());
    }
    let arguments = format!(
        "{KERNEL_ARGUMENTS} {}{}",
        job.system.init(),
        init_arguments(job.interactive)
    );
    qemu.args(["-append", &arguments]);

    let started = Instant::now();
    let mut guest = Guest {
        qemu: qemu.spawn().context("starting QEMU")?,
    };
    // From here on only QEMU holds the guest's ends, so that its death ends the streams.
    drop((report_guest, output_guest));

    let reports = report.try_clone().context("sharing a socket")?;
    // The guest would wait for ever for somebody to take what it says.
    let unheard = move |_: &io::Error| drop(reports.shutdown(Shutdown::Both));
    let relay = thread::spawn(move || progress::relay(output).inspect_err(unheard));
    let verdict = verdict(report, started, deadline);
    if verdict.is_ok() {
        wait_for_power_off(&mut guest.qemu)?;
    }
    drop(guest);
    let output = relay.join().expect("relaying bytes does not panic");
    let output = output.context("passing the VM's output on")?;
    let status = verdict?;
    Ok(Outcome { status, output })
}

impl System {
    /// How the kernel is told what to start. systemd has nothing to update in a root
    /// that is as old as the machine, and no terminals to offer.
    fn init(self) -> &'static str {
        match self {
            Self::Bare(_) => "rdinit=/sbin/vm-init",
            Self::Debian(_) => {
                "rdinit=/sbin/init systemd.condition_needs_update=0 systemd.getty_auto=0"
            }
        }
    }

    /// The initramfs is unpacked into memory, of which it may fill a half.
    fn hardware(self) -> Vec<String> {
        let (memory, nics) = match self {
            Self::Bare(_) => ("1024", Vec::new()),
            Self::Debian(_) => ("2048", nics::arguments()),
        };
        let mut arguments = vec!["-m".to_owned(), memory.to_owned()];
        arguments.extend(nics);
        arguments
    }
}

fn command(files: &Files, accel: Accel, system: System) -> Command {
    // setpriv: should we be killed, the VM dies too.
    let mut qemu = Command::new("setpriv");
    qemu.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"])
        .args(MACHINE.split_whitespace())
        .args(system.hardware())
        .args(accel.arguments())
        .arg("-kernel")
        .arg(files.kernel)
        .arg("-initrd")
        .arg(files.initramfs)
        .arg("-serial")
        .arg(format!("file:{}", files.console.display()))
        .args(["-device", "virtio-serial-pci"]);
    qemu
}

/// A port's two ends; the second one survives the exec of QEMU.
fn port() -> Result<(UnixStream, UnixStream)> {
    let (host, guest) = UnixStream::pair().context("creating a socket pair")?;
    fcntl(&guest, FcntlArg::F_SETFD(FdFlag::empty())).context("making a socket inheritable")?;
    Ok((host, guest))
}

fn add_port(qemu: &mut Command, name: &str, socket: &UnixStream) {
    qemu.arg("-chardev")
        .arg(format!("socket,id={name},fd={}", socket.as_raw_fd()))
        .arg("-device")
        .arg(format!("virtserialport,chardev={name},name={name}"));
}

/// What follows `--` becomes the arguments of init.
fn init_arguments(interactive: bool) -> String {
    if !interactive {
        return String::new();
    }
    // QEMU tells the guest no window size.
    let size = Command::new("stty")
        .arg("size")
        .stdin(Stdio::inherit())
        .output();
    let size = size
        .ok()
        .and_then(|stty| String::from_utf8(stty.stdout).ok())
        .unwrap_or_default();
    format!(" -- --interactive {}", size.trim())
}

/// The command's exit status, as the guest's init reports it.
fn verdict(report: UnixStream, started: Instant, deadline: Instant) -> Result<i32> {
    let (sender, reports) = mpsc::channel();
    // Ends with QEMU: at the end of the stream, or with the error that a reset is.
    thread::spawn(move || {
        for line in BufReader::new(report).lines().map_while(Result::ok) {
            let _ = verdict::parse(&line).map(|report| sender.send(report));
        }
    });
    let mut stage = "to boot";
    loop {
        match reports.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Report::Up) => {
                let seconds = started.elapsed().as_secs_f64();
                progress::note(&format!("VM up after {seconds:.1} s"));
                stage = "to run its command";
            }
            Ok(Report::Exit(status)) => return Ok(status),
            Err(RecvTimeoutError::Disconnected) => bail!("the VM ended without a verdict"),
            Err(RecvTimeoutError::Timeout) => bail!("the VM took too long {stage}"),
        }
    }
}

fn wait_for_power_off(qemu: &mut Child) -> Result<()> {
    let deadline = Instant::now() + POWER_OFF;
    while qemu.try_wait().context("waiting for QEMU")?.is_none() {
        if Instant::now() > deadline {
            bail!("the VM did not power off");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
