// SPDX-License-Identifier: Apache-2.0
//! A machine without hardware: a network namespace with mounts and a hostname
//! of its own.
//!
//! /run and /var/log are empty and private, so that several agents with the
//! same runtime directory live side by side on one kernel. Nothing is named in
//! /run/netns: when the last file descriptor and the last process are gone, so
//! is the machine.

use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, setgroups, sethostname, setresgid, setresuid};

use crate::process::{self, Output};
use crate::wait::{self, PATIENCE};

/// One machine; dropping it ends the processes in it, unless it is the one that the
/// test itself is running on.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    net: OwnedFd,
    mnt: OwnedFd,
    uts: OwnedFd,
    is_own: bool,
}

/// A process seen in a [`Namespace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id in the pid namespace of the test.
    pub pid: i32,
    /// Its command line, joined by spaces.
    pub cmdline: String,
}

impl Namespace {
    /// Makes an empty machine called `name`.
    pub fn new(name: &str) -> Self {
        // unshare(2) concerns the calling thread: use one that ends right after.
        let namespace = thread::scope(|scope| {
            scope
                .spawn(|| {
                    isolate(name).unwrap_or_else(|e| panic!("making machine {name}: {e}"));
                    Self::of_this_thread(name, false)
                })
                .join()
                .expect("thread of the new namespace")
        });
        // Duplicate address detection would keep addresses "tentative" for a
        // second, which makes snapshots of the machine differ for no reason.
        namespace.sysctl("net/ipv6/conf/default/accept_dad", "0");
        namespace.sysctl("net/ipv6/conf/all/accept_dad", "0");
        namespace
    }

    /// The machine that the test is running on, as it is.
    pub fn own() -> Self {
        let name = nix::unistd::gethostname().expect("every machine has a name");
        Self::of_this_thread(&name.to_string_lossy(), true)
    }

    fn of_this_thread(name: &str, is_own: bool) -> Self {
        let [net, mnt, uts] = ["net", "mnt", "uts"].map(|kind| {
            let path = format!("/proc/thread-self/ns/{kind}");
            OwnedFd::from(File::open(path).expect("own namespace can be opened"))
        });
        Self {
            name: name.to_owned(),
            net,
            mnt,
            uts,
            is_own,
        }
    }

    /// The machine's hostname.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path that names the network namespace, as `ip link … netns PATH` takes it.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.net.as_raw_fd())
    }

    /// The network namespace, as netlink takes it.
    pub(crate) fn network(&self) -> BorrowedFd<'_> {
        self.net.as_fd()
    }

    /// A command that will run in this machine.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let (net, mnt, uts) = (
            self.net.as_raw_fd(),
            self.mnt.as_raw_fd(),
            self.uts.as_raw_fd(),
        );
        let mut command = Command::new(program);
        let enter = move || {
            for fd in [net, uts, mnt] {
                // SAFETY: setns(2) is a plain system call; `self` outlives the spawn, so the
                // descriptor is open, and the child has its own copy of it.
                if unsafe { libc::setns(fd, 0) } != 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        };
        // SAFETY: the closure only makes system calls, allowed between fork and exec.
        unsafe { command.pre_exec(enter) };
        command
    }

    /// Runs a command line (split at blanks) in this machine.
    pub fn run(&self, line: &str) -> Output {
        process::run(&mut self.command_line(line), PATIENCE)
    }

    /// Runs a command line that has to succeed, and returns its stdout.
    #[track_caller]
    pub fn must(&self, line: &str) -> String {
        self.run(line)
            .success(&format!("{}: {line}", self.name))
            .stdout
    }

    /// The command of a command line, split at blanks.
    pub fn command_line(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let mut command = self.command(words.next().expect("a command line is not empty"));
        command.args(words);
        command
    }

    /// Runs lines of `ip` commands in one process; empty lines are ignored.
    #[track_caller]
    pub fn ip_batch(&self, lines: &str) {
        self.batch("ip", lines);
    }

    /// Runs lines of `bridge` commands in one process; empty lines are ignored.
    #[track_caller]
    pub fn bridge_batch(&self, lines: &str) {
        self.batch("bridge", lines);
    }

    #[track_caller]
    fn batch(&self, tool: &str, lines: &str) {
        let mut command = self.command(tool);
        command.args(["-batch", "-"]);
        process::run_with_stdin(&mut command, lines, PATIENCE)
            .success(&format!("{}: {tool} -batch\n{lines}\n", self.name));
    }

    /// Sets a network sysctl of this machine, e.g. `net/ipv4/ip_forward`.
    pub fn sysctl(&self, key: &str, value: &str) {
        let path = Path::new("/proc/sys").join(key);
        self.enter(|| fs::write(&path, value))
            .unwrap_or_else(|e| panic!("writing {}: {e}", path.display()));
    }

    /// Runs `f` on a thread inside the machine: its sockets and its files.
    pub fn enter<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            // setns(2) to other mounts wants a root directory not shared with other threads.
            unshare(CloneFlags::CLONE_FS).expect("root can unshare");
            for fd in [&self.net, &self.uts, &self.mnt] {
                setns(fd.as_fd(), CloneFlags::empty()).expect("own namespaces can be entered");
            }
            f()
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// The text of a file as the machine sees it, if there is one.
    pub fn read(&self, path: &str) -> Option<String> {
        self.enter(|| fs::read_to_string(path).ok())
    }

    /// All processes in this network namespace.
    pub fn processes(&self) -> Vec<Process> {
        let own = fs::read_link(self.path()).expect("own descriptor can be read");
        let entries = fs::read_dir("/proc").expect("/proc is mounted").flatten();
        entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).is_ok_and(|ns| ns == own))
            .map(|pid| Process {
                pid,
                cmdline: cmdline(pid),
            })
            .collect()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if self.is_own {
            return;
        }
        // Twice is enough for a process that was just forking.
        wait::poll(PATIENCE, || {
            let left = self.processes();
            for process in &left {
                let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
            }
            left.is_empty().then_some(())
        });
    }
}

/// Makes `command` run as a user without any right, after it has entered its
/// machine.
pub fn unprivileged(command: &mut Command) {
    const NOBODY: u32 = 65534;
    let drop_rights = || {
        setgroups(&[])?;
        setresgid(NOBODY.into(), NOBODY.into(), NOBODY.into())?;
        setresuid(NOBODY.into(), NOBODY.into(), NOBODY.into())?;
        Ok(())
    };
    // SAFETY: the closure only makes system calls, allowed between fork and exec.
    unsafe { command.pre_exec(drop_rights) };
}

/// Gives the calling thread a network, mounts and a hostname of its own.
fn isolate(name: &str) -> Result<(), Box<dyn std::error::Error>> {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS)?;
    sethostname(name)?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    // The resolver's file may be a link into /run: read it before that is hidden.
    let resolver = fs::read("/etc/resolv.conf").unwrap_or_default();
    let hosts = format!("127.0.0.1 localhost\n127.0.1.1 {name}\n");
    fs::create_dir_all("/var/log")?;
    for dir in ["/run", "/var/log"] {
        mount(
            Some("tmpfs"),
            dir,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=0755"),
        )?;
    }
    // A sysfs shows the network devices of the namespace it was mounted in.
    mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), none)?;
    cover("/etc/resolv.conf", &resolver)?;
    cover("/etc/hosts", hosts.as_bytes())?;
    Ok(())
}

/// Puts a file of this machine alone in the place of a shared one in /etc.
pub(crate) fn cover(path: &str, text: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let path = Path::new(path);
    if let Ok(target) = fs::read_link(path) {
        let target = Path::new("/etc").join(target);
        fs::create_dir_all(target.parent().ok_or("the link has no parent")?)?;
        fs::write(path, text)?;
        return Ok(());
    }
    if !path.exists() {
        fs::write(path, "")?;
    }
    let own = Path::new("/run").join(path.file_name().ok_or("a file has a name")?);
    fs::write(&own, text)?;
    mount(
        Some(&own),
        path,
        None::<&str>,
        MsFlags::MS_BIND,
        None::<&str>,
    )?;
    Ok(())
}

fn cmdline(pid: i32) -> String {
    let raw = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&raw)
        .replace('\0', " ")
        .trim_end()
        .to_owned()
}
