// SPDX-License-Identifier: Apache-2.0
//! What a running agent may do, as the kernel has it, and as SECURITY.md says.

use std::fs;
use std::thread;

use crate::namespace::Namespace;

/// Where it is written down: a row a capability.
const DOCUMENT: &str = include_str!("../../SECURITY.md");

/// Numbers of capabilities (linux/capability.h).
pub(crate) const CAPABILITIES: [(&str, u32); 7] = [
    ("CAP_NET_BIND_SERVICE", 10),
    ("CAP_NET_ADMIN", 12),
    ("CAP_NET_RAW", 13),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_SYS_RESOURCE", 24),
    ("CAP_PERFMON", 38),
    ("CAP_BPF", 39),
];

/// The number of a capability.
///
/// # Panics
/// When it is not in the list above.
pub(crate) fn number(name: &str) -> u32 {
    let known = CAPABILITIES.iter().find(|(known, _)| *known == name);
    known.unwrap_or_else(|| panic!("{name}: which number?")).1
}

/// The set of those that SECURITY.md has a row for.
fn documented() -> u64 {
    let rows = DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix("| `CAP_"));
    let names = rows.filter_map(|row| Some(format!("CAP_{}", row.split_once('`')?.0)));
    names.fold(0, |set, name| set | 1 << number(&name))
}

/// Checks that no thread of a process has any right but those of SECURITY.md.
///
/// # Panics
/// When one has more, or less.
#[track_caller]
pub fn expect_reduced(pid: i32) {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it is running");
    let mut threads = 0;
    for task in tasks.flatten() {
        // One that has ended meanwhile has no rights at all.
        let Ok(status) = fs::read_to_string(task.path().join("status")) else {
            continue;
        };
        expect_status(&status);
        threads += 1;
    }
    assert!(threads > 0, "process {pid} has no thread");
}

#[track_caller]
fn expect_status(status: &str) {
    let field = |name: &str| {
        let mut lines = status.lines().filter_map(|line| line.split_once(":\t"));
        let found = lines.find(|(key, _)| *key == name);
        found.unwrap_or_else(|| panic!("no {name} in\n{status}")).1
    };
    let documented = format!("{:016x}", documented());
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(field(set), documented, "{set} in\n{status}");
    }
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(field(set), "0000000000000000", "{set} in\n{status}");
    }
    assert_eq!(field("NoNewPrivs"), "1", "{status}");
    // SECCOMP_MODE_FILTER.
    assert_eq!(field("Seccomp"), "2", "{status}");
}

/// Runs `f` on a machine as a user without any right, who still has its files open.
pub fn as_nobody<T: Send>(machine: &Namespace, f: impl FnOnce() -> T + Send) -> T {
    const NOBODY: libc::uid_t = 65534;
    machine.enter(|| {
        // A thread's own ids: libc's function would change those of all.
        let drop_rights = || {
            // SAFETY: three numbers; the thread does nothing else afterwards.
            let outcome = unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) };
            assert_eq!(outcome, 0, "{}", std::io::Error::last_os_error());
        };
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                drop_rights();
                f()
            });
            thread.join()
        })
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
